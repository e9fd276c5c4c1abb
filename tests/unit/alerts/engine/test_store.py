"""The store of remediations: one claim, moves that nobody makes twice, a story without gaps."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from opsctl.alerts.inbox.tables import opened
from opsctl.alerts.machine import Impossible
from opsctl.alerts.remedy.store import Remedies, Remedy, fresh
from opsctl.clock import uuid7
from opsctl.errors import UsageError


@pytest.fixture
def remedies(tmp_path: Path) -> Remedies:
    return Remedies(opened(tmp_path))


def claimed(remedies: Remedies, alert: str = "a1", rule: str = "heal") -> Remedy:
    found = remedies.claim(fresh(alert, rule, "v1"), "go", "matched")
    assert found is not None
    return found


def test_an_attempt_is_claimed_once(remedies: Remedies) -> None:
    assert remedies.claim(fresh("a1", "heal", "v1"), "go", "one") is not None
    assert remedies.claim(fresh("a1", "heal", "v1"), "go", "two") is None
    assert remedies.claim(fresh("a1", "heal", "v1", attempt=2), "go", "three") is not None
    assert [step.text for step, _ in remedies.told_since(0)] == ["one", "three"]


def test_of_many_that_claim_at_once_one_wins(remedies: Remedies) -> None:
    won: list[Remedy] = []

    def claim() -> None:
        found = remedies.claim(fresh("a1", "heal", "v1"), "go", "mine")
        if found:
            won.append(found)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(remedies.open()) == 1


def test_a_move_is_made_once(remedies: Remedies) -> None:
    first = claimed(remedies)
    assert remedies.move(first, "started", "it runs") is not None
    assert remedies.move(first, "started", "it runs") is None
    assert [step.text for step in remedies.story([first.id])] == ["matched", "it runs"]


def test_a_move_on_what_was_left_and_come_back_to_is_not_made(remedies: Remedies) -> None:
    first = remedies.claim(fresh("a1", "heal", "v1"), "hold", "cooldown")
    assert first is not None
    assert remedies.move(first, "hold", "still") is not None
    assert remedies.move(first, "go", "from the old view") is None


def test_what_does_not_belong_there_is_refused(remedies: Remedies) -> None:
    with pytest.raises(Impossible, match="starting cannot take 'told'"):
        remedies.move(claimed(remedies), "told", "")


def test_another_attempt_takes_over_in_one_step(remedies: Remedies) -> None:
    first = claimed(remedies)
    failed = remedies.move(first, "fails", "it broke", result={"error": "it broke"})
    assert failed is not None
    second = remedies.again(failed, fresh("a1", "heal", "v1", attempt=2, parent=first.id), "once more")
    assert second is not None
    assert (second.state, second.attempt, second.parent) == ("starting", 2, first.id)
    assert remedies.get(first.id).state == "retrying"
    assert remedies.again(failed, fresh("a1", "heal", "v1", attempt=2), "twice") is None
    assert [remedy.id for remedy in remedies.open()] == [second.id]


def test_the_way_back_from_a_run(remedies: Remedies) -> None:
    run = uuid7()
    first = claimed(remedies)
    remedies.tell(first, "undo", {"run": run})
    found = remedies.of_run(run)
    assert found is not None
    assert found.id == first.id
    assert remedies.of_run(uuid7()) is None


def test_ids_are_found_by_their_ends(remedies: Remedies) -> None:
    first = claimed(remedies)
    assert remedies.get(first.id[-8:]).id == first.id
    with pytest.raises(UsageError, match="Unknown remediation"):
        remedies.get("zzzzzzzz")


def test_silences_are_kept_until_lifted(remedies: Remedies) -> None:
    remedies.silence("s1", ["web-1"], "2026-01-01T00:00:00Z", "r1")
    remedies.silence("s1", ["web-1", "web-2"], "2026-01-02T00:00:00Z", "r1")
    assert [(each["name"], each["hosts"]) for each in remedies.silences()] == [("s1", ["web-1", "web-2"])]
    remedies.lifted("s1")
    assert remedies.silences() == []
