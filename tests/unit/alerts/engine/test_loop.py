"""The loop: each alert is led to its end, as its rule says and the guards allow."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.alerts.guards.config import Bounds, Storm
from opsctl.alerts.rules.read import read

from .conftest import Make
from .loop import RULE


def test_an_alert_is_healed_and_told(make: Make) -> None:
    loop = make()
    alert = loop.comes()
    loop.turn(2)
    (remedy,) = loop.of(alert)
    assert remedy.state == "running"
    assert loop.workers.executed == [remedy.run_id]
    order = loop.workers.orders[0]["spec"]
    assert order["words"] == ["true"] or order["words"] == ("true",)
    assert order["pattern"] == "web-1"
    assert order["trigger"]["alert"] == alert.id
    assert order["trigger"]["remediation"] == remedy.id
    loop.workers.end()
    loop.turn(2)
    assert loop.state(alert) == "verifying"
    assert loop.verifier.watched == {remedy.id}
    loop.lead.gone(remedy.id, "the problem is over")
    loop.turn(3)
    assert loop.states(alert) == ["starting", "running", "verifying", "healed", "closed"]
    assert [text for _alert, text in loop.monitoring.told] == [
        f"opsctl run {remedy.run_id} healed this: rule heal, remediation {remedy.id}"
    ]
    assert loop.inbox.get(alert.id).acknowledged
    assert loop.kinds() == [
        "alert-firing",
        "remediation-started",
        "remediation-running",
        "remediation-verifying",
        "remediation-succeeded",
        "alert-resolved",
        "remediation-closed",
    ]


def test_what_its_source_says_is_over_needs_no_question(make: Make) -> None:
    loop = make()
    alert = loop.comes()
    loop.turn(2)
    loop.goes(alert)
    loop.turn()
    assert loop.state(alert) == "running", "the run is not given up because the problem is gone"
    loop.workers.end()
    loop.turn(4)
    assert loop.state(alert) == "closed"


def test_an_alert_without_a_rule_is_left_alone_until_there_is_one(make: Make) -> None:
    loop = make()
    alert = loop.comes(problem="other")
    loop.turn(2)
    assert loop.of(alert) == []
    loop.book = read(RULE.replace("problem: down", "problem: other"))
    loop.turn(2)
    assert loop.state(alert) == "running"


def test_a_problem_that_stays_is_tried_again_then_escalated(make: Make) -> None:
    loop = make(RULE.replace("guards:", "verify: {within: 5s}\n  on_failure: {retry: 1}\n  guards:"))
    alert = loop.comes()
    for _attempt in range(2):
        loop.turn(2)
        loop.workers.end()
        loop.turn(2)
        assert loop.state(alert) == "verifying"
        loop.ahead += 6
        loop.turn(2)
    first, second = loop.of(alert)
    assert (first.state, second.state) == ("retrying", "escalated")
    assert second.parent == first.id
    assert first.run_id != second.run_id
    assert loop.workers.executed == [first.run_id, second.run_id]
    loop.turn(3)
    assert len(loop.of(alert)) == 2
    assert "a person is needed" in loop.monitoring.told[-1][1]
    assert loop.kinds().count("remediation-escalated") == 1


def test_a_run_that_failed_is_undone_then_escalated(make: Make) -> None:
    undo = "on_failure: {undo: {command: [undo, '{{ alert.host }}']}}\n  guards:"
    loop = make(RULE.replace("guards:", undo))
    alert = loop.comes()
    loop.turn(2)
    loop.workers.end("failed", "it broke")
    loop.turn(3)
    (remedy,) = loop.of(alert)
    assert remedy.state == "undoing"
    assert list(loop.workers.orders[-1]["spec"]["words"]) == ["undo", "web-1"]
    assert remedy.run_id == loop.workers.executed[-1] != loop.workers.executed[0]
    assert remedy.result["failed"] == loop.workers.executed[0]
    loop.workers.end()
    loop.turn(2)
    assert loop.states(alert) == ["starting", "running", "failed", "undoing", "escalated"]


def test_what_cannot_work_is_not_tried_again(make: Make) -> None:
    loop = make(RULE.replace("guards:", "on_failure: {retry: 3}\n  guards:"))
    loop.workers.refusal = "No host matches 'web-1'"
    alert = loop.comes()
    loop.turn(4)
    assert loop.states(alert) == ["starting", "failed", "escalated"]
    assert loop.of(alert)[0].result["error"] == "No host matches 'web-1'"
    assert len(loop.workers.orders) == 1


def test_a_host_that_is_no_host_is_escalated_and_nothing_runs(make: Make) -> None:
    loop = make()
    alert = loop.comes(host="web-1;reboot")
    loop.turn(3)
    assert loop.states(alert) == ["escalated"]
    assert loop.workers.orders == []


def test_workers_that_die_before_they_begin_are_asked_three_times(make: Make) -> None:
    loop = make()
    loop.workers.deaf = True
    alert = loop.comes()
    loop.turn(8)
    assert len(loop.workers.orders) == 3
    assert len({order["run"] for order in loop.workers.orders}) == 1
    assert loop.states(alert) == ["starting", "failed", "escalated"]


def test_a_run_that_hangs_is_ended(make: Make) -> None:
    from opsctl.pace.control import Inbox as Control

    loop = make(RULE.replace("guards:", "timeout: 10s\n  guards:"))
    alert = loop.comes()
    loop.turn(2)
    run = loop.workers.executed[0]
    loop.ahead += 200
    loop.turn(2)
    assert [order.verb for order in Control(loop.home, run).take()] == ["cancel"]
    loop.workers.end("canceled", "canceled by opsctl")
    loop.turn(3)
    assert loop.state(alert) == "escalated"


def test_a_problem_that_goes_by_itself_is_left_alone(make: Make) -> None:
    loop = make(RULE.replace("problem: down", "problem: down, for: 30s"))
    alert = loop.comes()
    loop.turn(3)
    assert loop.of(alert) == []
    loop.goes(alert)
    loop.ahead += 60
    loop.turn(3)
    assert loop.of(alert) == []
    assert loop.workers.orders == []


def test_a_rule_that_waits_takes_the_alert_in_time(make: Make) -> None:
    loop = make(RULE.replace("problem: down", "problem: down, for: 30s"))
    alert = loop.comes()
    loop.turn(3)
    assert loop.of(alert) == []
    loop.ahead += 30
    loop.turn(2)
    assert loop.state(alert) == "running"


def test_two_problems_of_one_host_are_healed_one_after_the_other(make: Make) -> None:
    loop = make()
    first, second = loop.comes(), loop.comes()
    loop.turn(3)
    assert [loop.state(first), loop.state(second)] == ["running", "held"]
    assert len(loop.workers.executed) == 1
    loop.workers.end()
    loop.turn(2)
    loop.lead.gone(loop.of(first)[0].id, "over")
    loop.turn(3)
    loop.ahead += 5
    loop.turn(3)
    assert [loop.state(first), loop.state(second)] == ["closed", "running"]
    assert loop.states(second)[:2] == ["held", "starting"]


def test_what_is_held_and_goes_by_itself_is_closed(make: Make) -> None:
    loop = make()
    first, second = loop.comes(), loop.comes()
    loop.turn(2)
    loop.goes(second)
    loop.turn()
    assert (loop.state(first), loop.states(second)) == ("running", ["held", "closed"])


def test_of_two_rules_the_one_with_priority_acts_and_the_other_is_recorded(make: Make) -> None:
    other = RULE.replace("name: heal", "name: better").replace("guards:", "priority: 5\n  guards:")
    loop = make(RULE + other)
    alert = loop.comes()
    loop.turn(2)
    (remedy,) = loop.of(alert)
    assert remedy.rule == "better"
    assert [passed["rule"] for passed in remedy.verdict["passed"]] == ["heal"]
    assert len(loop.workers.orders) == 1


@pytest.mark.parametrize("mode", ["shadow", "propose", "off"])
def test_only_active_rules_act(make: Make, mode: str) -> None:
    loop = make(RULE.replace("guards:", f"mode: {mode}\n  guards:"))
    alert = loop.comes()
    loop.turn(4)
    assert loop.workers.orders == []
    assert [remedy.state for remedy in loop.of(alert)] == {"shadow": ["shadowed"], "propose": ["proposed"]}.get(
        mode, []
    )


def test_in_a_storm_nothing_acts(make: Make) -> None:
    loop = make(RULE, Bounds(storm=Storm(alerts=5)))
    alerts = [loop.comes(host=f"web-{number}") for number in range(40)]
    loop.turn(3)
    assert {loop.state(alert) for alert in alerts} == {"proposed"}
    assert loop.workers.orders == []
    assert loop.engine.storm > loop.clock()


def test_never_more_at_once_than_the_bounds_allow(make: Make) -> None:
    loop = make(RULE, Bounds(max_concurrent=3, budget=None))
    alerts = [loop.comes(host=f"web-{number}") for number in range(12)]
    for _ in range(40):
        loop.turn()
        running = [remedy for remedy in loop.remedies.open() if remedy.state not in ("held", "healed")]
        assert len(running) <= 3
        loop.workers.end()
        for remedy in loop.remedies.open():
            if remedy.state == "verifying":
                loop.lead.gone(remedy.id, "over")
        loop.ahead += 2
    assert {loop.state(alert) for alert in alerts} == {"closed"}
    assert len(loop.workers.executed) == 12


def test_hosts_in_change_are_silenced_and_given_back(make: Make) -> None:
    loop = make(RULE.replace("guards: {", "guards: {silence: true, "))
    alert = loop.comes()
    loop.turn(2)
    assert list(loop.monitoring.silenced.values()) == [["web-1"]]
    assert [silence["hosts"] for silence in loop.remedies.silences()] == [["web-1"]]
    loop.workers.end()
    loop.turn(2)
    loop.lead.gone(loop.of(alert)[0].id, "over")
    loop.turn(2)
    # Also by a service that begins anew, with nothing else to do.
    loop.again()
    loop.turn(4)
    assert loop.monitoring.silenced == {}
    assert loop.remedies.silences() == []


def test_a_notice_runs_nothing(make: Make) -> None:
    loop = make("- name: tell\n  match: {problem: down}\n  do: {notify: ops}\n")
    alert = loop.comes()
    loop.turn(3)
    assert loop.states(alert) == ["closed"]
    assert loop.workers.orders == []
    assert loop.remedies.story([loop.of(alert)[0].id])[0].data["notify"] == ["ops"]


def test_a_check_must_succeed_too(make: Make) -> None:
    loop = make(RULE.replace("guards:", "verify: {playbook: check.yml}\n  guards:"))
    alert = loop.comes()
    loop.turn(2)
    loop.workers.end()
    loop.turn(2)
    (remedy,) = loop.of(alert)
    loop.lead.gone(remedy.id, "over")
    loop.turn(2)
    (remedy,) = loop.of(alert)
    assert (remedy.state, loop.workers.executed[-1]) == ("verifying", remedy.result["check"])
    assert loop.workers.orders[-1]["spec"]["content"] == "check.yml"
    loop.workers.end("failed", "no answer")
    loop.turn(3)
    assert loop.states(alert)[-2:] == ["failed", "escalated"]
    assert "no answer" in loop.of(alert)[0].result["error"]


def test_a_source_that_is_down_does_not_hold_up_the_end(make: Make) -> None:
    loop = make()
    loop.monitoring.down = True
    alert = loop.comes()
    loop.turn(2)
    loop.workers.end()
    loop.turn(2)
    loop.lead.gone(loop.of(alert)[0].id, "over")
    loop.turn(3)
    assert loop.state(alert) == "healed"
    loop.monitoring.down = False
    for errand in loop.aftercare._errands.values():
        errand.due = 0.0
    loop.turn(3)
    assert loop.state(alert) == "closed"
    assert len(loop.monitoring.told) == 1


def test_a_source_that_was_down_hears_later_that_a_person_is_needed(make: Make) -> None:
    loop = make()
    loop.monitoring.down = True
    alert = loop.comes(host="web-1;reboot")
    loop.turn(3)
    assert loop.state(alert) == "escalated"
    assert loop.monitoring.told == []
    assert not loop.engine.idle
    loop.monitoring.down = False
    loop.again()
    loop.turn(3)
    assert len(loop.monitoring.told) == 1
    assert loop.engine.idle
    loop.again()
    loop.turn(3)
    assert len(loop.monitoring.told) == 1
    assert loop.kinds().count("remediation-escalated") == 1


def test_an_alert_that_nobody_thought_of_stands_in_no_others_way(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsctl.alerts.remedy import engine

    judged = engine.judged

    def breaks(rule: Any, alert: Any, *arguments: Any, **options: Any) -> Any:
        if alert.host == "odd":
            raise RecursionError("who would\nhave thought")
        return judged(rule, alert, *arguments, **options)

    monkeypatch.setattr(engine, "judged", breaks)
    loop = make()
    odd, other = loop.comes(host="odd"), loop.comes(host="web-1")
    loop.turn(3)
    assert (loop.state(odd), loop.state(other)) == ("escalated", "running")
    assert "who would have thought" in loop.remedies.story([loop.of(odd)[0].id])[-1].text
