from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.answer import ThrottledError
from opsctl.localcloud.gateway.replay import WINDOW, Nonces

START = datetime(2026, 3, 1, 12, 0, 0, 700_000, tzinfo=UTC)


def test_a_nonce_is_good_once_for_each_key() -> None:
    nonces = Nonces(START)
    nonces.use("ak", "n", START, START)
    nonces.use("other", "n", START, START)
    with pytest.raises(ApiError) as caught:
        nonces.use("ak", "n", START, START)
    assert (caught.value.code, caught.value.status) == ("SignatureNonceUsed", 400)


def test_what_was_signed_before_the_start_is_too_old() -> None:
    nonces = Nonces(START)
    nonces.fresh(START.replace(microsecond=0), START)
    with pytest.raises(ApiError, match="expired"):
        nonces.fresh(START - timedelta(seconds=1), START)


def test_a_full_memory_refuses_instead_of_forgetting_and_empties_with_time() -> None:
    nonces = Nonces(START, limit=3)
    for number in range(3):
        nonces.use("ak", str(number), START, START)
    with pytest.raises(ThrottledError):
        nonces.use("ak", "one more", START, START)
    with pytest.raises(ApiError, match="used already"):
        nonces.use("ak", "0", START, START)
    later = START + WINDOW + timedelta(seconds=1)
    nonces.use("ak", "one more", later, later)
    assert len(nonces) == 1


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(-900, 900), st.integers(0, 600)), max_size=60))
def test_no_call_is_ever_taken_twice(steps: list[tuple[int, int, int]]) -> None:
    nonces, now, taken = Nonces(START - timedelta(days=1)), START, set()
    for nonce, offset, pause in steps:
        now += timedelta(seconds=pause)
        # A replayed call has its old time stamp: the same nonce always comes with the same date.
        date = START + timedelta(seconds=nonce * 60)
        try:
            nonces.fresh(date, now)
            nonces.use("ak", str(nonce), date, now)
            nonces.use("ak", f"noise {offset} {now}", now + timedelta(seconds=offset), now)
        except ApiError:
            continue
        assert nonce not in taken
        taken.add(nonce)


def test_of_many_threads_with_one_nonce_one_wins() -> None:
    nonces, wins = Nonces(START), []
    gate = threading.Barrier(8)

    def attempt() -> None:
        gate.wait()
        for number in range(200):
            try:
                nonces.use("ak", str(number), START, START)
            except ApiError:
                continue
            wins.append(number)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == list(range(200))
