"""Whole matches of strangers' patterns: the same answers as ``re``, but always an answer."""

from __future__ import annotations

import contextlib
import re
import time
import warnings

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from opsctl.localcloud.ros.patterns import PatternError, matches

PLAIN = ["a", "b", "A", "é", "中", ".", r"\d", r"\w", r"\W", r"\s", r"\S"]
SETS = ["[ab]", "[^a]", "[a-c0-9_]", r"[\w.-]", r"[^\d\s]"]
PLACES = ["^", "$", r"\b", r"\B", r"\A", r"\Z", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "(?i:a)"]
ATOMS = st.sampled_from([*PLAIN, *SETS, *PLACES])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map("|".join).map("({})".format)
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=6,
)


@given(PATTERNS, st.text("abcAB1_ \né中.-", max_size=6), st.sampled_from(["", "(?i)", "(?s)", "(?m)", "(?a)", "(?x)"]))
@settings(max_examples=500, deadline=None)
@example(r"(?:^a$)+", "a\n", "(?m)")
@example("$", "\n", "")
def test_the_answer_is_that_of_the_standard_library(pattern: str, text: str, flags: str) -> None:
    assume(text or r"\B" not in pattern)  # there versions of Python differ
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = re.fullmatch(flags + pattern, text)
    assert matches(flags + pattern, text) == (expected is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a|aa)+c?", "a" * 60 + "!"),
        ("(a+)+", "a" * 60 + "!"),
        ("(.*a){20}b", "a" * 2000),
        ("((a{1000}){1000}){1000}", "a" * 2000),
        ("(?:(?:(?:a?){60000}){60000}){60000}", "a" * 2000),
        ("(?:" * 80 + "a" + ")*" * 80, "a" * 2000),
        ("(?=.*x)" * 200, "a" * 2000),
        (".*" * 500, "a" * 4000),
    ],
)
def test_hostile_patterns_end_soon(pattern: str, text: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(PatternError):
        matches(pattern, text)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "no regular expression"),
        ("(" * 5000, "no regular expression"),
        ("a" * 40_000, "40000 characters"),
        (r"(a)\1", "uses groupref"),
        ("(?<=a*)b", "looks behind"),
    ],
)
def test_what_cannot_be_used_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(PatternError, match=words):
        matches(pattern, "aab")
