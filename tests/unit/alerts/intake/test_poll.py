"""Zabbix, asked again and again, tells the truth in the end: whatever was lost, doubled, late or restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.alert import made
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.sources import poll, zabbix
from opsctl.alerts.sources.ask import Asker, Mark
from opsctl.alerts.sources.poll import Poller, difference
from tests.unit.zabbix.model import TOKEN

from .asked import Fake
from .senders import RECEIVED
from .senders import zabbix as message

marks = st.builds(Mark, st.just("x"), st.integers(0, 5), st.booleans(), st.booleans())
shown = st.dictionaries(st.sampled_from("abcdef"), marks)


class Lab:
    """A Zabbix with one host, an inbox, and a poller that is asked step by step."""

    def __init__(self, home: Path) -> None:
        self.zabbix, self.inbox = Fake(), Inbox(home)
        self.token, self.said, self.now = TOKEN, list[str](), 2_000_000_000.0
        self.group = self.zabbix.add_group("cache")
        self.host = self.zabbix.add_host("cache-1", self.group)
        self.trigger = self.zabbix.add_trigger("Redis is down", self.host)
        self.poller = self.other()

    def other(self, **source: Any) -> Poller:
        given = Source(name="zabbix", kind="zabbix", **source)

        def connect() -> Asker:
            return Asker(Zabbix(Access(self.zabbix.url, token=self.token, timeout=2, patience=0.05)), given)

        return Poller(self.inbox, given, connect, self.said.append, base="http://z", clock=lambda: self.now)

    def problem(self, **values: Any) -> str:
        return self.zabbix.add_problem(self.trigger, tags=[{"tag": "opsctl_stack", "value": "cache"}], **values)

    def states(self) -> dict[str, str]:
        return {alert.key: alert.state for alert in self.inbox.find()}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.poller.stop()
    made.inbox.close()
    made.zabbix.close()


@given(shown, shown, st.sets(st.sampled_from("abcdef")))
def test_each_problem_is_new_changed_missing_or_nothing(
    now: dict[str, Mark], before: dict[str, Mark], firing: set[str]
) -> None:
    found = difference(now, before, firing)
    assert found.new | (now.keys() & firing) == now.keys()
    assert found.new.isdisjoint(firing)
    assert found.missing == firing - now.keys()
    assert found.changed <= now.keys() & firing
    assert difference(now, now, now) == difference({}, {}, ())


def test_a_problem_is_found_and_ends(lab: Lab) -> None:
    event = lab.problem()
    [taken] = lab.poller.once()
    alert = taken.alert
    assert (alert.key, alert.host, alert.stack, alert.groups) == (event, "cache-1", "cache", ("cache",))
    assert alert.url == f"http://z/tr_events.php?triggerid={lab.trigger}&eventid={event}"
    assert lab.poller.once() == []
    lab.zabbix.recover(event, clock=1_700_000_060)
    [taken] = lab.poller.once()
    assert (taken.what, taken.alert.resolved) == ("resolved", "2023-11-14T22:14:20.000Z")
    assert lab.poller.once() == []


def test_when_nothing_happens_one_small_question_is_asked(lab: Lab) -> None:
    lab.problem()
    lab.poller.once()
    lab.poller.once()
    lab.zabbix.calls.clear()
    assert lab.poller.once() == []
    assert lab.zabbix.methods() == ["problem.get"]


def test_what_a_webhook_told_is_completed_and_not_doubled(lab: Lab) -> None:
    event = lab.problem()
    told = message(event, groups=[], clock=1_700_000_000, host="cache-1")
    lab.inbox.put(zabbix.told(told, "zabbix", RECEIVED).alerts)
    [taken] = lab.poller.once()
    assert taken.what == "changed"
    assert taken.alert.groups == ("cache",)
    assert taken.alert.count == 1
    assert len(lab.inbox.find()) == 1


def test_a_lost_recovery_is_found(lab: Lab) -> None:
    event = lab.problem()
    lab.inbox.put(zabbix.told(message(event, clock=1_700_000_000), "zabbix", RECEIVED).alerts)
    lab.zabbix.recover(event)
    lab.poller.once()
    assert lab.states() == {event: "resolved"}


def test_changes_are_seen(lab: Lab) -> None:
    event = lab.problem()
    lab.poller.once()
    row = lab.zabbix.table("event")[event]
    row |= {"acknowledged": "1", "suppressed": "1", "severity": "5"}
    [taken] = lab.poller.once()
    assert (taken.alert.acknowledged, taken.alert.suppressed, taken.alert.severity) == (True, True, "disaster")
    row |= {"acknowledged": "0", "suppressed": "0"}
    [taken] = lab.poller.once()
    assert (taken.alert.acknowledged, taken.alert.suppressed) == (False, False)


def test_a_problem_that_vanished_ends_and_may_come_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "_DOUBT", 0)
    event = lab.problem()
    lab.poller.once()
    row = lab.zabbix.table("event").pop(event)
    [taken] = lab.poller.once()
    assert (taken.what, taken.alert.data["ended"]) == ("resolved", "vanished")
    lab.zabbix.table("event")[event] = row
    [taken] = lab.poller.once()
    assert (taken.what, taken.alert.state) == ("reopened", "firing")


def test_what_is_not_shown_and_not_over_is_left_alone(lab: Lab) -> None:
    event = lab.problem(severity=4)
    lab.poller.once()
    lab.zabbix.table("event")[event]["severity"] = "1"
    strict = lab.other(min_severity="average")
    assert strict.once() == []
    lab.zabbix.calls.clear()
    assert strict.once() == []
    assert "event.get" not in lab.zabbix.methods()
    assert lab.states() == {event: "firing"}
    strict.stop()


def test_only_problems_of_the_settings_are_asked_for(lab: Lab) -> None:
    lab.problem(severity=1)
    grave = lab.problem(severity=4)
    lab.zabbix.add_problem(lab.trigger, severity=5)
    chosen = lab.other(min_severity="average", tags={"opsctl_stack": "cache"})
    assert [taken.alert.key for taken in chosen.once()] == [grave]
    chosen.stop()


def test_what_is_over_by_word_of_others_is_not_asked_for_each_time(lab: Lab) -> None:
    event = lab.problem()
    over = zabbix.told(message(event, value="0", clock=1_700_000_000), "zabbix", RECEIVED).alerts
    lab.inbox.put(over)
    lab.poller.once()
    lab.zabbix.calls.clear()
    lab.poller.once()
    assert lab.zabbix.methods() == ["problem.get"]
    assert lab.states() == {event: "resolved"}


def test_a_zabbix_that_is_down_is_told_of_once(lab: Lab) -> None:
    lab.problem()
    assert lab.poller.attempt()
    lab.zabbix.faults.extend(["reset"] * 40)
    for _ in range(4):
        assert not lab.poller.attempt()
    assert len(lab.said) == 1
    assert lab.said[0].startswith("Source zabbix: Zabbix at http://127.0.0.1:")
    assert lab.poller.error
    lab.zabbix.faults.clear()
    lab.now += 600
    assert lab.poller.attempt()
    assert lab.said[1:] == ["Source zabbix: Zabbix answers again after 10.0 min"]
    assert lab.poller.error == ""


def test_a_token_that_expired_is_news_and_a_new_one_is_taken(lab: Lab) -> None:
    lab.zabbix.tokens.clear()
    for _ in range(3):
        assert not lab.poller.attempt()
    [said] = lab.said
    assert TOKEN not in said
    lab.token = "ab" * 32
    lab.zabbix.tokens.add(lab.token)
    assert lab.poller.attempt()


def test_pauses_grow_while_it_is_down_and_end(lab: Lab) -> None:
    lab.zabbix.tokens.clear()
    pauses = []
    for _ in range(12):
        pauses.append(lab.poller._pause(lab.poller.attempt(), 0.01))
    assert pauses == sorted(pauses)
    assert pauses[0] == 0.5
    assert pauses[-1] == 15


def test_a_slow_zabbix_is_given_rest(lab: Lab) -> None:
    assert lab.poller._pause(True, 2.0) == 6.0


def test_problems_of_an_outage_are_found_those_that_are_over_too(lab: Lab) -> None:
    lab.problem()
    lab.poller.once()
    lab.poller.stop()
    flap, stays = lab.problem(clock=1_700_000_100), lab.problem(clock=1_700_000_200)
    lab.zabbix.recover(flap, clock=1_700_000_101)
    again = lab.other()
    again.once()
    assert lab.states()[flap] == "resolved"
    assert lab.states()[stays] == "firing"
    [alert] = [alert for alert in lab.inbox.find() if alert.key == flap]
    assert (alert.host, alert.resolved) == ("cache-1", "2023-11-14T22:15:01.000Z")
    again.stop()


def test_the_past_before_the_first_start_is_left_alone(lab: Lab) -> None:
    lab.zabbix.recover(lab.problem())
    lab.poller.once()
    assert lab.inbox.find() == []


def test_alerts_of_a_source_that_was_another_before_are_left_alone(lab: Lab) -> None:
    lab.inbox.put([made("zabbix", "webhook", "queue is long", received=RECEIVED)])
    assert lab.poller.once() == []
    assert lab.states() == {"queue is long": "firing"}


def test_clocks_that_disagree_do_no_harm(lab: Lab) -> None:
    lab.now = 1_000_000_000.0
    event = lab.problem(clock=1_900_000_000)
    lab.poller.once()
    lab.inbox.put(zabbix.told(message(event, clock=1_900_000_000), "zabbix", "2001-09-09T01:46:40.000Z").alerts)
    assert lab.states() == {event: "firing"}
    lab.zabbix.recover(event, clock=1_900_000_001)
    lab.poller.once()
    assert lab.states() == {event: "resolved"}


def test_a_zabbix_that_was_made_anew_is_understood(lab: Lab) -> None:
    lab.zabbix.add_problem(lab.trigger)
    event = lab.problem()
    lab.zabbix.recover(event)
    lab.poller.once()
    lab.inbox.put([made("zabbix", "zabbix", event, received=RECEIVED, state="resolved", data={"clock": 1_700_000_000})])
    lab.poller.stop()
    row = lab.zabbix.table("event")[event]
    lab.zabbix.table("event").clear()
    lab.zabbix.table("event")[event] = row | {"clock": "1800000000", "r_eventid": "0"}
    again = lab.other()
    again.once()
    firing = lab.inbox.firing("zabbix")
    assert [alert.key for alert in firing] == [event]
    again.stop()


def test_its_thread_finds_problems_and_ends_when_told(lab: Lab) -> None:
    poller = lab.other(interval=0.2)
    poller.start()
    event = lab.problem()
    assert lab.inbox.wait(0, 20)
    assert lab.states() == {event: "firing"}
    poller.stop()
    assert not poller._thread.is_alive()
