"""What tests of `opsctl monitor` share: a setup of their own, and a host whose values are sent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zabbix_utils import ItemValue, Sender

from opsctl.db.engine import opened
from opsctl.ledger.book import Ledger
from opsctl.monitor.setup.setup import Change
from opsctl.monitor.setup.work import Job, run
from opsctl.monitor.zabbix import Access

from .server import Server

PATIENCE = 60


@dataclass
class Setup:
    """The command's work, with a name of its own in Zabbix."""

    server: Server
    home: Path
    name: str = field(default_factory=lambda: f"opsctl-{os.urandom(3).hex()}")

    def __call__(self, **more: Any) -> list[Change]:
        job: dict[str, Any] = {
            "access": Access(self.server.url, token=self.server.token, timeout=60),
            "receiver": f"http://{self.server.gateway}:8470",
            "source": "zabbix",
            "groups": (self.name,),
            "template_groups": ("Templates",),
            "rights": "hosts",
            "name": self.name,
            "days": 0,
            "rotate": False,
            "check": False,
            "token_file": self.home / "monitor" / "zabbix.token",
            "key_file": self.home / "monitor" / "webhook.secret",
        }
        return run(Job(**(job | more)), self.ledger)

    @property
    def ledger(self) -> Ledger:
        return Ledger(opened(self.home), self.home / "ledger.anchor")

    @property
    def token(self) -> str:
        return (self.home / "monitor" / "zabbix.token").read_text().strip()

    @property
    def key(self) -> str:
        return (self.home / "monitor" / "webhook.secret").read_text().strip()

    def one(self, method: str, **asked: Any) -> dict[str, Any]:
        """The one object the API finds."""
        (found,) = self.server.call(f"{method}.get", {"output": "extend", **asked})
        return dict(found)


def done(changes: list[Change]) -> dict[str, str]:
    return {change.kind: change.what for change in changes if change.what != "unchanged"}


@dataclass
class Watched:
    """A host with one item and one trigger, whose values are sent."""

    server: Server
    host: str
    id: str
    trigger: str

    def send(self, value: int) -> None:
        """Until the server knows the host."""
        limit = time.monotonic() + PATIENCE
        while True:
            sender = Sender(server=self.server.trapper[0], port=self.server.trapper[1])
            if sender.send([ItemValue(self.host, "up", str(value))]).processed == 1:
                return
            assert time.monotonic() < limit, "the server does not take the value"
            time.sleep(0.3)


def watch(setup: Setup) -> Watched:
    server, name = setup.server, f"{setup.name}.host"
    group = setup.one("hostgroup", filter={"name": [setup.name]})["groupid"]
    face = {"type": 1, "main": 1, "useip": 1, "ip": "192.0.2.7", "dns": "", "port": "10050"}
    tags = [{"tag": "opsctl_stack", "value": "cäche"}]
    host = {"host": name, "groups": [{"groupid": group}], "interfaces": [face], "tags": tags}
    (number,) = server.call("host.create", host)["hostids"]
    server.call("item.create", {"hostid": number, "name": "up", "key_": "up", "type": 2, "value_type": 3})
    trigger = {
        "description": 'Redis 😀 is "down"',
        "expression": f"last(/{name}/up)=0",
        "priority": 4,
        "manual_close": 1,
        "tags": [{"tag": "opsctl_problem", "value": "redis-process-down"}],
    }
    (found,) = server.call("trigger.create", trigger)["triggerids"]
    return Watched(server, name, number, found)


def seen(look: Callable[[], Any]) -> Any:
    """The first true answer."""
    limit = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < limit, f"waited {PATIENCE} s in vain"
        time.sleep(0.2)
    return found
