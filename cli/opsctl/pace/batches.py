"""Batches as they are written, `1,10%,rest`, and what they come to for a number of hosts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

REST = "rest"
_TERM = re.compile(r"(?P<number>[1-9]\d{0,5})(?P<percent>%?)")

Terms = tuple[str, ...]


class Unusable(ValueError):
    """What was written cannot be used; the text says what and why."""


def terms(text: str) -> Terms:
    """`1,10%,rest` taken apart; empty = all hosts are one batch.

    Raises:
        Unusable: with the part that cannot be used.
    """
    parts = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    for position, part in enumerate(parts):
        if part == REST:
            if position != len(parts) - 1:
                raise Unusable(f"'{text}': 'rest' is all that is left, so nothing can follow it")
        elif not (found := _TERM.fullmatch(part)) or (found["percent"] and int(found["number"]) > 100):
            raise Unusable(f"'{text}': '{part}' is no number of hosts, no percentage from 1% to 100% and not 'rest'")
    return parts


def sizes(parts: Sequence[str], count: int) -> list[int]:
    """How many hosts each batch has; the last part is repeated while hosts are left.

    Percentages are of all hosts, rounded down, and at least one host: as Ansible's `serial`.
    """
    found: list[int] = []
    left = count
    while left > 0:
        part = parts[min(len(found), len(parts) - 1)] if parts else REST
        found.append(min(left, size(part, count)))
        left -= found[-1]
    return found


def size(part: str, count: int) -> int:
    """What one part comes to."""
    if part == REST:
        return count
    # In floating point, as Ansible does it: 58% of 50 hosts are 28 there.
    return int(int(part[:-1]) / 100 * count) or 1 if part.endswith("%") else int(part)


def serial(parts: Sequence[str], own: Sequence[object], count: int = 0) -> list[int | str]:
    """What a play's `serial` becomes: ours, or its own where that is smaller, batch by batch.

    `count`: its hosts, 0 when they are not known yet. Then a number and a percentage cannot be compared, and its author
    knows better; so does he where his is a template.
    """
    mine: list[int | str] = [_plain(part) for part in parts]
    theirs = [_read(value) for value in own]
    if not mine or not theirs:
        return mine or [value for value in theirs if value is not None]
    if None in theirs:
        return []
    longest = max(len(mine), len(theirs))
    pairs = [(mine[min(n, len(mine) - 1)], theirs[min(n, len(theirs) - 1)]) for n in range(longest)]
    return [_smaller(ours, other, count) for ours, other in pairs if other is not None]


def _plain(part: str) -> int | str:
    return "100%" if part == REST else part if part.endswith("%") else int(part)


def _read(value: object) -> int | str | None:
    """A value of `serial`, 100% for all; None when it is a template."""
    text = str(value).strip()
    if re.fullmatch(r"-?\d+", text):
        return int(text) if int(text) > 0 else "100%"
    return text if _TERM.fullmatch(text) else None


def _smaller(ours: int | str, other: int | str, count: int) -> int | str:
    if isinstance(ours, int) == isinstance(other, int):
        return ours if int(str(ours).rstrip("%")) <= int(str(other).rstrip("%")) else other
    if "100%" in (ours, other):
        return ours if other == "100%" else other
    if count:
        return ours if size(str(ours), count) <= size(str(other), count) else other
    return ours if ours == 1 else other
