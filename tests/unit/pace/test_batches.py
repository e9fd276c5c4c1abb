"""Batches as written, and what they come to."""

from __future__ import annotations

import pytest
from ansible.utils.helpers import pct_to_int
from hypothesis import given
from hypothesis import strategies as st

from opsctl.pace.batches import Unusable, serial, sizes, terms

NUMBERS = st.integers(1, 300).map(str)
PERCENTS = st.integers(1, 100).map(lambda n: f"{n}%")
PARTS = st.lists(NUMBERS | PERCENTS | st.just("rest"), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("", 7, [7]),
        ("1,10%,rest", 100, [1, 10, 89]),
        ("1,10%,rest", 5, [1, 1, 3]),
        ("1, 2", 6, [1, 2, 2, 1]),
        ("25%", 10, [2, 2, 2, 2, 2]),
        ("100%", 3, [3]),
        ("5,rest", 3, [3]),
        ("1", 0, []),
    ],
)
def test_sizes(text: str, count: int, expected: list[int]) -> None:
    assert sizes(terms(text), count) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [("0", "0"), ("1,,2", ""), ("101%", "101%"), ("0%", "0%"), ("-1", "-1"), ("1;2", "1;2"), ("1.5", "1.5"), (",", "")],
)
def test_what_cannot_be_used_is_named(text: str, part: str) -> None:
    with pytest.raises(Unusable, match=f"'{text}': '{part}' is no number"):
        terms(text)


def test_nothing_follows_the_rest() -> None:
    with pytest.raises(Unusable, match="nothing can follow it"):
        terms("rest,1")


@given(st.lists(NUMBERS | PERCENTS, max_size=5), st.booleans(), st.integers(0, 500))
def test_batches_take_every_host_once(parts: list[str], rest: bool, count: int) -> None:
    found = sizes([*parts, *["rest"] * rest], count)
    assert sum(found) == count
    assert all(size > 0 for size in found)


@given(st.integers(1, 100), st.integers(1, 1000))
def test_percentages_come_to_what_ansible_makes_of_them(percent: int, count: int) -> None:
    assert sizes([f"{percent}%"], count)[0] == pct_to_int(f"{percent}%", count)


@pytest.mark.parametrize(
    ("ours", "own", "count", "expected"),
    [
        ("1,10%,rest", [], 0, [1, "10%", "100%"]),
        ("", [3], 0, [3]),
        ("5", [3], 0, [3]),
        ("2", [3], 0, [2]),
        ("1,rest", ["50%"], 0, [1, "50%"]),
        ("10%", ["50%", "5%"], 0, ["10%", "5%"]),
        ("10%", [2], 10, ["10%"]),
        ("10%", [2], 100, [2]),
        # How many hosts there will be is not known: one host is the fewest, for the rest its author knows better.
        ("1", ["10%"], 0, [1]),
        ("10%", [1], 0, [1]),
        ("10%", [2], 0, [2]),
        ("1", ["{{ size }}"], 0, []),
        ("3", [0], 0, [3]),
    ],
)
def test_the_smaller_of_ours_and_a_plays_own(
    ours: str, own: list[object], count: int, expected: list[int | str]
) -> None:
    assert serial(terms(ours), own, count) == expected


@given(PARTS, PARTS, st.integers(1, 200))
def test_no_batch_is_larger_than_either_wants(ours: list[str], own: list[str], count: int) -> None:
    own = [part for part in own if part != "rest"] or ["1"]
    found = [pct_to_int(part, count) for part in serial(ours, own, count)]
    for position, size in enumerate(found):
        mine = sizes([ours[min(position, len(ours) - 1)]], count)[0]
        theirs = pct_to_int(own[min(position, len(own) - 1)], count)
        assert min(size, count) <= min(mine, theirs)
