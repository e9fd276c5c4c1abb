# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The 16384 hash slots of a cluster: numbers to text and back, and a key for each."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from functools import lru_cache

SLOTS = 16384


def slot_of(key: str) -> int:
    """The slot of a key: CRC16 (XMODEM) of its first non-empty ``{tag}``, or of the whole key.

    Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
    """
    _before, brace, rest = key.partition("{")
    tag, end, _after = rest.partition("}")
    return binascii.crc_hqx((tag if brace and end and tag else key).encode(), 0) % SLOTS


@lru_cache(maxsize=1)
def tags() -> tuple[str, ...]:
    """One short tag for each slot: ``slot_of("{" + tags()[n] + "}") == n``. Takes 0.1 s once."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < SLOTS:
        text = f"{number:x}"
        found.setdefault(binascii.crc_hqx(text.encode(), 0) % SLOTS, text)
        number += 1
    return tuple(found[slot] for slot in range(SLOTS))


def to_text(slots: Iterable[int]) -> str:
    """``{0, 1, 2, 7}`` as ``"0-2 7"``; nothing as ``""``."""
    return " ".join(f"{first}-{last}" if last > first else str(first) for first, last in _runs(slots))


def from_text(text: str) -> frozenset[int]:
    """``"0-2 7"`` as ``{0, 1, 2, 7}``."""
    slots: set[int] = set()
    for part in text.split():
        first, _dash, last = part.partition("-")
        slots.update(range(int(first), int(last or first) + 1))
    return frozenset(slots)


def share(count: int) -> list[frozenset[int]]:
    """All slots in ``count`` equal runs, cut where ``redis-cli --cluster create`` cuts them."""
    edges = [round(SLOTS / count * index) for index in range(count + 1)]
    pairs = ((edges[index], edges[index + 1]) for index in range(count))
    return [frozenset(range(first, last)) for first, last in pairs]


def _runs(slots: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for slot in sorted(slots):
        if last is not None and first is not None and slot == last + 1:
            last = slot
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = slot
    if first is not None and last is not None:
        yield first, last
