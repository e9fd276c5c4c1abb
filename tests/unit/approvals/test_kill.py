"""Killed at any moment, between two votes or while starting: what was said is kept whole, and nothing starts twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsctl.approvals.gate import Gate
from opsctl.clock import uuid7
from opsctl.db.engine import opened
from opsctl.ledger.audit import audit
from opsctl.ledger.book import Ledger
from opsctl.policy.decide import decide
from opsctl.policy.grants import Policy
from opsctl.policy.read import read
from opsctl.runs.process import myself
from opsctl.runs.request import Requester, RunRequest, Targets
from opsctl.runs.store import Store
from opsctl.settings import load

POLICY = "grants: [{name: g, who: everybody, effect: approve, approvers: [daemon, bin], needed: 2}]"

CHILD = """
import sys
from pathlib import Path
from opsctl.approvals import gate as module
from opsctl.approvals.people import Person
from tests.unit.approvals.test_kill import office, requests
home = Path(sys.argv[1])
gate, store = office(home)
print("ready", flush=True)
for request, decision in requests(home):
    for person in (Person("daemon", 1), Person("bin", 2)):
        module.present = lambda: person
        try:
            gate.vote(request.id, "approve", "x")
        except module.Denied:
            pass
    try:
        gate.claim(request, decision)
        print(request.id, flush=True)
    except module.Denied:
        pass
"""


def office(home: Path) -> tuple[Gate, Store]:
    database = opened(home)
    gate = Gate(home, Ledger(database, home / "ledger.head"), load(home), policy)
    return gate, Store(database)


def policy() -> Policy:
    return read(POLICY)


def requests(home: Path) -> list[tuple[RunRequest, object]]:
    ids = (home / "ids").read_text().split()
    return [(made, decide(made, 0, policy())) for made in map(request, ids)]


def request(run_id: str) -> RunRequest:
    return RunRequest(
        id=run_id,
        kind="command",
        content="reboot",
        action="",
        playbook="",
        cloud="here",
        requester=Requester("root", 0),
        created="2026-11-21T00:00:00.000000Z",
        targets=Targets("", "", ("h",), "d"),
    )


@pytest.mark.parametrize("seed", range(2))
def test_kill_at_any_moment(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - any moment will do
    gate, store = office(tmp_path)
    ids = [uuid7() for _ in range(25)]
    (tmp_path / "ids").write_text("\n".join(ids))
    for run_id in ids:
        made = request(run_id)
        with gate.ledger.writing() as writing:
            store.add(writing.connection, made, "waiting", myself())
            gate.open(writing, made, decide(made, 0, policy()))
    claimed: list[str] = []
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.8))
        child.send_signal(signal.SIGKILL)
        claimed += child.communicate()[0].split()
    assert len(set(claimed)) == len(claimed)
    assert audit(gate.ledger).sound
    for run_id in ids:
        case = gate.get(run_id)
        kinds = [record.kind for record in gate.ledger.records(run_id)]
        status = store.get(run_id).status
        assert kinds.count("approved") == len(case.approval.votes)
        assert kinds.count("claimed") == (case.approval.status == "used") == (status == "pending")
        assert case.approval.status == (
            "used" if status == "pending" else "approved" if len(case.approval.votes) == 2 else "open"
        )
        assert run_id not in claimed or status == "pending"
