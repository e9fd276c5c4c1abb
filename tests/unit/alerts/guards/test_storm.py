"""A storm begins when too many alerts come, ends when it has been calm, and costs no memory."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.alerts.guards.config import Storm
from opsctl.alerts.guards.storm import Storms
from tests.unit.alerts.rules.make import NOW

BOUNDS = Storm(alerts=10, within="10s", calm="20s")


def test_few_alerts_are_no_storm() -> None:
    storms = Storms(BOUNDS).heard(NOW, 10)
    assert storms.storm(NOW) is None
    assert storms.heard(NOW + timedelta(seconds=10), 10).storm(NOW + timedelta(seconds=10)) is None


def test_many_are_one_until_it_has_been_calm() -> None:
    storms = Storms(BOUNDS).heard(NOW, 11)
    assert storms.storm(NOW) == NOW + timedelta(seconds=30)
    assert storms.storm(NOW + timedelta(seconds=29)) is not None
    assert storms.storm(NOW + timedelta(seconds=30)) is None


def test_a_storm_goes_on_while_alerts_come() -> None:
    storms = Storms(BOUNDS)
    for second in range(100):
        storms = storms.heard(NOW + timedelta(seconds=second), 2)
    assert storms.storm(NOW + timedelta(seconds=99)) == NOW + timedelta(seconds=99 - 5 + 30)


def test_memory_does_not_grow_with_alerts() -> None:
    storms = Storms(BOUNDS)
    for number in range(5000):
        storms = storms.heard(NOW + timedelta(milliseconds=10 * number))
    assert len(storms.buckets) == BOUNDS.within


def test_a_clock_that_goes_back_counts_on() -> None:
    storms = Storms(BOUNDS).heard(NOW, 6).heard(NOW - timedelta(hours=1), 5)
    assert storms.storm(NOW) is not None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(1, 8)), max_size=60))
def test_it_is_a_storm_exactly_when_too_many_came_within_the_time_or_the_calm_before(
    steps: list[tuple[int, int]],
) -> None:
    storms = Storms(BOUNDS)
    heard: list[int] = []
    second = 0
    for step, number in steps:
        second += step
        heard += [second] * number
        storms = storms.heard(NOW + timedelta(seconds=second), number)
        assert len(storms.buckets) <= BOUNDS.within
        # Asked of every second since: were there too many at once, no longer ago than calm lasts?
        many = [at for at in range(second + 1) if sum(at - BOUNDS.within < one <= at for one in heard) > BOUNDS.alerts]
        expected = bool(many) and second - max(many) <= BOUNDS.calm
        assert (storms.storm(NOW + timedelta(seconds=second)) is not None) == expected
