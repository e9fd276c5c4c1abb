"""Queries: what people type is understood, or refused in one line; never an error of the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsctl.errors import UsageError
from opsctl.search.index import Window, passing
from opsctl.search.query import Query, Term, parse, pattern
from opsctl.search.tails import Found, Tail

TYPED = st.text() | st.lists(
    st.sampled_from(
        [
            "OR",
            "or",
            "-",
            '"',
            "*",
            "host:",
            "web1",
            "status:failed",
            '"a b"',
            "x*",
            "(",
            ")",
            "NOT",
            "AND",
            "NEAR",
            "^",
            "'",
        ]
    ),
    max_size=8,
).map(" ".join)


def words(*texts: str) -> Query:
    return Query(tuple((Term(text),) for text in texts))


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("", Query()),
        ("redis  timeout", words("redis", "timeout")),
        ('"connection refused"', words("connection refused")),
        ("10.0.0.1 /etc/redis.conf", words("10.0.0.1", "/etc/redis.conf")),
        ("conn*", Query(((Term("conn", begins=True),),))),
        ('"out of mem"*', Query(((Term("out of mem", begins=True),),))),
        ("a OR b c", Query(((Term("a"), Term("b")), (Term("c"),)))),
        ("a OR b OR c", Query(((Term("a"), Term("b"), Term("c")),))),
        ("this or that", words("this", "or", "that")),
        ("a -b", Query(((Term("a"),),), (Term("b"),))),
        ('-"b c" -host:x', Query((), (Term("b c"), Term("x", "host")))),
        ("host:web* Status:failed", Query(((Term("web*", "host"),), (Term("failed", "status"),)))),
        ('task:"Install redis"', Query(((Term("Install redis", "task"),),))),
        ('host:"my host"', Query(((Term("my host", "host"),),))),
        ("http://web1:80/x", words("http://web1:80/x")),
        ("redis:6379", words("redis:6379")),
        ("2026-11-21T10:00", words("2026-11-21T10:00")),
        ('"host:web1"', words("host:web1")),
    ],
)
def test_what_is_typed_is_understood(typed: str, query: Query) -> None:
    assert parse(typed) == query


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ('"open', 'a quote is not closed in "open'),
        ("OR a", "OR needs something on both sides"),
        ("a OR", "OR needs something on both sides"),
        ("a OR OR b", "OR needs something on both sides"),
        ("a OR -b", "-b cannot follow OR"),
        ("host:", "host: has no value"),
        ("task:", "task: has no value"),
        ("hots:web1", r"unknown field hots \(did you mean host\?\); known: host, task"),
        ("---", "-- has no letter or digit"),
        ('""', "an empty text has no letter or digit"),
        ("*", r"\* has no letter or digit"),
        ("a\0b", "NUL"),
    ],
)
def test_what_cannot_be_looked_for_is_said_in_one_line(typed: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"Cannot search: .*{says}"):
        parse(typed)


@given(typed=TYPED, said=st.text())
@example(typed="NOT", said="not")
@example(typed="a NEAR b", said="a near b")
@example(typed="\U00020000", said="\U00020000")
@example(typed="\ud800x", said="\ud800")
def test_no_query_makes_the_index_fail(typed: str, said: str) -> None:
    try:
        query = parse(typed)
    except UsageError:
        return
    with passing() as index:
        record = {"seq": 1, "event": "host_ok", "host": "web1", "task": "T", "stdout": said}
        index.add([Found(1, "r", 0, 10, record, Tail("r", Path()))], {})
        index.find(query, Window(), 10)
    pattern(query.words)


@given(said=st.text(alphabet="ab\u00e4\u8d85\u65f6 ._-", min_size=1), begin=st.integers(0, 20), size=st.integers(1, 8))
def test_what_was_said_is_found_by_any_run_of_its_words(said: str, begin: int, size: int) -> None:
    tokens = re.findall(r"[\u8d85\u65f6]|[ab\u00e4]+", said)[begin : begin + size]
    if not tokens:
        return
    query = parse(f'"{" ".join(tokens)}"')
    with passing() as index:
        index.add([Found(1, "r", 0, 10, {"seq": 1, "event": "text", "stdout": said}, Tail("r", Path()))], {})
        assert index.find(query, Window(), 10)
    looked = pattern(query.words)
    assert looked is not None
    assert looked.search(said)


def test_fields_of_options_narrow_the_query_down() -> None:
    asked = parse("a").narrowed("host", ["x", "y"]).narrowed("status", [])
    assert asked == Query(((Term("a"),), (Term("x", "host"), Term("y", "host"))))
