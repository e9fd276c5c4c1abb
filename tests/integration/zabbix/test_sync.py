"""`opsctl monitor sync` and `status` against a real Zabbix, by the user that `opsctl monitor setup` makes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import SEVERITIES

from opsctl.db.engine import opened
from opsctl.errors import OpsctlError
from opsctl.ledger.book import Ledger
from opsctl.monitor.config import Zabbix as Options
from opsctl.monitor.setup.work import Job
from opsctl.monitor.setup.work import run as set_up
from opsctl.monitor.status import status, well
from opsctl.monitor.sync import Synced, known, run
from opsctl.monitor.zabbix import Access, Zabbix

from .server import Server


class Home:
    """A home whose user in Zabbix may do what opsctl needs."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server, self.path = server, path
        self.name = f"sync-{os.urandom(3).hex()}"
        self.stack = f"{self.name}.cache"
        self.ledger = Ledger(opened(path), path / "ledger.anchor")
        self.host, self.port = server.trapper
        _template(server)

    def setup(self, rights: Any) -> None:
        job = Job(
            access=Access(self.server.url, token=self.server.token, timeout=60),
            receiver="",
            source="zabbix",
            groups=("opsctl",),
            template_groups=("Templates",),
            rights=rights,
            name=self.name,
            days=0,
            rotate=False,
            check=False,
            token_file=self.path / "monitor" / "zabbix.token",
            key_file=self.path / "monitor" / "webhook.secret",
        )
        set_up(job, self.ledger)

    @property
    def options(self) -> Options:
        return Options(url=self.server.url, server=f"{self.host}:{self.port}", timeout=60)

    def hosts(self, count: int, first: int = 1) -> dict[str, Any]:
        return {
            f"{self.stack}-{number}": {
                "stack_name": self.stack,
                "private_ip": f"192.0.2.{number}",
                "instance_tags": {"opsctl:group": "redis"},
            }
            for number in range(first, first + count)
        }

    def sync(self, hosts: dict[str, Any], *, check: bool = False, remove: bool = False) -> Synced:
        access = Access(self.server.url, token=self.options.token(self.path), timeout=60)
        with Zabbix(access) as zabbix:
            (done,) = run(zabbix, [self.stack], {self.stack: hosts}, self.ledger, check=check, remove=remove)
        return done


def _template(server: Server) -> None:
    """The one that new hosts get, as small as can be, unless the content is there already."""
    if server.call("template.get", {"filter": {"host": ["opsctl Linux"]}}):
        return
    (group,) = server.call("hostgroup.get", {"filter": {"name": ["Templates"]}, "output": ["groupid"]})
    server.call("template.create", {"host": "opsctl Linux", "groups": [group]})


@pytest.fixture(scope="module")
def wide(zabbix: Server, tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(zabbix, tmp_path_factory.mktemp("home"))
    made.setup("methods")
    return made


@pytest.fixture
def home(wide: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """With rights for all hosts, and a stack of its own."""
    monkeypatch.setenv("OPSCTL_HOME", str(wide.path))
    wide.stack = f"{wide.name}.{os.urandom(2).hex()}"
    yield wide
    asked = {"output": ["hostid"], "tags": [{"tag": "opsctl_stack", "value": wide.stack, "operator": 1}]}
    if left := [row["hostid"] for row in wide.server.call("host.get", asked)]:
        wide.server.call("host.delete", left)


def test_hosts_come_change_and_go_with_their_stack(home: Home) -> None:
    assert home.sync(home.hosts(3), check=True).result.created == tuple(home.hosts(3))
    assert home.sync(home.hosts(3)).result.created == tuple(home.hosts(3))
    assert home.sync(home.hosts(3)).result.changed is False
    # One has gone, one came, and of one the playbook and somebody else know more.
    first = next(iter(home.hosts(1)))
    (found,) = home.server.call("host.get", {"filter": {"host": [first]}, "selectTags": "extend"})
    tags = [*({key: tag[key] for key in ("tag", "value")} for tag in found["tags"]), {"tag": "team", "value": "a"}]
    key = {"tls_connect": 2, "tls_accept": 2, "tls_psk_identity": first, "tls_psk": "ab" * 32}
    macros = [{"macro": "{$OPSCTL.REDIS.PORT}", "value": "6380"}]
    home.server.call("host.update", {"hostid": found["hostid"], "tags": tags, "macros": macros, **key})
    hosts = home.hosts(2) | home.hosts(1, first=4)
    hosts[first]["private_ip"] = "192.0.2.99"
    done = home.sync(hosts).result
    assert (done.created, done.updated, done.deleted) == ((f"{home.stack}-4",), (first,), (f"{home.stack}-3",))
    asked = {"selectTags": "extend", "selectMacros": "extend", "selectInterfaces": "extend", "selectGroups": "extend"}
    (found,) = home.server.call("host.get", {"filter": {"host": [first]}, **asked})
    assert found["interfaces"][0]["ip"] == "192.0.2.99"
    assert ("team", "a") in {(tag["tag"], tag["value"]) for tag in found["tags"]}
    assert [(macro["macro"], macro["value"]) for macro in found["macros"]] == [("{$OPSCTL.REDIS.PORT}", "6380")]
    assert found["tls_connect"] == "2"
    assert {group["name"] for group in found["groups"]} == {
        "opsctl",
        f"opsctl/{home.stack}",
        f"opsctl/{home.stack}/redis",
    }
    with Zabbix(Access(home.server.url, token=home.options.token(home.path), timeout=60)) as zabbix:
        assert sorted(known(zabbix)[home.stack]) == sorted(hosts)
    assert home.sync({}, remove=True).result.deleted == tuple(sorted(hosts))
    records = [record.content["data"] for record in home.ledger.records() if record.kind == "monitor-sync"]
    ours = [record for record in records if record["stack"] == home.stack]
    assert [len(record["created"]) for record in ours] == [3, 1, 0]


def test_two_who_sync_at_once_make_no_host_twice(home: Home) -> None:
    done: list[Synced] = []
    threads = [threading.Thread(target=lambda: done.append(home.sync(home.hosts(5)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(len(each.result.created) for each in done) == [0, 0, 0, 5]
    found = home.server.call("host.get", {"search": {"host": home.stack}, "output": ["host"]})
    assert len(found) == 5


def test_a_user_of_few_rights_is_told_what_it_takes(zabbix: Server, tmp_path: Path) -> None:
    home = Home(zabbix, tmp_path)
    home.setup("hosts")
    with pytest.raises(OpsctlError, match=r"hostgroup\.create.*takes `opsctl monitor setup --rights methods`"):
        home.sync(home.hosts(1))


def test_status_of_a_real_server(home: Home) -> None:
    home.sync(home.hosts(2))
    found = status(home.options, home.path)
    assert found["version"].startswith("6.0.")
    assert found["server"]["alive"]
    (ours,) = (row for row in found["stacks"] if row["stack"] == home.stack)
    assert (ours["hosts"], ours["disabled"]) == (2, 0)
    assert set(found["problems"]) == {*SEVERITIES}
    home.sync({}, remove=True)


def test_a_stopped_server_shows_though_the_api_answers(home: Home) -> None:
    with home.server.stopped("zabbix-server"):
        found = status(home.options, home.path)
    assert (found["reachable"], found["server"]["alive"], well(found)) == (True, False, False)
