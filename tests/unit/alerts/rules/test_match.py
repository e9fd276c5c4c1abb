"""Which rule an alert is for, with a reason for every other one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.alerts.alert import SEVERITIES, Alert
from opsctl.alerts.rules.book import Book, ordered
from opsctl.alerts.rules.match import match
from opsctl.alerts.rules.part import severe
from opsctl.alerts.rules.rule import Rule
from tests.unit.alerts.rules.make import NOW, alert, at, rule


def why(values: dict[str, Any], given: Alert, seconds: float = 0, earlier: tuple[Alert, ...] = ()) -> str:
    """Why a rule with this match is not taken; empty = it is."""
    decision = match(Book((rule(match=values),)), given, NOW + timedelta(seconds=seconds), earlier)
    return "" if decision.rule else decision.passed[0].why


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"host": "cache-*"}, ""),
        ({"host": ["db-*", "/^cache-[0-9]$/"]}, ""),
        ({"host": "db-*"}, "host cache-1 is not db-*"),
        ({"source": "prometheus"}, "source zabbix is not prometheus"),
        ({"group": "*_redis"}, ""),
        ({"group": ["web", "db"]}, "none of its groups (cache_redis) is web or db"),
        ({"stack": "*"}, ""),
        ({"stack": "other"}, "stack cache is not other"),
        ({"problem": "disk-full"}, "problem redis-process-down is not disk-full"),
        ({"trigger": "Redis is down*"}, ""),
        ({"trigger": "/down on .*-1$/"}, ""),
        ({"trigger": "/^down/"}, '"Redis is down on cache-1" is not /^down/'),
        ({"severity": ">=high"}, ""),
        ({"severity": "disaster"}, "severity high is not disaster"),
        ({"severity": ["<=warning", "high"]}, ""),
        ({"tags": {"opsctl_problem": "redis-*"}}, ""),
        ({"tags": {"zone": "*"}}, "it has no tag zone"),
        ({"tags": {"opsctl_problem": "x"}}, "tag opsctl_problem redis-process-down is not x"),
    ],
)
def test_what_is_given_must_fit(values: dict[str, Any], reason: str) -> None:
    assert why(values, alert()) == reason


def test_what_is_not_there_fits_no_pattern() -> None:
    assert why({"stack": "*"}, alert(stack="")) == "stack (none) is not *"
    assert why({"host": "/^$/"}, alert(host="")) == "host (none) is not /^$/"


def test_one_of_several_values_of_a_tag_is_enough() -> None:
    assert why({"tags": {"disk": "/var"}}, alert(tags={"disk": "/,/var"})) == ""


def test_a_problem_that_is_over_has_no_rule() -> None:
    assert why({"host": "*"}, alert(state="resolved")) == "the problem is over"


def test_a_rule_that_is_off_is_not_taken() -> None:
    decision = match(Book((rule(mode="off"),)), alert(), NOW)
    assert decision.rule is None
    assert decision.passed[0].why == "it is switched off"


def test_a_problem_must_have_been_there_for_a_while() -> None:
    book = Book((rule(match={"host": "*", "for": "30s"}),))
    early = match(book, alert(), NOW + timedelta(seconds=29))
    assert early.rule is None
    assert early.until == NOW + timedelta(seconds=30)
    assert early.passed[0].why == "it is there for 29s of 30s"
    assert match(book, alert(), NOW + timedelta(seconds=30)).rule is book.rules[0]


def test_a_wrong_clock_of_the_source_does_not_make_a_problem_older() -> None:
    assert why({"host": "*", "for": "30s"}, alert(started=at(-3600)), 1) == "it is there for 1s of 30s"


def test_a_problem_without_a_time_is_an_old_one() -> None:
    assert why({"host": "*", "for": "30s"}, alert(received="long ago", started=""), 0) == ""


def test_a_rule_waits_for_its_time() -> None:
    book = Book((rule(match={"host": "*", "when": {"hours": "13:00-14:00", "zone": "UTC"}}),))
    decision = match(book, alert(), NOW)
    assert decision.rule is None
    assert decision.until == NOW + timedelta(hours=1)
    assert match(book, alert(), NOW + timedelta(hours=1)).rule is book.rules[0]


def test_alerts_are_counted_within_a_time_on_one_host() -> None:
    values = {"host": "*", "count": {"at_least": 3, "within": "10m"}}
    one = alert()
    near = tuple(alert(key=str(number), received=at(-number)) for number in (60, 120))
    assert why(values, one, 0, near) == ""
    assert why(values, one, 0, (*near[:1], one)) == "2 of 3 alerts on this host within 10m"
    assert why(values, one, 0, (near[0], alert(received=at(-601)))) == "2 of 3 alerts on this host within 10m"
    assert why(values, one, 0, (near[0], alert(host="cache-2", received=at(-9)))).startswith("2 of 3")
    assert why({**values, "host": "cache-1"}, one, 0, (near[0], alert(host="cache-2"))).startswith("2 of 3")


def test_alerts_may_be_counted_over_a_stack() -> None:
    values = {"host": "*", "count": {"at_least": 2, "within": "10m", "of": "stack"}}
    assert why(values, alert(), 0, (alert(host="cache-2", received=at(-9)),)) == ""
    assert why(values, alert(), 0, (alert(host="x-2", stack="x", received=at(-9)),)) == (
        "1 of 2 alerts in this stack within 10m"
    )


def test_of_two_rules_that_fit_the_one_with_the_higher_priority_is_taken() -> None:
    rules = [rule(name="a"), rule(name="b", priority=5), rule(name="c", priority=5)]
    decision = match(Book(ordered(rules)), alert(), NOW)
    assert decision.rule is not None
    assert decision.rule.name == "b"
    assert [(passed.rule.name, passed.why) for passed in decision.passed] == [
        ("c", "fits too, but b comes first by name"),
        ("a", "fits too, but b has a higher priority"),
    ]
    assert decision.why == "problem redis-process-down"
    assert decision.plain()["rule"] == "b"


MATCHES = st.fixed_dictionaries(
    {"host": st.sampled_from(["*", "cache-1", "x", "/c/"])},
    optional={
        "severity": st.sampled_from([">=high", "<=warning", "average"]),
        "for": st.sampled_from(["0s", "10s", "1h"]),
        "tags": st.just({"opsctl_problem": "redis-*"}),
    },
)
RULES = st.lists(st.tuples(MATCHES, st.integers(-2, 2), st.sampled_from(["active", "off", "shadow"])), max_size=6)


@settings(max_examples=60, deadline=None)
@given(RULES, st.integers(0, 100), st.sampled_from(SEVERITIES))
def test_every_rule_is_taken_or_passed_over_with_a_reason(given_: Any, seconds: int, severity: Any) -> None:
    rules: list[Rule] = [
        rule(name=f"r{number}", match=values, priority=priority, mode=mode)
        for number, (values, priority, mode) in enumerate(given_)
    ]
    book = Book(ordered(rules))
    decision = match(book, alert(severity=severity), NOW + timedelta(seconds=seconds))
    named = [passed.rule.name for passed in decision.passed] + ([decision.rule.name] if decision.rule else [])
    assert sorted(named) == sorted(rule.name for rule in rules)
    assert all(passed.why for passed in decision.passed)
    # Waiting for what it says changes the answer: nothing is waited for in vain.
    if decision.until is not None:
        assert match(book, alert(severity=severity), decision.until).rule is not None


@given(st.sampled_from(SEVERITIES), st.sampled_from(SEVERITIES))
def test_a_severity_is_within_its_bounds(one: Any, other: Any) -> None:
    assert severe((f">={other}",), one) or severe((f"<={other}",), one)
    assert severe((other,), one) == (one == other)
