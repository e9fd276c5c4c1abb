"""What rules would have done with the alerts of a week that is over."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Bounds, Storm
from opsctl.alerts.rules.book import Book, ordered
from opsctl.alerts.rules.replay import replay
from opsctl.alerts.rules.rule import Rule
from tests.unit.alerts.rules.make import alert, at, rule


def past(seconds: float, lasted: float | None = 60, **values: Any) -> Alert:
    """One that is over."""
    state = {} if lasted is None else {"state": "resolved", "resolved": at(seconds + lasted)}
    return alert(**{"received": at(seconds), "started": at(seconds), **state, **values})


def words(book: Book | Rule, *alerts: Alert, **values: Any) -> list[str]:
    found = replay(book if isinstance(book, Book) else Book((book,)), alerts, **values)
    return [f"{outcome.word} {outcome.guard}".strip() for outcome in found.outcomes]


def test_what_is_done_where_and_when_is_told() -> None:
    (outcome,) = replay(Book((rule(),)), [past(0)]).outcomes
    assert (outcome.word, outcome.rule) == ("go", "redis-process-down")
    assert outcome.what == "redis-cluster heal on cache-1"
    assert outcome.time == datetime.fromisoformat(at(0))
    assert outcome.plain()["verdict"] == "go"


def test_what_is_over_before_it_lasted_long_enough_has_no_rule() -> None:
    waiting = rule(match={"host": "*", "for": "30s"})
    assert words(waiting, past(0, 29), past(1000, 31), past(2000, None)) == ["none", "go", "go"]
    assert replay(Book((waiting,)), [past(0, 29)]).outcomes[0].why == "redis-process-down: it is there for 0s of 30s"


def test_guards_hold_as_they_would_have() -> None:
    flapping = [past(number * 100, 50) for number in range(5)]
    holding = ["go", "hold cooldown", "hold cooldown", "go", "hold cooldown"]
    assert words(rule(guards={"cooldown": "5m"}), *flapping) == holding
    assert words(rule(guards={"cooldown": "0s", "tries": {"most": 2}}), *flapping) == [
        "go",
        "go",
        "escalate tries",
        "suppress tries",
        "suppress tries",
    ]


def test_what_is_held_is_done_when_it_may_be() -> None:
    book = Book((rule(guards={"cooldown": "5m"}),))
    found = replay(book, [past(0, 40), past(100, 1000)]).outcomes
    assert [outcome.word for outcome in found] == ["go", "go"]
    assert found[1].time == datetime.fromisoformat(at(330))


def test_the_budget_of_a_group_is_kept() -> None:
    alerts = [past(0, 20, host=f"cache-{number}") for number in range(1, 5)]
    assert words(rule(guards={"budget": "50%"}), *alerts, sizes={"cache": 4}) == [
        "go",
        "go",
        "hold budget",
        "hold budget",
    ]
    longer = [past(0, 200, host=f"cache-{number}") for number in range(1, 5)]
    assert words(rule(guards={"budget": "50%"}), *longer, sizes={"cache": 4}) == ["go"] * 4


def test_a_rule_without_a_limit_changes_the_whole_stack() -> None:
    alerts = [past(number, 200, host=f"cache-{number}") for number in range(1, 5)]
    whole = rule(limit=[], guards={"budget": "100%"})
    assert words(whole, *alerts) == ["go", *["hold cooldown"] * 3]
    assert words(rule(limit=[]), *alerts) == ["propose budget"] * 4


def test_a_storm_turns_rules_into_proposals() -> None:
    alerts = [past(number / 10, 500, host=f"h-{number}", groups=(), stack="") for number in range(20)]
    bounds = Bounds(storm=Storm(alerts=10), max_concurrent=100)
    found = words(rule(guards={"max_concurrent": 100}), *alerts, bounds=bounds)
    assert found == ["go"] * 10 + ["propose storm"] * 10


def test_rules_that_only_propose_may_be_looked_at_as_if_they_acted() -> None:
    assert words(rule(mode="propose"), past(0)) == ["propose mode"]
    assert words(rule(mode="propose"), past(0), active=True) == ["go"]
    assert words(rule(mode="off"), past(0)) == ["none"]
    assert words(rule(mode="off"), past(0), active=True) == ["go"]


def test_an_alert_that_gives_no_order_would_have_been_escalated() -> None:
    assert words(rule(), past(0, host="a b")) == ["escalate order"]


def test_each_rule_is_counted() -> None:
    book = Book(ordered([rule(), rule(name="never", match={"host": "x"})]))
    found = replay(book, [past(0), past(1000), past(2000, tags={})])
    assert found.rules == {"never": {}, "redis-process-down": {"go": 2}}
    assert found.unmatched == 1
    assert found.plain()["rules"]["redis-process-down"] == {"go": 2}


ALERTS = st.lists(
    st.tuples(st.integers(0, 4000), st.none() | st.integers(1, 2000), st.integers(1, 4)), min_size=1, max_size=25
)
GUARDS = st.fixed_dictionaries(
    {},
    optional={
        "cooldown": st.sampled_from(["0s", "1m", "10m"]),
        "budget": st.sampled_from([1, "50%"]),
        "tries": st.sampled_from([{"most": 1, "within": "1h"}, {"most": 3, "within": "10m"}]),
        "max_concurrent": st.integers(1, 3),
    },
)


@settings(max_examples=60, deadline=None)
@given(ALERTS, GUARDS, st.sampled_from(["0s", "30s"]))
def test_every_alert_has_one_outcome_and_no_host_is_mended_twice_at_once(alerts: Any, guards: Any, lasts: str) -> None:
    healing = rule(match={"host": "*", "for": lasts}, guards=guards)
    made = [past(seconds, lasted, host=f"cache-{host}") for seconds, lasted, host in alerts]
    found = replay(Book((healing,)), made).outcomes
    assert sorted(outcome.alert.id for outcome in found) == sorted(one.id for one in made)
    went = sorted((outcome.time, outcome.alert.host) for outcome in found if outcome.word == "go" and outcome.time)
    for host in {host for _time, host in went}:
        times = [time for time, other in went if other == host]
        assert all((later - sooner).total_seconds() >= 30 for sooner, later in pairwise(times))
    most = healing.guards.max_concurrent
    for time, _host in went:
        assert sum(0 <= (time - other).total_seconds() < 30 for other, _of in went) <= most
