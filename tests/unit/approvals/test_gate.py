"""The door: what is asked, said and started, each in one transaction with its record and its notices."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsctl.approvals import gate as module
from opsctl.approvals.gate import Gate
from opsctl.approvals.people import Person, present
from opsctl.approvals.say import described
from opsctl.clock import now, uuid7
from opsctl.db.engine import Database, opened
from opsctl.errors import Denied, UsageError
from opsctl.ledger.audit import audit
from opsctl.ledger.book import Ledger
from opsctl.notify.outbox import Outbox
from opsctl.policy.decide import Decision, decide
from opsctl.policy.read import read
from opsctl.runs.locks import Lock, held, take
from opsctl.runs.process import myself
from opsctl.runs.request import Requester, RunRequest, Targets
from opsctl.runs.store import Store
from opsctl.settings import load

DAEMON, BIN, SYS = Person("daemon", 1), Person("bin", 2), Person("sys", 3)
ASKS = """
groups: {seniors: [bin, sys]}
grants:
  - {name: two, who: everybody, effect: approve, approvers: ["group:seniors"], needed: 2, break_glass: [daemon]}
"""
CONFIG = """
[notify]
language = "zh"
[[notify.channels]]
name = "ops"
kind = "slack"
url_env = "NO_SUCH_URL"
"""


class Office:
    """A home, with somebody at the desk."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.monkeypatch = monkeypatch
        self.policy = read(ASKS)
        self.database: Database = opened(home)
        self.ledger = Ledger(self.database, home / "ledger.head")
        self.gate = Gate(home, self.ledger, load(home), lambda: self.policy)
        self.store = Store(self.database)
        monkeypatch.setattr("opsctl.notify.sender.flush", lambda *_: None)

    def comes(self, person: Person) -> Gate:
        self.monkeypatch.setattr(module, "present", lambda: person)
        return self.gate

    def decision(self, request: RunRequest) -> Decision:
        return decide(request, os.getuid(), self.policy)

    def request(self, **values: Any) -> RunRequest:
        given: dict[str, Any] = {"content": "reboot", "targets": Targets("", "web", ("web-1",), "d1"), **values}
        return RunRequest(
            id=uuid7(),
            kind="command",
            action="",
            playbook="",
            cloud="here",
            requester=Requester("daemon", 1),
            created=now(),
            **given,
        )

    def ask(self, **values: Any) -> RunRequest:
        request = self.request(**values)
        self.comes(DAEMON)
        with self.ledger.writing() as writing:
            self.store.add(writing.connection, request, "waiting", myself())
            self.gate.open(writing, request, self.decision(request))
        return request

    def approved(self, **values: Any) -> RunRequest:
        request = self.ask(**values)
        for person in (BIN, SYS):
            self.comes(person).vote(request.id, "approve", "fine")
        self.comes(DAEMON)
        return request

    def kinds(self, run_id: str) -> list[str]:
        return [record.kind for record in self.ledger.records(run_id)]

    def status(self, run_id: str) -> tuple[str, str]:
        return self.gate.get(run_id).approval.status, self.store.get(run_id).status

    def told(self) -> list[str]:
        return [notice.event for notice in reversed(Outbox(self.database).last(100))]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    (tmp_path / "config.toml").write_text(CONFIG)
    found = Office(tmp_path, monkeypatch)
    yield found
    # Whatever happened: the ledger is whole, and what it says was said in the same transaction.
    assert audit(found.ledger).sound


def test_two_of_a_group_then_started_once(office: Office) -> None:
    request = office.ask()
    assert office.status(request.id) == ("open", "waiting")
    case = office.comes(BIN).vote(request.id, "approve", "seen")
    assert office.gate.missing(case) == "1 of group:seniors (rule two)"
    assert office.comes(SYS).vote(request.id, "approve", "").approval.status == "approved"
    office.comes(DAEMON).claim(request, office.decision(request))
    assert office.status(request.id) == ("used", "pending")
    with pytest.raises(Denied, match="its approval is used"):
        office.gate.claim(request, office.decision(request))
    assert office.kinds(request.id) == ["approved", "approved", "claimed", "held"]
    assert office.told() == ["approval", "approved"]


def test_those_who_may_not_are_told_so(office: Office) -> None:
    request = office.ask()
    with pytest.raises(Denied, match="daemon asked for this run"):
        office.comes(DAEMON).vote(request.id, "approve", "")
    with pytest.raises(Denied, match="root is not among those who decide: group:seniors"):
        office.comes(Person("root", 0)).vote(request.id, "approve", "")
    office.comes(BIN).vote(request.id, "approve", "")
    with pytest.raises(Denied, match="bin has already said approve"):
        office.gate.vote(request.id, "approve", "")
    with pytest.raises(UsageError, match="never needed an approval"):
        office.gate.vote("no-such-run", "approve", "")
    assert office.kinds(request.id) == ["approved"]


def test_a_no_ends_the_run(office: Office) -> None:
    request = office.approved()
    office.comes(SYS).vote(request.id, "deny", "too\nlate")
    run = office.store.get(request.id)
    assert (run.status, run.message, run.exit_code) == ("denied", "refused by sys: too late", 6)
    with pytest.raises(Denied, match="its approval is refused"):
        office.comes(DAEMON).claim(request, office.decision(request))


def test_time_ends_the_run(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = office.approved()
    monkeypatch.setattr(module, "now", lambda: "9999-01-01T00:00:00.000000Z")
    assert office.gate.settle() == [request.id]
    assert office.gate.settle() == []
    assert office.status(request.id) == ("expired", "denied")
    assert office.kinds(request.id)[-1] == "expired"
    assert office.told()[-1] == "expired"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": "halt"}, "the content: reboot became halt"),
        ({"digest": "x"}, "the command"),
        ({"targets": Targets("", "web", ("web-1", "web-2"), "d2")}, "hosts that came in since: web-2"),
        ({"targets": Targets("", "web", (), "d2")}, "hosts that are gone: web-1"),
        ({"targets": Targets("", "web", ("web-1",), "d2")}, "the addresses of the hosts"),
        ({"parameters": {"user": "x", "become": True}}, "parameters become, user"),
        ({"timeout": 7}, "option timeout"),
        ({"cloud": "there"}, "the cloud: here became there"),
    ],
)
def test_what_changed_since_is_named(office: Office, change: dict[str, Any], said: str) -> None:
    request = office.approved()
    with pytest.raises(Denied, match=f"changed since it was asked for: {said}"):
        office.gate.claim(replace(request, **change), office.decision(request))
    assert office.status(request.id) == ("approved", "waiting")
    office.gate.claim(request, office.decision(request))


def test_a_secret_given_again_must_be_the_same(office: Office) -> None:
    hidden = {"parameters": {"password": "canary-one"}, "secrets": frozenset({"password"})}
    request = office.approved(**hidden)
    other = replace(request, parameters={"password": "canary-two"})
    assert other.plan_hash == request.plan_hash
    with pytest.raises(Denied, match="secret password is not the one"):
        office.gate.claim(other, office.decision(request))
    office.gate.claim(request, office.decision(request))
    for path in office.home.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def test_policy_may_have_changed_since(office: Office) -> None:
    request = office.approved()
    office.policy = read(ASKS.replace("needed: 2", "needed: 2, expires: 1h").replace("[bin, sys]", "[bin, daemon]"))
    with pytest.raises(Denied, match="still needs 1 of group:seniors"):
        office.gate.claim(request, office.decision(request))
    office.policy = read("grants: [{name: no, who: everybody, effect: deny}]".replace("name: no", "name: never"))
    with pytest.raises(Denied, match="policy denies it now, by rule never"):
        office.gate.claim(request, office.decision(request))
    office.policy = read(ASKS.replace("seniors: [", "other: [daemon, ").replace("group:seniors", "group:other"))
    with pytest.raises(Denied, match="still needs 2 of group:seniors"):
        office.gate.claim(request, office.decision(request))
    office.policy = read(ASKS)
    office.gate.claim(request, office.decision(request))


def test_two_at_once_start_it_once(office: Office) -> None:
    request = office.approved()
    decision, outcomes = office.decision(request), []

    def start() -> None:
        try:
            office.gate.claim(request, decision)
            outcomes.append("started")
        except Denied:
            outcomes.append("denied")

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["denied"] * 5 + ["started"]


def test_a_host_that_others_change_does_not_use_up_the_approval(office: Office) -> None:
    locks = [Lock("host:web-1:22", label="web-1")]
    other, request = office.request(), office.approved()
    with office.ledger.writing() as writing:
        office.store.add(writing.connection, other, "running", myself())
        assert take(writing.connection, other.id, locks) == []
    with pytest.raises(Denied, match=f"host:web-1:22 is held by run {other.id}"):
        office.gate.claim(request, office.decision(request), None, locks)
    assert office.status(request.id) == ("approved", "waiting")
    with office.ledger.writing() as writing:
        office.store.move(writing.connection, other.id, "succeeded")
    office.gate.claim(request, office.decision(request), None, locks)
    assert [held.run_id for held in held(office.database)] == [request.id]


def test_a_vote_that_fails_to_be_recorded_is_no_vote(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = office.ask()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "enqueue", full)
    with pytest.raises(Exception, match="no space left"):
        office.comes(BIN).vote(request.id, "deny", "")
    assert office.gate.get(request.id).approval.votes == ()
    assert office.status(request.id) == ("open", "waiting")
    assert office.kinds(request.id) == []


def test_an_edit_takes_the_place_of_what_was_asked_before(office: Office) -> None:
    first = office.approved()
    second = office.ask(parent=first.id, content="reboot now")
    assert office.status(first.id) == ("withdrawn", "denied")
    assert office.store.get(first.id).message == f"replaced by run {second.id}"
    assert office.status(second.id) == ("open", "waiting")
    assert office.gate.get(second.id).approval.votes == ()


def test_the_requester_takes_it_back(office: Office) -> None:
    request = office.ask()
    with pytest.raises(Denied, match="to stop it, deny it"):
        office.comes(BIN).withdraw(request.id, "")
    office.comes(DAEMON).withdraw(request.id, "not needed")
    assert office.status(request.id) == ("withdrawn", "denied")


def smash(office: Office, person: Person, reason: str = "fire") -> RunRequest:
    request = office.request()
    office.comes(person)
    with office.ledger.writing() as writing:
        office.store.add(writing.connection, request, "pending", myself())
        office.gate.break_glass(writing, request, office.decision(request), reason)
    return request


def test_break_glass_leaves_a_review_to_be_done(office: Office) -> None:
    request = smash(office, DAEMON)
    assert office.status(request.id) == ("broken", "pending")
    assert (office.kinds(request.id), office.told()) == (["break_glass"], ["break_glass"])
    (notice,) = Outbox(office.database).last(1)
    assert notice.message.title.startswith("[opsctl] 紧急越权！daemon 未经审批执行")
    with pytest.raises(UsageError, match="give --comment"):
        office.comes(BIN).review(request.id, " ")
    with pytest.raises(Denied, match="daemon broke the glass"):
        office.comes(DAEMON).review(request.id, "was right")
    office.comes(BIN).review(request.id, "was right")
    assert office.status(request.id)[0] == "reviewed"
    assert [case.run_id for case in office.gate.listed(("broken",))] == []
    assert office.kinds(request.id) == ["break_glass", "reviewed"]


def test_not_everybody_breaks_the_glass(office: Office) -> None:
    with pytest.raises(Denied, match="bin may not break the glass of rule two"):
        smash(office, BIN)
    with pytest.raises(UsageError, match="needs a reason"):
        smash(office, DAEMON, " \n")
    assert office.store.last(10) == []
    smash(office, Person("root", 0) if os.getuid() == 0 else present())


def test_who_leaves_reviews_undone_breaks_no_more_glass(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [smash(office, DAEMON) for _ in range(4)]
    monkeypatch.setattr(module, "now", lambda: "9999-01-01T00:00:00.000000Z")
    with pytest.raises(Denied, match="has 4 overdue reviews"):
        smash(office, DAEMON)
    for request in done[:2]:
        office.comes(BIN).review(request.id, "seen")
    smash(office, DAEMON)


def test_without_approvers_the_owner_decides(office: Office) -> None:
    office.policy = read("grants: [{name: g, who: everybody, effect: approve}]")
    request = office.ask()
    with pytest.raises(Denied, match="not among those who decide: the owner"):
        office.comes(BIN).vote(request.id, "approve", "")
    owner = present()
    assert office.comes(Person(owner.name, owner.uid)).vote(request.id, "approve", "").approval.status == "approved"
    assert not office.gate.stuck(office.gate.get(request.id))


def test_notices_say_enough_to_decide(office: Office) -> None:
    request = office.ask(reason="kernel update")
    told = described(office.gate.get(request.id))
    assert (told["what"], told["targets"], told["by"]) == ("command reboot", "1 host: web-1; web", "daemon")
    assert (told["reason"], told["risk"], told["needed"]) == ("kernel update", "high", 2)
    assert told["approvers"] == "group:seniors"
