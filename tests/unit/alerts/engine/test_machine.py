"""The states of a remediation: what may follow what, and that each has a way to an end."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.machine import ACTED, BUSY, ENDS, MOVES, Event, Impossible, State, after_failure, moved

STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[Event, ...] = get_args(Event)


def reachable(start: State, *, without: frozenset[State] = frozenset()) -> set[State]:
    found, todo = {start}, [start]
    while todo:
        for after in MOVES[todo.pop()].values():
            if after not in found and after not in without:
                found.add(after)
                todo.append(after)
    return found


def test_every_state_is_known_and_can_be_reached() -> None:
    assert set(MOVES) == set(STATES) == reachable("matched")
    assert {event for moves in MOVES.values() for event in moves} == set(EVENTS)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_way_to_an_end(state: State) -> None:
    assert reachable(state) & ENDS


def test_the_ends_are_five() -> None:
    assert {"closed", "shadowed", "suppressed", "escalated", "retrying"} == ENDS


def test_nothing_is_healed_that_was_not_verified() -> None:
    assert "healed" not in reachable("matched", without=frozenset({"verifying"}))


def test_nothing_runs_that_had_no_place_to_start_from() -> None:
    assert "running" not in reachable("matched", without=frozenset({"starting"}))


def test_a_failure_is_never_silent() -> None:
    assert set(MOVES["failed"].values()) == {"retrying", "undoing", "escalated"}
    assert set(MOVES["undoing"].values()) == {"escalated"}


def test_what_changes_hosts_counts_as_acted() -> None:
    assert BUSY < ACTED


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_any_story_moves_only_as_the_table_says(events: list[Event]) -> None:
    state: State = "matched"
    for event in events:
        if event not in MOVES[state]:
            with pytest.raises(Impossible, match=state):
                moved(state, event)
            continue
        assert state not in ENDS
        state = moved(state, event)


@given(
    st.integers(1, 20),
    st.integers(0, 10),
    st.integers(-1, 10),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_failure_is_followed_by_what_the_rule_allows(  # noqa: PLR0917
    attempt: int, retries: int, tries: int, undo: bool, hopeless: bool, gone: bool
) -> None:
    after = after_failure(attempt, retries, tries, undo=undo, hopeless=hopeless, gone=gone)
    if after == "again":
        assert attempt <= retries
        assert tries > 0
        assert not hopeless
        assert not gone
    if after == "undo":
        assert undo
        assert not gone
    if hopeless:
        assert after == "escalate"


def test_tries_end() -> None:
    attempt = 1
    while after_failure(attempt, 3, 99, undo=False, hopeless=False, gone=False) == "again":
        attempt += 1
    assert attempt == 4
