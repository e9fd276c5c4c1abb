"""The state of a run over its hosts, driven by arbitrary stories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.pace.batches import Unusable, sizes
from opsctl.pace.machine import Began, Done, Hold, Machine, Over, Start
from opsctl.pace.rate import Rate

BATCHES = st.sampled_from(["", "1", "1,rest", "1,10%,rest", "2,3", "30%", "7,1"])
LIMITS = st.sampled_from(["", "0", "1", "3", "10%", "50%", "100%"])
RATES = st.builds(Rate, batches=BATCHES, pause=st.sampled_from(["first", "every", "never"]), max_errors=LIMITS)


def names(count: int) -> list[str]:
    return [f"web{n}" for n in range(count)]


class Story:
    """Lets a machine run on drawn events until it is over; keeps all steps."""

    def __init__(self, data: st.DataObject, rate: Rate, count: int, forks: int) -> None:
        self.data, self.rate, self.count, self.forks = data, rate, count, forks
        self.machine = Machine(names(count), rate, forks)
        self.steps: list[Any] = []
        self.failed = 0
        self.failed_at_start: list[int] = []

    def tell(self, *, people: bool = False) -> Over:
        held_by_hand = False
        for _ in range(10_000):
            for step in self.machine.advance():
                self.steps.append(step)
                if isinstance(step, Start):
                    assert not held_by_hand
                    assert len(self.machine.running) <= self.forks
                    self.failed_at_start.append(self.failed)
                if isinstance(step, Over):
                    assert self.machine.advance() == []
                    return step
            assert self.machine.advance() == []
            choices = [*["end"] * bool(self.machine.running), *["go"] * self.machine.held]
            choices += ["hold", "stop", "matched"] if people else []
            action = self.data.draw(st.sampled_from(choices), label="what happens")
            if action == "end":
                host = self.data.draw(st.sampled_from(sorted(self.machine.running)))
                bad = self.data.draw(st.booleans())
                self.failed += bad
                self.machine.ended(host, failed=bad)
            elif action == "go":
                held_by_hand = False
                self.machine.go()
            elif action == "hold":
                held_by_hand = True
                self.machine.hold()
            elif action == "stop":
                self.machine.stop()
            else:
                self.machine.matched()
        raise AssertionError("never over")


@settings(max_examples=50)
@given(st.data(), RATES, st.integers(0, 25), st.integers(1, 8), st.booleans())
def test_every_host_begins_once_or_is_left_and_the_end_is_told(
    data: st.DataObject, rate: Rate, count: int, forks: int, people: bool
) -> None:
    story = Story(data, rate, count, forks)
    over = story.tell(people=people)
    begun = [step.host for step in story.steps if isinstance(step, Start)]
    assert [*begun, *over.left] == names(count)
    assert over.errors == story.failed
    assert not story.machine.running
    assert bool(over.left) == bool(over.why)


@settings(max_examples=50)
@given(st.data(), RATES, st.integers(1, 25), st.integers(1, 8))
def test_without_a_limit_a_batch_that_failed_as_a_whole_is_the_last(
    data: st.DataObject, rate: Rate, count: int, forks: int
) -> None:
    story = Story(data, replace(rate, max_errors=""), count, forks)
    over = story.tell()
    errors = [0, *(step.errors for step in story.steps if isinstance(step, Done))]
    whole = [b - a == size for a, b, size in zip(errors, errors[1:], sizes(rate.terms, count), strict=False)]
    assert not any(whole[:-1])
    assert (over.why == "batch") == (whole[-1] and bool(over.left))


@settings(max_examples=50)
@given(st.data(), RATES, st.integers(1, 25), st.integers(1, 8))
def test_no_host_begins_after_too_many_errors(data: st.DataObject, rate: Rate, count: int, forks: int) -> None:
    story = Story(data, rate, count, forks)
    over = story.tell()
    allowed = rate.allowed(count)
    if allowed is not None:
        assert all(errors <= allowed for errors in story.failed_at_start)
        assert (over.why == "errors") == (story.failed > allowed and bool(over.left))
    else:
        assert over.why in ("", "batch")


@settings(max_examples=50)
@given(st.data(), RATES, st.integers(1, 25), st.integers(1, 8))
def test_batches_follow_each_other_and_do_not_overlap(data: st.DataObject, rate: Rate, count: int, forks: int) -> None:
    story = Story(data, rate, count, forks)
    story.tell()
    expected = sizes(rate.terms, count)
    running: set[str] = set()
    batch = 0
    for step in story.steps:
        if isinstance(step, Began):
            assert not running
            batch += 1
            assert (step.batch, step.of, len(step.hosts)) == (batch, len(expected), expected[batch - 1])
            running = set(step.hosts)
        elif isinstance(step, Start):
            assert step.host in running
        elif isinstance(step, Done):
            assert step.batch == batch
            running = set()


@settings(max_examples=50)
@given(st.data(), RATES, st.integers(1, 25), st.integers(1, 8))
def test_a_person_is_asked_where_the_policy_says_so(data: st.DataObject, rate: Rate, count: int, forks: int) -> None:
    story = Story(data, rate, count, forks)
    story.tell()
    begun = max(step.batch for step in story.steps if isinstance(step, Began))
    asked = [step.batch for step in story.steps if isinstance(step, Hold)]
    between = range(1, begun) if rate.pause == "every" else [1] if rate.pause == "first" and begun > 1 else []
    assert asked == list(between)


@given(st.integers(1, 30), st.integers(1, 30))
def test_as_many_hosts_as_may_are_at_work(count: int, forks: int) -> None:
    machine = Machine(names(count), Rate(), forks)
    machine.advance()
    assert len(machine.running) == min(count, forks)
    machine.ended("web0", failed=False)
    machine.advance()
    assert len(machine.running) == min(count - 1, forks)


def test_what_runs_may_end_while_it_is_held() -> None:
    machine = Machine(names(3), Rate(), 1)
    machine.advance()
    machine.hold()
    machine.ended("web0", failed=False)
    assert machine.advance() == []
    assert machine.left == ("web1", "web2")
    machine.go()
    assert machine.advance() == [Start("web1")]


def test_a_percentage_is_of_all_hosts_not_of_the_batch() -> None:
    machine = Machine(names(20), Rate(batches="2,rest", max_errors="10%"), 20)
    machine.advance()
    for host in ("web0", "web1"):
        machine.ended(host, failed=True)
    assert isinstance(machine.advance()[0], Done)
    machine.ended("web2", failed=True)
    machine.hold()
    assert machine.advance() == []
    for host in sorted(machine.running):
        machine.ended(host, failed=False)
    over = machine.advance()[-1]
    assert over == Over("", 3, ())


def test_a_host_that_does_not_run_cannot_end() -> None:
    with pytest.raises(ValueError, match="web0 does not run"):
        Machine(names(1), Rate(), 1).ended("web0", failed=False)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"batches": "1,x"}, "'1,x': 'x' is no number"),
        ({"pause": "sometimes"}, "'sometimes': give first, every or never"),
        ({"max_errors": "200%"}, "'200%' is no number of hosts and no percentage up to 100%"),
        ({"max_errors": "-1"}, "'-1' is no number"),
        ({"stop_match": "("}, r"'\(' is no regular expression"),
    ],
)
def test_a_rate_that_cannot_be_is_told(values: dict[str, Any], text: str) -> None:
    with pytest.raises(Unusable, match=text):
        Rate(**values)


@given(RATES)
def test_a_rate_survives_being_written_down(rate: Rate) -> None:
    assert Rate.from_plain(rate.plain()) == rate
    assert Rate().plain() == {}
