from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import (
    SLOTS,
    from_text,
    share,
    slot_of,
    tags,
    to_text,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("key", "slot"),
    # As `redis-cli cluster keyslot` says.
    [("foo", 12182), ("123456789", 12739), ("{user1000}.following", 3443), ("user1000", 3443), ("foo{}{bar}", 8363)],
)
def test_a_key_is_in_the_slot_redis_says(key: str, slot: int) -> None:
    assert slot_of(key) == slot


def test_there_is_a_tag_for_every_slot() -> None:
    assert [slot_of(f"any:{{{tag}}}") for tag in tags()] == list(range(SLOTS))


@given(st.frozensets(st.integers(0, SLOTS - 1), max_size=200))
def test_text_of_slots_is_read_back(slots: frozenset[int]) -> None:
    assert from_text(to_text(slots)) == slots


@given(st.integers(1, 500))
def test_shares_are_all_slots_once_and_nearly_equal(count: int) -> None:
    shares = share(count)
    assert sorted(slot for part in shares for slot in part) == list(range(SLOTS))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_three_masters_get_what_redis_cli_gives_them() -> None:
    assert [to_text(part) for part in share(3)] == ["0-5460", "5461-10922", "10923-16383"]
