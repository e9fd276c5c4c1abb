"""Paths into JSON documents: what is written is found, what is not there is None, what is wrong is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.sources.path import Path, parse, written

steps = st.lists(st.text(max_size=6) | st.integers(-99, 99), min_size=1, max_size=6).map(tuple)
documents = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)

DOCUMENT = {"labels": {"host": "web-1", "a.b": 7}, "alerts": [{"name": "first"}, {"name": "last"}], "@type": "x"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("labels.host", "web-1"),
        ('labels["a.b"]', 7),
        ("alerts[0].name", "first"),
        ("alerts[-1].name", "last"),
        ("alerts[2].name", None),
        ("alerts.name", None),
        ("labels.host.deeper", None),
        ("labels[0]", None),
        ("@type", "x"),
        ('["labels"].host', "web-1"),
    ],
)
def test_paths_find_what_is_there(path: str, found: Any) -> None:
    assert parse(path).get(DOCUMENT) == found


@pytest.mark.parametrize("path", ["", ".a", "a..b", "a[", "a[x]", "a b", 'a["\\x"]', "a" * 201, "a[0]b"])
def test_what_is_no_path_is_told(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse(path)


@given(steps)
def test_what_is_written_is_read_as_it_was(found: tuple[str | int, ...]) -> None:
    text = written(Path(found))
    if len(text) <= 200:
        assert parse(text).steps == found


@given(steps, documents)
def test_no_document_is_too_odd(found: tuple[str | int, ...], document: Any) -> None:
    Path(found).get(document)


@given(st.text(max_size=30))
def test_no_text_is_too_odd(text: str) -> None:
    try:
        steps = parse(text).steps
    except ValueError:
        return
    assert parse(written(Path(steps))).steps == steps
