"""The event source `opsctl_alerts` of Event-Driven Ansible, over a real inbox."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox.store import Inbox
from opsctl.clock import uuid7

from .conftest import PATIENCE, Told, load

SOURCE = load("opsctl_alerts")


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path) as made:
        yield made


def alert(key: str, **more: Any) -> Alert:
    made = Alert(id=uuid7(), source="zabbix", kind="zabbix", key=key, name="Redis is down", host="cache-redis-1")
    started = "2026-11-21T18:00:01.000Z"
    more = {"groups": ("opsctl",), "tags": {"opsctl_stack": "cache"}, "severity": "high", "started": started, **more}
    return replace(made, received=started, **more)


def remove(home: Path) -> None:
    for path in home.glob("alerts.db*"):
        path.unlink()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 3 * PATIENCE))


def told(home: Path, **args: Any) -> Told:
    return Told(SOURCE["main"], {"home": str(home), "interval": 0.05, **args})


def test_alerts_are_told_when_they_come_and_when_they_go(tmp_path: Path, inbox: Inbox) -> None:
    async def work() -> None:
        first = alert("5", data={"secret": "s"})
        inbox.put([first])
        async with told(tmp_path) as source:
            got = await source.next()
            plain = first.plain()
            assert got == {name: plain[name] for name in got}
            assert set(plain) - set(got) == {"data", "change"}
            # Seen again, acknowledged: a change, but nothing new.
            inbox.put([replace(first, acknowledged=True)])
            inbox.put([replace(first, state="resolved", resolved="2026-11-21T18:05:00.000Z"), alert("6")])
            assert [(one["key"], one["state"]) for one in [await source.next(), await source.next()]] == [
                ("5", "resolved"),
                ("6", "firing"),
            ]
            assert source.queue.empty()

    run(work())


def test_only_what_is_asked_for_is_told(tmp_path: Path, inbox: Inbox) -> None:
    inbox.put([alert("1")])
    source = SOURCE["Inbox"](tmp_path / "alerts.db", {"begin": "now", "sources": ["zabbix"]})
    assert source.look() == []
    inbox.put([alert("2", source="other"), alert("3", suppressed=True), alert("4")])
    events = [source.event(row) for row in source.look()]
    assert [event["alert"]["key"] for event in events if event] == ["4"]
    assert source.look() == []

    async def work() -> None:
        async with told(tmp_path, suppressed="true") as source:
            assert sorted([(await source.next())["key"] for _ in "1234"]) == ["1", "2", "3", "4"]

    run(work())


def test_an_inbox_may_come_later_and_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with told(tmp_path) as source:
            while "start `opsctl alert serve`" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            with Inbox(tmp_path) as inbox:
                inbox.put([alert("1"), alert("2")])
            assert [(await source.next())["key"] for _ in "12"] == ["1", "2"]
            remove(tmp_path)
            with Inbox(tmp_path) as inbox:
                inbox.put([alert("3")])
            assert (await source.next())["key"] == "3"

    with caplog.at_level(logging.WARNING):
        run(work())
    assert "can be read" in caplog.text


def test_the_inbox_of_another_schema_is_refused(tmp_path: Path, inbox: Inbox) -> None:
    with closing(sqlite3.connect(tmp_path / "alerts.db")) as base:
        base.execute("PRAGMA user_version = 99")

    async def work() -> None:
        async with told(tmp_path) as source:
            with pytest.raises(ValueError, match=r"alerts\.db has schema 99, not 1"):
                await source.next()

    run(work())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"begin": "yesterday"}, "begin must be firing or now"),
        ({"interval": 0}, "interval must be a number"),
        ({"interval": "often"}, "interval must be a number"),
        ({"homes": "x"}, "unknown option homes"),
    ],
)
def test_what_cannot_work_is_one_line(tmp_path: Path, args: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asyncio.run(SOURCE["main"](asyncio.Queue(), {"home": str(tmp_path), **args}))


def test_the_source_knows_where_opsctl_keeps_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSCTL_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    from opsctl.home import locate

    assert SOURCE["place"]({}) == locate() / "alerts.db"
    monkeypatch.setenv("OPSCTL_HOME", str(tmp_path / "h"))
    assert SOURCE["place"]({}) == tmp_path / "h" / "alerts.db"
