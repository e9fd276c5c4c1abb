"""What people do to the loop by hand."""

from __future__ import annotations

import pytest

from opsctl.alerts.people import accept, acknowledge, again, refuse
from opsctl.errors import UsageError

from .conftest import Make
from .loop import RULE


def test_a_person_lets_a_proposal_go_ahead(make: Make) -> None:
    loop = make(RULE.replace("guards:", "mode: propose\n  guards:"))
    alert = loop.comes()
    loop.turn(3)
    accept(loop.inbox, loop.remedies, alert.id, "fine")
    loop.turn(3)
    assert loop.states(alert) == ["proposed", "held", "starting", "running"]
    with pytest.raises(UsageError, match="Nothing is proposed"):
        accept(loop.inbox, loop.remedies, alert.id, "")


def test_a_person_says_no(make: Make) -> None:
    loop = make(RULE.replace("guards:", "mode: propose\n  guards:"))
    alert = loop.comes()
    loop.turn(3)
    refuse(loop.inbox, loop.remedies, alert.id, "not now")
    loop.turn(3)
    assert loop.states(alert) == ["proposed", "suppressed"]
    assert "not now" in loop.remedies.story([loop.of(alert)[0].id])[-1].text


def test_a_proposal_whose_problem_went_is_closed(make: Make) -> None:
    loop = make(RULE.replace("guards:", "mode: propose\n  guards:"))
    alert = loop.comes()
    loop.turn(2)
    loop.goes(alert)
    loop.turn(2)
    assert loop.states(alert) == ["proposed", "closed"]
    assert loop.kinds()[-1] == "alert-resolved"


def test_who_looks_after_it_himself_keeps_the_loop_away(make: Make) -> None:
    loop = make(RULE.replace("problem: down", "problem: down, for: 30s"))
    alert = loop.comes()
    loop.turn()
    acknowledge(loop.inbox, loop.remedies, loop.monitoring, alert, "mine")
    loop.ahead += 60
    loop.turn(3)
    assert loop.states(alert) == ["suppressed"]
    assert "mine" in loop.monitoring.told[0][1]


def test_a_person_has_it_tried_again(make: Make) -> None:
    loop = make()
    alert = loop.comes()
    loop.turn(2)
    with pytest.raises(UsageError, match="is running"):
        again(loop.inbox, loop.remedies, alert, loop.book, "")
    loop.workers.end("failed", "it broke")
    loop.turn(3)
    assert loop.state(alert) == "escalated"
    again(loop.inbox, loop.remedies, alert, loop.book, "mended the disk")
    loop.turn(3)
    assert [remedy.attempt for remedy in loop.of(alert)] == [1, 2]
    assert loop.state(alert) == "running"
