"""What the parts of a rule are written in: patterns and severities, and what units has."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from opsctl.alerts.alert import SEVERITIES, Severity
from opsctl.alerts.rules.units import TEXTS, Seconds, Share, Texts, allowed
from opsctl.errors import suggest
from opsctl.policy.part import Part, many

__all__ = ["Level", "Names", "Part", "Pattern", "Seconds", "Share", "Texts", "allowed", "fits", "severe"]

_BOUND = re.compile(r"(>=|<=|)\s*([a-z_]+)")


def _between(text: str) -> str:
    """The regular expression of `/expression/`; empty for any other text: `/` and `/var` are names."""
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "/" else ""


def _pattern(text: str) -> str:
    if not text:
        raise ValueError('an empty pattern fits nothing; "*" fits everything')
    if expression := _between(text):
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(f'"{text}" is no regular expression: {error}') from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Names = Annotated[tuple[Pattern, ...], BeforeValidator(many), WithJsonSchema(TEXTS)]
"""Names with `*`, `?` and `[abc]`, or regular expressions between slashes; one of them must fit."""


@lru_cache(maxsize=1024)
def _expression(text: str) -> re.Pattern[str]:
    return re.compile(text)


def fits(patterns: tuple[str, ...], text: str) -> bool:
    """Whether one of the patterns fits; a regular expression fits where it is found in the text."""
    return any(
        _expression(expression).search(text) is not None
        if (expression := _between(pattern))
        else fnmatchcase(text, pattern)
        for pattern in patterns
    )


def _bound(text: str) -> str:
    found = _BOUND.fullmatch(text)
    if not found or found[2] not in SEVERITIES:
        word = found[2] if found else text
        raise ValueError(
            f'want a severity as ">=average" or "high", not "{text}"{suggest(word, SEVERITIES)}; '
            f"known: {', '.join(SEVERITIES)}"
        )
    return text


Level = Annotated[
    tuple[Annotated[str, AfterValidator(_bound)], ...],
    BeforeValidator(many),
    WithJsonSchema({**TEXTS, "examples": [">=average", ["high", "disaster"]]}),
]
"""`>=average`, `<=warning`, or names of severities."""


def severe(bounds: tuple[str, ...], severity: Severity) -> bool:
    """Whether a severity is within one of the bounds."""
    rank = SEVERITIES.index(severity)
    for text in bounds:
        found = _BOUND.fullmatch(text)
        assert found is not None  # noqa: S101 - checked when it was read
        other = SEVERITIES.index(found[2])
        if rank == other or (found[1] == ">=" and rank > other) or (found[1] == "<=" and rank < other):
            return True
    return False
