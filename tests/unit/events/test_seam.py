"""Redaction over pieces: a secret on a cut is masked, what is no secret comes through as it was."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsctl.events.redact import Redactor
from opsctl.events.seam import Seam

# Few letters, so that beginnings of secrets, and secrets in one another, are met often.
WORDS = st.text(alphabet="ab\n", min_size=4, max_size=9)
PIECES = st.lists(st.text(alphabet="ab\n=Y", max_size=12), max_size=12)


def through(secrets: list[str], pieces: list[str]) -> list[str]:
    seam = Seam(Redactor(secrets))
    return [*(seam.take(piece) for piece in pieces), seam.rest()]


@given(secrets=st.lists(WORDS, max_size=3), pieces=PIECES)
@example(secrets=["xyab", "abcd"], pieces=["xyab", "z"])
@example(secrets=["xyab", "abcd"], pieces=["xyab", "cd"])
def test_no_secret_comes_through_wherever_it_is_cut(secrets: list[str], pieces: list[str]) -> None:
    told = "".join(through(secrets, pieces)).replace("******", "\0")
    for form in Redactor(secrets).forms:
        assert form not in told


@given(secrets=st.lists(WORDS, max_size=3), pieces=PIECES)
def test_pieces_are_redacted_as_the_whole_would_be(secrets: list[str], pieces: list[str]) -> None:
    assert "".join(through(secrets, pieces)) == Redactor(secrets).text("".join(pieces))


@given(pieces=st.lists(st.text(max_size=20), max_size=12))
def test_what_is_no_secret_comes_through_as_it_was(pieces: list[str]) -> None:
    assert "".join(through(["Hunter2Hunter2"], pieces)) == "".join(pieces)


def test_what_cannot_be_a_secret_is_not_held_back() -> None:
    # The last word alone: it may go on.
    assert through(["Hunter2Hunter2"], ["line 1\n", "half a line ", "and its", " end\n"])[:4] == [
        "line 1\n",
        "half a line ",
        "and ",
        "its end\n",
    ]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_private_key_nobody_named_is_masked_in_pieces(size: int) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXk\n" * 9 + "-----END OPENSSH PRIVATE KEY-----"
    text = f"before\n{key}\nafter LTAI5tAbCdEfGhIjKlMnOpQr end"
    told = "".join(through([], [text[start : start + size] for start in range(0, len(text), size)]))
    assert told == "before\n******\nafter ****** end"


def test_a_key_that_never_ends_is_told_at_last() -> None:
    pieces = ["-----BEGIN OPENSSH PRIVATE KEY-----\n", *["x" * 999 + "\n"] * 100]
    told = through([], pieces)
    assert "".join(told).endswith("x" * 999 + "\n")
    assert len(told[-1]) < 70_000
