"""Hosts that people work on are left alone, from the moment Zabbix knows the window, not a minute later."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import Unavailable

from opsctl.alerts.remedy.maintenance import Maintenance
from opsctl.alerts.remedy.zabbix import Sources
from opsctl.errors import OpsctlError

from .loop import Loop

DAY = 86400


class Zabbix:
    """Answers as Zabbix does to what is asked about maintenance."""

    version = (6, 0, 14)

    def __init__(self, **windows: list[str]) -> None:
        """Windows by name, each with the ids of its hosts; open from an hour ago to tomorrow."""
        self.windows = windows
        self.asked: list[str] = []
        self.down = False

    def call(self, method: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.append(method)
        if self.down:
            raise Unavailable("Cannot reach Zabbix")
        if method == "host.get":
            names = params["filter"]["host"]
            return [{"hostid": name, "host": name, "maintenance_status": "0", "maintenanceid": "0"} for name in names]
        now = int(time.time())
        span = {"timeperiod_type": "0", "start_date": str(now - 3600), "period": str(DAY)}
        return [
            {
                "maintenanceid": str(number),
                "name": name,
                "active_since": str(now - 3600),
                "active_till": str(now + DAY),
                "hosts": [{"hostid": host} for host in hosts],
                "groups": [],
                "timeperiods": [span],
            }
            for number, (name, hosts) in enumerate(self.windows.items())
        ]


def test_a_host_that_people_work_on_is_left_alone_until_they_are_done(tmp_path: Path) -> None:
    loop = Loop(tmp_path / "home")
    loop.maintenance = {"web-1": None}
    here, there = loop.comes("web-1"), loop.comes("web-2")
    loop.turn(2)
    assert (loop.state(here), loop.state(there)) == ("held", "running")
    assert loop.of(here)[0].verdict["reason"] == "web-1 is in maintenance"
    loop.maintenance = {}
    loop.ahead += 31
    loop.turn(2)
    assert loop.state(here) == "running"
    loop.close()


def test_hosts_in_a_window_of_people_are_known() -> None:
    zabbix = Zabbix(**{"Disks are changed": ["a", "c"], "opsctl: run": ["b"]})
    assert Sources(lambda: zabbix).maintained(["a", "b"]) == {"a"}


def test_windows_of_ones_own_are_not_even_looked_into() -> None:
    zabbix = Zabbix(**{"opsctl: run": ["a"]})
    assert Sources(lambda: zabbix).maintained(["a"]) == frozenset()
    assert zabbix.asked == ["maintenance.get"]


def test_without_zabbix_nothing_is_asked() -> None:
    assert Sources(None).maintained(["a"]) == frozenset()


def test_what_was_known_stays_while_zabbix_is_down_and_that_is_said_once() -> None:
    zabbix = Zabbix(**{"Disks are changed": ["a"]})
    said: list[str] = []
    maintenance = Maintenance(Sources(lambda: zabbix).maintained, lambda: ["a", "b"], said.append)
    maintenance.look()
    assert dict(maintenance()) == {"a": None}
    zabbix.down = True
    for _ in range(2):
        maintenance.look()
    assert dict(maintenance()) == {"a": None}
    assert len(said) == 1
    assert "Cannot reach Zabbix" in said[0]
    zabbix.down, zabbix.windows = False, {}
    maintenance.look()
    assert dict(maintenance()) == {}


def test_the_first_answer_is_there_when_it_has_started() -> None:
    maintenance = Maintenance(lambda hosts: hosts, lambda: ["a"], lambda _text: None)
    maintenance.start()
    assert dict(maintenance()) == {"a": None}
    maintenance.close()


def test_a_zabbix_that_hangs_is_not_waited_for() -> None:
    hanging = threading.Event()

    def ask(_hosts: Collection[str]) -> Collection[str]:
        hanging.wait(30)
        raise OpsctlError("too late")

    maintenance = Maintenance(ask, lambda: ["a"], lambda _text: None)
    maintenance.start()
    assert dict(maintenance()) == {}
    maintenance.close()
    hanging.set()
