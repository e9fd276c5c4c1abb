"""Only who knows the secret is heard, and each of his messages once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.receiver.proof import WINDOW, Memory, Refusal, bearer, signed

from .senders import SECRET
from .senders import signed as sign

NOW = 1_795_262_400.0


def headers(body: bytes, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    return {name.lower(): value for name, value in sign(body, secret, at).items()}


def refused(given: dict[str, str], body: bytes, now: float = NOW) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        signed(given, body, SECRET, now)
    return refusal.value


@given(st.binary(), st.integers(-WINDOW, WINDOW))
def test_a_signed_message_is_heard_within_its_window(body: bytes, late: int) -> None:
    assert signed(headers(body), body, SECRET, NOW + late) == signed(headers(body), body, SECRET, NOW)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_another_body_is_not(body: bytes, other: bytes) -> None:
    if body != other:
        assert refused(headers(body), other).status == 403


@pytest.mark.parametrize("late", [WINDOW + 1, -WINDOW - 1, 10 * WINDOW])
def test_an_old_message_is_not_heard(late: float) -> None:
    refusal = refused(headers(b"x"), b"x", NOW + late)
    assert refusal.status == 403
    assert "are both clocks right" in str(refusal)


def test_another_secret_is_not_heard() -> None:
    assert refused(headers(b"x", secret="the secret of somebody else"), b"x").status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"x-opsctl-signature": ""},
        {"x-opsctl-timestamp": ""},
        {"x-opsctl-timestamp": "now"},
        {"x-opsctl-timestamp": "²"},
        {"x-opsctl-timestamp": "1" * 5000},
    ],
)
def test_an_unsigned_message_is_not_heard(change: dict[str, str]) -> None:
    assert refused({**headers(b"x"), **change}, b"x").status == 401


def test_a_changed_time_is_not_heard() -> None:
    assert refused({**headers(b"x"), "x-opsctl-timestamp": str(int(NOW) + 1)}, b"x").status == 403


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"authorization": "Basic eHg6eHg="}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer another secret"}, 403),
        ({"authorization": f"Bearer {SECRET}\udc80"}, 403),
    ],
)
def test_who_does_not_bear_the_secret_is_not_heard(given: dict[str, str], status: int) -> None:
    with pytest.raises(Refusal) as refusal:
        bearer(given, SECRET)
    assert refusal.value.status == status


def test_who_bears_the_secret_is_heard() -> None:
    bearer({"authorization": f"bearer {SECRET}"}, SECRET)


def test_a_message_is_taken_once() -> None:
    memory = Memory({})
    memory.take("a", NOW)
    memory.take("b", NOW)
    with pytest.raises(Refusal, match="came before"):
        memory.take("a", NOW + 2 * WINDOW)


def test_a_message_that_was_not_stored_can_come_again() -> None:
    memory = Memory({})
    memory.take("a", NOW)
    memory.forget("a")
    memory.take("a", NOW)


def test_memories_last_as_long_as_a_signature_and_no_longer() -> None:
    memory = Memory({"kept": int(NOW) + 10})
    with pytest.raises(Refusal, match="came before"):
        memory.take("kept", NOW)
    until = memory.take("mine", NOW)
    assert until > NOW + 2 * WINDOW
    memory.take("mine", until + WINDOW)
