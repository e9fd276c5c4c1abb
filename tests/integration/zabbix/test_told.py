"""From a real Zabbix to those who act: the receiver with its inbox, and the sources of Event-Driven Ansible."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.alerts.config import Source
from opsctl.alerts.inbox.store import Inbox
from opsctl.alerts.receiver.app import Intake
from opsctl.alerts.receiver.serve import Receiver
from opsctl.monitor.config import secret_file
from opsctl.monitor.setup.token import fresh, keep
from tests.unit.eda.conftest import load

from .lab import Setup, done, seen, watch
from .server import Server


class Ears:
    """A source of events that runs beside the test."""

    def __init__(self, name: str, args: dict[str, Any]) -> None:
        self.heard: list[dict[str, Any]] = []
        self._main = load(name)["main"]
        self._args = args
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def states(self) -> list[tuple[str, str]]:
        return [(alert["host"], alert["state"]) for alert in list(self.heard)]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)
        self._loop.close()

    async def put(self, event: dict[str, Any]) -> None:
        self.heard.append(event["alert"])

    def _run(self) -> None:
        self._task = self._loop.create_task(self._main(self, self._args))
        self._loop.run_until_complete(asyncio.gather(self._task, return_exceptions=True))


@pytest.fixture
def setup(zabbix: Server, tmp_path: Path) -> Setup:
    made = Setup(zabbix, tmp_path)
    keep(secret_file(tmp_path), fresh())
    return made


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path) as made:
        yield made


def test_a_problem_and_its_end_reach_everybody(setup: Setup, inbox: Inbox) -> None:
    intake = Intake(inbox, [Source(name="zabbix", kind="zabbix")], setup.home, setup.server.url)
    with Receiver(intake, ("0.0.0.0", 0)) as receiver:
        # The key that is there is the one that Zabbix gets.
        port = receiver.url.rpartition(":")[2]
        assert "key" not in done(setup(receiver=f"http://{setup.server.gateway}:{port}"))
        mine = {"url": setup.server.url, "token": setup.token, "interval": 0.2, "groups": [setup.name]}
        asking = Ears("zabbix", mine)
        reading = Ears("opsctl_alerts", {"home": str(setup.home), "interval": 0.1, "sources": ["zabbix"]})
        try:
            host = watch(setup)
            host.send(0)
            (alert,) = seen(inbox.firing)
            assert (alert.host, alert.stack, alert.severity) == (host.host, "cäche", "high")
            assert (alert.trigger, alert.problem, alert.address) == (host.trigger, "redis-process-down", "192.0.2.7")
            assert alert.data["via"] == "webhook"
            tag = {"tag": "opsctl_alert", "value": alert.id}
            seen(lambda: tag in setup.one("event", eventids=[alert.key], selectTags="extend")["tags"])
            seen(lambda: asking.states() == [(host.host, "firing")])
            seen(lambda: reading.states() == [(host.host, "firing")])
            host.send(1)
            seen(lambda: not inbox.firing())
            seen(lambda: asking.states() == [(host.host, "firing"), (host.host, "resolved")])
            seen(lambda: reading.states() == [(host.host, "firing"), (host.host, "resolved")])
        finally:
            asking.close()
            reading.close()
        for heard in (asking.heard[0], reading.heard[0]):
            assert (heard["name"], heard["severity"]) == ('Redis 😀 is "down"', "high")
            assert heard["tags"]["opsctl_stack"] == "cäche"
            assert heard["started"] == alert.started
        over = inbox.get(alert.id)
        assert asking.heard[1]["resolved"] == over.resolved
    assert intake.counts["taken"] >= 2
    assert not [name for name in intake.counts if name.startswith("refused")]
