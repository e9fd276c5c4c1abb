"""The event source `zabbix` of Event-Driven Ansible, against a Zabbix that speaks as each version does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from .conftest import PATIENCE, TOKEN, Fake, Told, load, refusal, serving

SOURCE = load("zabbix")
SOURCE["main"].__globals__["LONGEST"] = 0.2


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 3 * PATIENCE))


def told(fake: Fake, **args: Any) -> Told:
    return Told(SOURCE["main"], {"url": fake.url, "token": TOKEN, "interval": 0.1, **args})


@pytest.mark.parametrize("version", ["6.0.14", "6.4.0", "7.0.30", "7.4.14", "8.0.0"])
def test_a_problem_is_told_when_it_comes_and_when_it_goes(version: str) -> None:
    async def work() -> None:
        fake = Fake(version)
        fake.raised("5")
        async with serving(fake), told(fake) as source:
            first = await source.next()
            assert first == {
                "id": "5",
                "source": "zabbix",
                "state": "firing",
                "name": "Redis is down",
                "trigger": "77",
                "host": "cache-redis-1",
                "hosts": ["cache-redis-1"],
                "address": "10.0.0.5",
                "groups": ["opsctl"],
                "tags": {"opsctl_component": "redis", "opsctl_stack": "cache"},
                "severity": "high",
                "started": "2026-11-21T18:00:01.000Z",
                "resolved": "",
                "acknowledged": False,
                "opdata": "0",
            }
            fake.raised("6")
            assert (await source.next())["id"] == "6"
            fake.over("5")
            gone = await source.next()
            assert gone == {**first, "state": "resolved", "resolved": "2026-11-21T18:01:01.000Z"}
            assert source.queue.empty()

    run(work())


def test_nothing_is_told_twice_and_nothing_lost_over_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse() -> web.Response:
        return web.Response(status=502, text="<html>")

    async def nonsense() -> web.Response:
        return web.Response(text="<html>no JSON</html>")

    async def database() -> web.Response:
        return web.json_response({"id": 1, "error": {"code": 1, "message": "Error connecting to database"}})

    async def work() -> None:
        fake = Fake()
        fake.raised("5")
        async with serving(fake), told(fake) as source:
            assert (await source.next())["id"] == "5"
            fake.faults = [refuse, nonsense, database]
            fake.raised("6")
            fake.over("5")
            assert [(alert["id"], alert["state"]) for alert in [await source.next(), await source.next()]] == [
                ("5", "resolved"),
                ("6", "firing"),
            ]
            assert not fake.faults
            assert source.queue.empty()

    with caplog.at_level(logging.WARNING):
        run(work())
    said = [record.message for record in caplog.records if "Zabbix at" in record.message]
    assert len([line for line in said if "does not answer: HTTP 502" in line]) == 1
    assert TOKEN not in caplog.text


def test_what_one_look_could_not_finish_the_next_does() -> None:
    async def refuse() -> web.Response:
        return web.Response(status=500)

    async def fine() -> web.Response:
        return web.json_response({"id": 1, "result": "6.0.14"})

    async def work() -> None:
        fake = Fake()
        fake.raised("5")
        async with serving(fake):
            # The version is answered, the question for problems is not, however far it got.
            fake.faults = [fine, refuse]
            async with told(fake) as source:
                assert (await source.next())["id"] == "5"

    run(work())


def test_a_wrong_token_ends_the_source_and_is_not_said() -> None:
    async def work() -> None:
        fake = Fake()
        async with serving(fake), told(fake, token="f" * 64) as source:
            with pytest.raises(ValueError, match=r"refuses problem\.get: Not authorized") as caught:
                await source.next()
            assert "ffff" not in str(caught.value)

    run(work())


def test_an_error_that_quotes_the_token_is_masked() -> None:
    async def leak() -> web.Response:
        return web.json_response({"id": 1, "error": refusal(f"Bad {TOKEN}.")})

    async def work() -> None:
        fake = Fake(faults=[leak])
        async with serving(fake), told(fake) as source:
            with pytest.raises(ValueError, match=r"Bad \*{8}\."):
                await source.next()

    run(work())


def test_an_upgrade_underway_is_followed() -> None:
    async def work() -> None:
        fake = Fake("6.0.14")
        fake.raised("5")
        async with serving(fake), told(fake) as source:
            assert (await source.next())["id"] == "5"
            fake.version = "7.4.0"
            fake.raised("6")
            assert (await source.next())["id"] == "6"

    run(work())


def test_only_what_is_asked_for_is_told() -> None:
    async def work() -> None:
        fake = Fake()
        fake.raised("4", severity="1")
        fake.raised("5", suppressed="1")
        fake.raised("6")
        async with serving(fake), told(fake, min_severity="high", groups=["opsctl", "none"]) as source:
            assert (await source.next())["id"] == "6"
            fake.problems["5"]["suppressed"] = "0"
            assert (await source.next())["id"] == "5"
            fake.problems["5"]["suppressed"] = "1"
            fake.raised("7")
            assert (await source.next())["id"] == "7"
        async with serving(fake), told(fake, suppressed="true") as source:
            assert [(await source.next())["id"] for _ in fake.problems] == ["4", "5", "6", "7"]

    run(work())


def test_a_problem_that_falls_out_of_the_newest_is_not_gone() -> None:
    async def work() -> None:
        fake = Fake()
        fake.raised("5")
        async with serving(fake), told(fake, most=2) as source:
            assert (await source.next())["id"] == "5"
            fake.raised("6")
            fake.raised("7")
            assert [(await source.next())["id"] for _ in "67"] == ["6", "7"]
            fake.over("7")
            gone = await source.next()
            assert (gone["id"], gone["state"]) == ("7", "resolved")
            assert source.queue.empty()

    run(work())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"url": "z"}, "url must be like https"),
        ({"url": ""}, "url must be like https"),
        ({"token": ""}, "give token or token_file"),
        ({"token_file": "/none/such"}, "cannot read /none/such: No such file"),
        ({"interval": "often"}, "interval must be a number from 0.1"),
        ({"interval": float("nan")}, "interval must be a number from 0.1"),
        ({"most": 0}, "most must be a number from 1"),
        ({"min_severity": "worst"}, "min_severity must be one of"),
        ({"suppressed": "perhaps"}, "want true or false"),
        ({"group": ["x"]}, "unknown option group"),
        ({"url": "https://z", "ca_path": "/none/such"}, "cannot read the certificates in /none/such"),
    ],
)
def test_what_cannot_work_is_one_line(args: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZABBIX_URL", raising=False)
    monkeypatch.delenv("ZABBIX_TOKEN", raising=False)
    with pytest.raises(ValueError, match=said) as caught:
        asyncio.run(SOURCE["main"](asyncio.Queue(), {"url": "http://z", "token": TOKEN, **args}))
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_the_environment_of_the_modules_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZABBIX_URL", "http://z/zabbix/")
    monkeypatch.setenv("ZABBIX_TOKEN", "of-variable")
    options = SOURCE["Options"]({})
    assert (options.url, options.token) == ("http://z/zabbix", "of-variable")
    (tmp_path / "token").write_text("of-file\n")
    assert SOURCE["Options"]({"token_file": str(tmp_path / "token")}).token == "of-file"
