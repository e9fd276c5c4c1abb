"""Results as people read them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from opsctl.runs import result


def drawn(value: Any, monkeypatch: pytest.MonkeyPatch, width: int = 100) -> str:
    out = Console(file=io.StringIO(), width=width)
    monkeypatch.setattr(result, "stdout", lambda: out)
    out.print(result.drawn(value))
    return str(out.file.getvalue())  # type: ignore[attr-defined]


def test_records_become_a_table_and_what_is_equal_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"name": "a", "role": "master", "version": "7"}, {"name": "b", "role": "replica", "version": "7"}]
    text = drawn({"nodes": nodes, "healthy": True}, monkeypatch)
    assert "NAME  ROLE" in text
    assert text.count("version") == 1
    assert "healthy  yes" in text


def test_columns_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "a", "long": "x" * 60}, {"name": "b", "long": "y" * 60}]
    text = drawn({"rows": rows}, monkeypatch, width=40)
    assert "x" not in text
    assert "with -o json also: long" in text


def test_values_of_any_shape_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn({"empty": [], "none": None, "names": ["a", "b"], "inner": {"x": 1, "y": [2]}}, monkeypatch)
    assert "a, b" in text
    assert "x 1  y 2" in text
    assert drawn("plain", monkeypatch) == "plain\n"
