"""Remedies that the policy wants an approval for: they wait, go on by themselves, or end with a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from opsctl.db.schema import runs

from .loop import WRITE, Loop


class Gate:
    """Says of each run what the test wants; approvals themselves have tests of their own."""

    def __init__(self) -> None:
        self.status = "open"
        self.withdrawn: list[str] = []

    def settle(self) -> list[str]:
        return []

    def get(self, _run: str) -> SimpleNamespace:
        return SimpleNamespace(approval=SimpleNamespace(status=self.status))

    def withdraw(self, run: str, _comment: str) -> None:
        self.withdrawn.append(run)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(tmp_path / "home")
    made.workers.status = "waiting"
    yield made
    made.close()


@pytest.fixture
def gate(loop: Loop) -> Gate:
    made = Gate()
    loop.desk.__dict__["gate"] = made
    return made


def becomes(loop: Loop, run: str, status: str) -> None:
    with WRITE(loop.desk.database) as connection:
        connection.execute(update(runs).where(runs.c.id == run).values(status=status))


def test_it_goes_on_when_it_is_approved(loop: Loop, gate: Gate) -> None:
    alert = loop.comes()
    loop.turn(6)
    assert loop.states(alert) == ["starting", "waiting"]
    (remedy,) = loop.of(alert)
    assert [order["resume"] for order in loop.workers.orders] == [False]
    gate.status = "approved"
    loop.turn(6)
    assert [(order["run"], order["resume"]) for order in loop.workers.orders][1:] == [(remedy.run_id, True)]
    becomes(loop, remedy.run_id, "running")
    loop.turn(3)
    assert loop.state(alert) == "running"


def test_it_is_ordered_once_by_a_service_that_begins_anew(loop: Loop, gate: Gate) -> None:
    alert = loop.comes()
    loop.turn(3)
    loop.again()
    loop.turn(6)
    assert loop.states(alert) == ["starting", "waiting"]
    assert len(loop.workers.orders) == 1


def test_what_is_refused_needs_a_person(loop: Loop, gate: Gate) -> None:
    alert = loop.comes()
    loop.turn(3)
    becomes(loop, loop.of(alert)[0].run_id, "denied")
    loop.turn(4)
    assert loop.states(alert) == ["starting", "waiting", "failed", "escalated"]


def test_what_went_by_itself_needs_no_approval_any_more(loop: Loop, gate: Gate) -> None:
    alert = loop.comes()
    loop.turn(3)
    loop.goes(alert)
    loop.turn(2)
    assert loop.states(alert) == ["starting", "waiting", "closed"]
    assert gate.withdrawn == [loop.of(alert)[0].run_id]


def test_what_cannot_be_started_after_all_needs_a_person(loop: Loop, gate: Gate) -> None:
    alert = loop.comes()
    loop.turn(3)
    gate.status, loop.workers.refusal = "approved", "its plan is not the one that was approved"
    loop.turn(8)
    assert loop.states(alert) == ["starting", "waiting", "failed", "escalated"]
    assert len(loop.workers.orders) == 2
