"""Problems of a real Zabbix, told by its webhook and asked for, are one alert each, also when one way fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.sources.origins import Origins
from opsctl.settings import load

from .lab import Setup, Watched, watch
from .server import Server

pytestmark = pytest.mark.docker
PATIENCE = 60


class Lab:
    """A home with sources for this Zabbix, and a host whose values are sent."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home, self.said = server, home, list[str]()
        self.setup = Setup(server, home)
        self.setup()
        (home / "config.toml").write_text(
            f'[monitor.zabbix]\nurl = "{server.url}"\ntimeout = 10\n[alerts]\nlisten = "0.0.0.0:0"\n'
            '[[alerts.sources]]\nname = "zabbix"\nkind = "zabbix"\nmin_severity = "average"\n'
            'tags = {opsctl_problem = "redis-process-down", opsctl_stack = ""}\n'
        )
        self.host: Watched = watch(self.setup)
        self.host.send(1)
        self.inbox = Inbox(home)

    @contextmanager
    def serving(self, *, webhook: bool = True) -> Iterator[Origins]:
        with Origins(self.inbox, self.home, load(self.home), self.said.append) as origins:
            if webhook:
                assert origins.receiver
                port = origins.receiver.url.rsplit(":", 1)[1]
                self.setup(receiver=f"http://{self.server.gateway}:{port}")
            yield origins

    def until(self, what: Callable[[list[Alert]], Any]) -> list[Alert]:
        """The alerts, the newest first, when they are as wanted."""
        limit = time.monotonic() + PATIENCE
        while not what(found := self.inbox.find()):
            assert time.monotonic() < limit, (found, self.said)
            self.inbox.wait(self.inbox.newest(), 0.3)
        return found

    def event(self, state: str) -> dict[str, Any]:
        """The newest problem in Zabbix itself, once it is open or over."""
        limit = time.monotonic() + PATIENCE
        asked = {
            "objectids": [self.host.trigger],
            "value": 1,
            "sortfield": ["eventid"],
            "sortorder": "DESC",
            "limit": 1,
        }
        while True:
            found = self.server.call("event.get", {**asked, "output": "extend", "selectTags": "extend"})
            if found and (found[0]["r_eventid"] == "0") == (state == "open"):
                return dict(found[0])
            assert time.monotonic() < limit, found
            time.sleep(0.2)


@pytest.fixture
def lab(zabbix: Server, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(zabbix, tmp_path)
    yield made
    made.inbox.close()


def test_a_problem_that_is_told_and_asked_for_is_one_alert(lab: Lab) -> None:
    with lab.serving():
        lab.host.send(0)
        [alert] = lab.until(lambda found: found and found[0].firing)
        assert (alert.host, alert.address, alert.severity) == (lab.host.host, "192.0.2.7", "high")
        assert (alert.problem, alert.stack, alert.groups) == ("redis-process-down", "cäche", (lab.setup.name,))
        limit = time.monotonic() + PATIENCE
        while {"tag": "opsctl_alert", "value": alert.id} not in lab.event("open")["tags"]:
            assert time.monotonic() < limit, "the webhook's answer is not on the event"
            time.sleep(0.3)
        assert [each.id for each in lab.inbox.find()] == [alert.id]
        lab.server.call("event.acknowledge", {"eventids": [alert.key], "action": 6, "message": "seen"})
        lab.until(lambda found: found[0].acknowledged)
        lab.host.send(1)
        [ended] = lab.until(lambda found: not found[0].firing)
        assert (ended.id, ended.started <= ended.resolved) == (alert.id, True)


def test_what_happened_while_nobody_listened_is_found(lab: Lab) -> None:
    with lab.serving(webhook=False):
        lab.host.send(0)
        lab.until(lambda found: found and found[0].firing)
        # Its cursor is kept from the second look on: both were before this moment.
        first = lab.event("open")["eventid"]
    lab.host.send(1)
    lab.event("over")
    lab.host.send(0)
    flap = lab.event("open")["eventid"]
    lab.host.send(1)
    lab.event("over")
    lab.host.send(0)
    last = lab.event("open")["eventid"]
    with lab.serving(webhook=False):
        found = lab.until(lambda found: {alert.key for alert in found} >= {first, flap, last})
        assert {alert.key: alert.state for alert in found} == {first: "resolved", flap: "resolved", last: "firing"}


def test_an_api_that_is_down_is_told_of_once_and_catches_up(lab: Lab) -> None:
    with lab.serving(webhook=False) as origins:
        lab.inbox.wait(0, 1)
        with lab.server.stopped("nginx"):
            limit = time.monotonic() + PATIENCE
            while not origins.status()[0]["error"]:
                assert time.monotonic() < limit
                time.sleep(0.1)
            lab.host.send(0)
        lab.until(lambda found: found and found[0].firing)
    assert len(lab.said) == 2
    assert "answers again" in lab.said[1]
