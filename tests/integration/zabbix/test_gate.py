"""Our calls against the real service: what it takes, what it gives, what it says no to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import (
    deliveries,
    hosts,
    maintenance,
    problems,
    push,
)
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import (
    Auth,
    Duplicate,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
)
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hosts import Wanted

from .server import PASSWORD, USER, Server

OWNER = ("opsctl_stack", "gate")
PSK = "0123456789abcdef" * 4
LINUX = "Zabbix agent active"  # small and without an interface


@pytest.fixture(scope="module")
def gate(zabbix: Server) -> Iterator[Zabbix]:
    with Zabbix(Access(zabbix.url, token=zabbix.token, timeout=30.0, patience=30.0)) as client:
        yield client


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSCTL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def trapper(zabbix: Server) -> str:
    return "{}:{}".format(*zabbix.trapper)


def until(poll: Callable[[], Any], what: str, seconds: float = 60, every: float = 0.2) -> Any:
    end = time.monotonic() + seconds
    while not (found := poll()):
        assert time.monotonic() < end, what
        time.sleep(every)
    return found


class Site:
    """A host with a trapper item and a trigger, made by our own registration."""

    def __init__(self, gate: Zabbix, server: Server, trapper: str) -> None:
        self.gate, self.server, self.trapper = gate, server, trapper
        hosts.sync(gate, [Wanted("gate-1", ("opsctl/gate",), address="127.0.0.1")], OWNER)
        (self.host_id,) = (str(row["hostid"]) for row in gate.call("host.get", {"filter": {"host": ["gate-1"]}}))
        items = [
            {"hostid": self.host_id, "name": "Value", "key_": "gate.value", "type": 2, "value_type": 3},
            {"hostid": self.host_id, "name": "Ping", "key_": "agent.ping", "type": 0, "value_type": 3, "delay": "1h"}
            | {"interfaceid": gate.call("hostinterface.get", {"hostids": self.host_id})[0]["interfaceid"]},
        ]
        self.items = gate.call("item.create", items)["itemids"]
        self.trigger = gate.call(
            "trigger.create",
            [
                {
                    "description": "The gate is open",
                    "expression": "last(/gate-1/gate.value)>0 and last(/gate-1/agent.ping)>=0",
                    "opdata": "value {ITEM.LASTVALUE1}",
                    "priority": 4,
                    "manual_close": 1,
                    "tags": [{"tag": "opsctl_problem", "value": "gate-open"}],
                }
            ],
        )["triggerids"][0]
        server.reload()
        self.push(0)
        until(self._pinged, "a check that was asked for, of an item that is due within the hour", every=1.0)

    def _pinged(self) -> bool:
        assert problems.check_now(self.gate, [self.trigger]) == [self.items[1]]
        (item,) = self.gate.call("item.get", {"itemids": self.items[1], "output": ["lastclock"]})
        return str(item["lastclock"]) != "0"

    def push(self, value: int) -> None:
        sent = [push.Value("gate-1", "gate.value", str(value))]
        until(lambda: push.push(self.trapper, sent).processed == 1, "the server to know the item")

    def problem(self) -> problems.Problem:
        self.push(1)
        return until(lambda: problems.problems(self.gate, hosts=["gate-1"]), "a problem")[0]

    def calm(self) -> None:
        self.push(0)
        until(lambda: not problems.problems(self.gate, hosts=["gate-1"]), "calm")


@pytest.fixture(scope="module")
def site(gate: Zabbix, zabbix: Server, trapper: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSCTL_HOME", str(tmp_path_factory.mktemp("home")))
        yield Site(gate, zabbix, trapper)
        hosts.sync(gate, [], OWNER)


def test_a_problem_is_seen_updated_checked_and_waited_for(site: Site, gate: Zabbix) -> None:
    seen = site.problem()
    (host,) = seen.hosts
    assert (seen.name, seen.severity, seen.opdata, seen.resolved) == ("The gate is open", 4, "value 1", None)
    assert dict(seen.tags) == {"opsctl_problem": "gate-open", "opsctl_stack": "gate"}
    assert (host.host, host.groups, host.address) == ("gate-1", ("opsctl/gate",), "127.0.0.1")
    assert abs(seen.started - time.time()) < 60
    same = {"tags": [("opsctl_problem", "gate-open"), ("opsctl_stack", "")], "min_severity": 4, "suppressed": False}
    assert problems.problems(gate, groups=["opsctl/gate"], limit=1, **same) == [seen]
    assert problems.problems(gate, hosts=["gate-1"], after=seen.event_id) == []
    assert problems.problems(gate, hosts=["gate-1"], after=str(int(seen.event_id) - 1)) == [seen]
    assert problems.problems(gate, hosts=["gate-1"], min_severity=5) == []
    assert problems.problems(gate, event_ids=[seen.event_id], since=seen.started + 5) == []

    assert problems.gone(gate, [seen.event_id, "99999999"]) == {"99999999": 0.0}
    problems.update(gate, [seen.event_id], message="opsctl run 1", acknowledge=True, severity=5)
    (after,) = problems.problems(gate, event_ids=[seen.event_id])
    assert (after.acknowledged, after.severity) == (True, 5)

    assert problems.check_now(gate, [seen.trigger_id]) == [site.items[1]]  # the trapper is left out
    site.push(0)
    ended = problems.wait(gate, [seen.event_id], timeout=30, every=0.2)
    assert 0 <= ended[seen.event_id] - seen.started < 60


def test_a_problem_can_be_closed_once(site: Site, gate: Zabbix) -> None:
    seen = site.problem()
    problems.update(gate, [seen.event_id], close=True, message="mended by hand")
    assert problems.wait(gate, [seen.event_id], timeout=30)[seen.event_id] > 0
    problems.update(gate, [seen.event_id], close=True)  # which this version takes as done
    site.calm()


@pytest.fixture
def reader(site: Site, gate: Zabbix, zabbix: Server) -> Iterator[Zabbix]:
    """Somebody who may read the group of the gate's host, and nothing else."""
    (group,) = gate.call("hostgroup.get", {"filter": {"name": ["opsctl/gate"]}, "output": ["groupid"]})
    (role,) = gate.call("role.get", {"filter": {"name": ["User role"]}, "output": ["roleid"]})
    rights = [{"id": group["groupid"], "permission": 2}]
    members = gate.call("usergroup.create", [{"name": "Gate readers", "rights": rights}])["usrgrpids"]
    person = {"username": "gate-reader", "passwd": "Long-Enough-7", "roleid": role["roleid"]}
    people = gate.call("user.create", [{**person, "usrgrps": [{"usrgrpid": members[0]}]}])["userids"]
    try:
        with Zabbix(Access(zabbix.url, user="gate-reader", password="Long-Enough-7", timeout=30.0)) as client:
            yield client
    finally:
        gate.call("user.delete", people)
        gate.call("usergroup.delete", members)


def test_who_may_only_read_sees_says_and_waits_but_changes_nothing(site: Site, reader: Zabbix) -> None:
    seen = site.problem()
    assert problems.problems(reader, hosts=["gate-1"]) == [seen]
    problems.update(reader, [seen.event_id], message="seen", acknowledge=True)
    with pytest.raises((NotFound, Refused)):
        problems.update(reader, [seen.event_id], close=True)
    with pytest.raises(NotFound, match="Zabbix has no host Zabbix server, or does not show it to us"):
        problems.problems(reader, hosts=["Zabbix server"])
    with pytest.raises((NotFound, Refused)):
        hosts.sync(reader, [Wanted("gate-9", ("opsctl/nine",))], ("opsctl_stack", "gate-nine"))
    site.push(0)
    assert problems.wait(reader, [seen.event_id], timeout=30)[seen.event_id] > 0


def test_silence_is_known_before_the_server_notices_and_ends(site: Site, gate: Zabbix) -> None:
    until_ = time.time() + 600
    first = maintenance.silence(gate, ["gate-1"], until_, "run 1")
    assert maintenance.silence(gate, ["gate-1"], until_ + 60, "run 1") == first
    assert maintenance.in_maintenance(gate, ["gate-1", "Zabbix server"]) == {"gate-1": "opsctl: run 1"}
    assert maintenance.in_maintenance(gate, ["gate-1"], now=until_ + 700) == {}
    assert maintenance.lift(gate, "run 1")
    assert not maintenance.lift(gate, "run 1")
    assert maintenance.in_maintenance(gate, ["gate-1"]) == {}


def test_registration_changes_only_what_differs(gate: Zabbix, zabbix: Server) -> None:
    owner = ("opsctl_stack", "gate-sync")
    group = "opsctl/sync"
    first = [
        Wanted(f"sync-{one}", (group,), address=f"10.0.0.{one}", templates=(LINUX,), macros={"{$PORT}": "1"})
        for one in range(1, 46)
    ]
    try:
        assert len(hosts.sync(gate, first, owner, check=True).created) == 45
        assert len(hosts.sync(gate, first, owner).created) == 45
        assert not hosts.sync(gate, first, owner).changed
        changed = Wanted(
            "sync-1",
            (group, "opsctl/sync/more"),
            name="Sync one",
            address="sync-1.example.com",
            port=10060,
            tags=(("a", "b"),),
            macros={"{$PORT}": "2"},
            secrets={"{$PASSWORD}": "s3cret"},
            psk_identity="sync-1",
            psk=PSK,
            enabled=False,
        )
        wanted = [changed, *first[1:30]]
        planned = hosts.sync(gate, wanted, owner, check=True)
        done = hosts.sync(gate, wanted, owner)
        assert done.diff == planned.diff
        assert (done.updated, len(done.deleted), done.failed) == (("sync-1",), 15, {})
        assert hosts.sync(gate, wanted, owner).changed is False
        again = Wanted(**{**vars(changed), "secrets": {"{$PASSWORD}": "other"}, "psk": PSK[::-1]})
        assert hosts.sync(gate, [again, *first[1:30]], owner).updated == ("sync-1",)
        maintenance.silence(gate, ["sync-2"], time.time() + 600, "sync")
    finally:
        assert len(hosts.sync(gate, [], owner).deleted) >= 30
    assert gate.call("maintenance.get", {"filter": {"name": "opsctl: sync"}}) == []


def test_a_host_that_zabbix_refuses_is_named(gate: Zabbix) -> None:
    owner = ("opsctl_stack", "gate-bad")
    names = {one: "10.0.0.1" if one != 3 else "" for one in range(4)}
    wanted = [
        Wanted(f"bad-{one}", ("opsctl/bad",), address=address, templates=("ICMP Ping",))
        for one, address in names.items()
    ]
    try:
        done = hosts.sync(gate, wanted, owner)
        assert list(done.failed) == ["bad-3"]
        assert "interface" in done.failed["bad-3"]
        assert len(done.created) == 3
    finally:
        hosts.sync(gate, [], owner)


def test_machines_that_know_nothing_of_each_other_leave_one_host_of_each_name(
    gate: Zabbix, zabbix: Server, tmp_path: Path
) -> None:
    """On 6.0 nothing in the database stops a second host of one name."""
    owner = ("opsctl_stack", "gate-race")
    program = (
        "from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import client, hosts\n"
        "import os, sys, time\n"
        "gate = client.Zabbix(client.Access(os.environ['URL'], token=os.environ['TOKEN'], timeout=60))\n"
        "wanted = [hosts.Wanted(f'race-{one}', ('opsctl/race',)) for one in range(5)]\n"
        "gate.version; print('ready', flush=True); sys.stdin.readline()\n"
        f"assert hosts.sync(gate, wanted, {owner!r}).failed == {{}}\n"
    )
    known = {**os.environ, "URL": zabbix.url, "TOKEN": zabbix.token}
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**known, "OPSCTL_HOME": str(tmp_path / str(one))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for one in range(3)
    ]
    try:
        for machine in machines:
            assert machine.stdout is not None
            assert machine.stdout.readline() == "ready\n"
        for machine in machines:
            machine.stdin.write("go\n")  # type: ignore[union-attr]
            machine.stdin.flush()  # type: ignore[union-attr]
        assert [machine.communicate(timeout=150)[1] for machine in machines] == ["", "", ""]
        hosts.sync(gate, [Wanted(f"race-{one}", ("opsctl/race",)) for one in range(5)], owner)
        found = gate.call("host.get", {"output": ["host"], "search": {"host": "race-"}, "startSearch": True})
        assert sorted(row["host"] for row in found) == [f"race-{one}" for one in range(5)]
    finally:
        for machine in machines:
            machine.kill()
            machine.wait()
        hosts.sync(gate, [], owner)


def test_errors_have_kinds_and_no_secrets(gate: Zabbix, zabbix: Server) -> None:
    with pytest.raises(NotFound):
        problems.update(gate, ["99999999"], acknowledge=True)
    with pytest.raises(Unsupported):
        gate.call("ceprule.get")
    with pytest.raises(Duplicate):
        gate.call("hostgroup.create", [{"name": "Zabbix servers"}])
    with pytest.raises(Refused):
        gate.call("host.create", [{"host": "x"}])
    for token in ("0" * 64, "not-a-token"):
        with pytest.raises(Auth) as error:
            Zabbix(Access(zabbix.url, token=token)).call("host.get", {"limit": 1})
        assert token not in str(error.value)
    with pytest.raises(Refused, match="There is no API of Zabbix at"):
        Zabbix(Access(f"{zabbix.url}/nowhere", token=zabbix.token)).call("host.get")


def test_an_expired_token_says_so(gate: Zabbix, zabbix: Server) -> None:
    (user,) = gate.call("user.get", {"filter": {"username": USER}, "output": ["userid"]})
    made = gate.call("token.create", [{"name": "old", "userid": user["userid"], "expires_at": 1}])["tokenids"]
    try:
        (token,) = gate.call("token.generate", made)
        with pytest.raises(Auth, match="API token expired"):
            Zabbix(Access(zabbix.url, token=token["token"])).call("host.get", {"limit": 1})
    finally:
        gate.call("token.delete", made)


def test_a_session_that_is_gone_is_opened_again(zabbix: Server) -> None:
    with Zabbix(Access(zabbix.url, user=USER, password=PASSWORD, timeout=30.0)) as client:
        assert client.version[:2] == (6, 0)
        client.call("host.get", {"limit": 1})
        client.call("user.logout", [])  # as a time limit, or somebody else, would
        assert client.call("host.get", {"limit": 1, "output": ["host"]})


def test_a_database_that_restarts_is_waited_for(gate: Zabbix, zabbix: Server) -> None:
    hasty = Zabbix(Access(zabbix.url, token=zabbix.token, patience=0.0))
    assert hasty.version

    def missed() -> bool:
        """A call in flight ends with HTTP 500, later ones do not begin: both are worth another try."""
        try:
            hasty.call("host.get", {"limit": 1})
        except Unavailable as error:
            return error.unsent and str(error) == "Zabbix cannot reach its database (host.get)"
        return False

    with zabbix.stopped("postgresql"):
        until(missed, "the database to be gone")
    assert gate.call("host.get", {"limit": 1})


def test_a_server_that_is_down_takes_no_values_though_the_api_answers(zabbix: Server, trapper: str) -> None:
    assert push.alive(trapper)
    with zabbix.stopped("zabbix-server"):
        assert not push.alive(trapper, timeout=2)
        with pytest.raises(Unavailable, match="takes no values"):
            push.push(trapper, [push.Value("gate-1", "gate.value", "1")], timeout=2)


def test_values_that_nobody_wants_are_named(site: Site, trapper: str) -> None:
    good, bad = push.Value("gate-1", "gate.value", "0"), push.Value("gate-1", "no.such.item", "0")
    assert push.push(trapper, [good, bad]) == push.Pushed(1, 1, (bad,))
    many = push.push(trapper, [good, bad] * 100)
    assert (many.processed, many.failed, many.refused) == (100, 100, ())


def test_messages_are_told_with_their_fate(site: Site, gate: Zabbix) -> None:
    assert deliveries.deliveries(gate, media_type="no such type") == []
    assert isinstance(deliveries.deliveries(gate, failed=True, since=1.0, limit=5), list)
