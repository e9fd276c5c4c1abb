"""Messages of one problem in any order, lost or doubled, end in one and the same alert."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.alert import Alert, made
from opsctl.alerts.inbox.merge import HEARD, merged

BEGAN, OVER, LATER = "2026-11-21T12:00:00.000Z", "2026-11-21T12:05:00.000Z", "2026-11-21T12:06:00.000Z"


def told(state: str = "firing", kind: Any = "zabbix", via: str = "webhook", **values: Any) -> Alert:
    given = {"name": "Redis is down", "host": "cache-1", "started": BEGAN, **values}
    resolved = OVER if state == "resolved" else ""
    return made("m", kind, "7", received=BEGAN, state=state, resolved=resolved, data={"via": via}, **given)


messages = st.lists(
    st.sampled_from([told(), told("resolved"), told(via="poll"), told("resolved", via="poll")]), min_size=1, max_size=12
)


def folded(alerts: list[Alert]) -> Alert:
    stored: Alert | None = None
    for each in alerts:
        taken = merged(stored, each)
        assert taken is not None
        stored = taken.alert
    assert stored is not None
    return stored


@given(messages)
def test_a_problem_is_over_when_anybody_said_so(alerts: list[Alert]) -> None:
    stored = folded(alerts)
    assert stored.firing == all(each.firing for each in alerts)
    assert stored.id == alerts[0].id
    assert stored.host == "cache-1"


@given(messages)
def test_what_is_told_is_counted_and_what_is_asked_is_not(alerts: list[Alert]) -> None:
    before: Alert | None = None
    for each in alerts:
        taken = merged(before, each)
        assert taken is not None
        count = before.count if before else 0
        again = before is None or (before.firing and each.firing and each.data["via"] == "webhook")
        assert taken.alert.count == count + again
        before = taken.alert


@given(messages)
def test_hearing_the_last_word_twice_changes_nothing_but_that_it_was_heard(alerts: list[Alert]) -> None:
    once, twice = folded(alerts), folded([*alerts, alerts[-1]])
    heard = {name: value for name, value in once.data.items() if name != HEARD}
    assert replace(twice, count=0, data=heard | {HEARD: ""}) == replace(once, count=0, data=heard | {HEARD: ""})
    assert {name: value for name, value in twice.data.items() if name != HEARD} == heard


def test_a_resolution_before_its_problem_wins() -> None:
    early = told("resolved", name="", host="", started=OVER)
    first = merged(None, early)
    assert first is not None
    assert first.what == "new"
    second = merged(first.alert, told())
    assert second is not None
    assert second.what == "late"
    assert (second.alert.state, second.alert.name, second.alert.started) == ("resolved", "Redis is down", BEGAN)


def test_a_key_of_a_webhook_may_be_used_again() -> None:
    over = merged(merged(None, told(kind="webhook")).alert, told("resolved", kind="webhook"))  # type: ignore[union-attr]
    assert over is not None
    assert merged(over.alert, told(kind="webhook", started=LATER)) is None


def test_a_late_message_of_a_webhook_does_not_begin_anew() -> None:
    over, again = told("resolved", kind="webhook"), told(kind="webhook")
    taken = merged(over, again)
    assert taken is not None
    assert taken.alert.state == "resolved"
    assert merged(over, replace(again, received="2026-11-21T12:06:01.000Z")) is None


def test_an_event_of_zabbix_never_comes_back_whatever_clocks_say() -> None:
    taken = merged(told("resolved"), told(started=LATER))
    assert taken is not None
    assert not taken.alert.firing


def test_what_vanished_may_come_back_when_zabbix_is_asked() -> None:
    vanished = replace(told("resolved", via="poll"), data={"via": "poll", "ended": "vanished"})
    over = merged(told(), vanished)
    assert over is not None
    heard, asked = merged(over.alert, told()), merged(over.alert, told(via="poll"))
    assert heard is not None
    assert (heard.what, heard.alert.state) == ("same", "resolved")
    assert asked is not None
    assert (asked.what, asked.alert.state, asked.alert.resolved) == ("reopened", "firing", "")
    assert merged(asked.alert, told("resolved")) is not None


def test_a_zabbix_that_was_made_anew_counts_its_events_anew() -> None:
    old = replace(told("resolved"), data={"via": "poll", "clock": 1000})
    same = replace(told(), data={"via": "webhook", "clock": 1001})
    assert merged(old, same) is not None
    assert merged(old, replace(same, data={"via": "webhook", "clock": 1002})) is None


def test_only_the_one_who_was_asked_takes_an_acknowledgement_back() -> None:
    known = told(acknowledged=True, suppressed=True)
    heard = merged(known, told())
    asked = merged(known, told(via="poll"))
    assert heard is not None
    assert asked is not None
    assert (heard.alert.acknowledged, heard.alert.suppressed) == (True, True)
    assert (asked.alert.acknowledged, asked.alert.suppressed) == (False, False)
    assert asked.what == "changed"


def test_a_message_that_knows_less_takes_nothing_away() -> None:
    poor = told(name="", host="", severity="not_classified")
    taken = merged(told(severity="high", tags={"a": "b"}), poor)
    assert taken is not None
    assert (taken.alert.name, taken.alert.severity, taken.alert.tags) == ("Redis is down", "high", {"a": "b"})


def test_nothing_is_over_before_it_began() -> None:
    taken = merged(told(started=LATER), told("resolved"))
    assert taken is not None
    assert taken.alert.resolved == LATER
