"""Rules as people and programs see them. Pure."""

from __future__ import annotations

from typing import Any

from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.match import told
from opsctl.alerts.rules.rule import Rule


def listed(book: Book) -> list[dict[str, Any]]:
    """All rules in the order they are tried, each in short."""
    return [short(book, rule) for rule in book.rules]


def short(book: Book, rule: Rule) -> dict[str, Any]:
    """A rule in short."""
    origin = book.origin(rule.name)
    return {
        "name": rule.name,
        "mode": rule.mode,
        "priority": rule.priority,
        "for": told(rule.match),
        "does": rule.do.text,
        "shipped": origin.shipped,
        "replaces": origin.replaces or None,
        "path": origin.path,
        "line": origin.line,
        "version": rule.version,
    }


def whole(book: Book, rule: Rule) -> dict[str, Any]:
    """A rule as it could be written, with its defaults, and where it stands."""
    origin = book.origin(rule.name)
    return {
        # No limit is said, not left out: that would mean the alert's host.
        "rule": {**_filled(rule.model_dump(mode="json", by_alias=True)), "limit": list(rule.limit)},
        "enabled": origin.enabled,
        **{name: value for name, value in short(book, rule).items() if name in _PLACE},
    }


_PLACE = ("shipped", "replaces", "path", "line", "version")


def _filled(value: Any) -> Any:
    """Without what says nothing."""
    if isinstance(value, dict):
        filled = {name: _filled(item) for name, item in value.items()}
        return {name: item for name, item in filled.items() if item not in (None, "", [], {})}
    return [_filled(item) for item in value] if isinstance(value, list) else value
