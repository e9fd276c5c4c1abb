"""Verification of a chain of records: pure, one pass, constant memory.

What a finding says about checkpoints and anchors comes from `proof`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from opsctl.ledger.anchor import Head, Point
from opsctl.ledger.record import GENESIS, Record, digest

_COLUMNS = ("seq", "time", "kind", "run_id")


Chain = Literal["changed", "removed", "moved", "added", "broken", "truncated", "unanchored", "reanchored"]
Signed = Literal["forged", "missing", "differs", "uncovered", "unsigned", "unreadable", "behind"]
What = Chain | Signed

NOTES = ("reanchored", "unsigned", "behind")
"""What one should know, though the ledger can be trusted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong; docs/audit.md says what each kind means."""

    seq: int
    what: What
    text: str

    @property
    def grave(self) -> bool:
        """Whether the ledger cannot be trusted; otherwise it is something to know."""
        return self.what not in NOTES


@dataclass(slots=True)
class _Chain:
    """Where the walk stands: the last number, and the hashes that the next record may name as its predecessor's."""

    seq: int = 0
    hashes: tuple[str, ...] = (GENESIS,)
    anchored: bool = False


def check(records: Iterable[Record], head: Head | None, start: Point | None = None) -> Iterator[Finding]:
    """Every difference between the records, in order of number, and what was once written.

    `start` is the place before the first record, when that is not the first of all.
    """
    start = start or Point()
    chain = _Chain(start.seq, (start.hash,), anchored=head is None or head.head.seq == start.seq)
    for record in records:
        yield from _check_one(chain, record, head)
    if head is None:
        if chain.seq:
            yield Finding(
                chain.seq, "unanchored", "the head pointer is missing: records cut off the end would not be noticed"
            )
        return
    yield from _check_tail(chain, head)


def _check_one(chain: _Chain, record: Record, head: Head | None) -> Iterator[Finding]:
    seq = record.seq
    content = _content(record)
    computed = digest(record.body) if isinstance(record.body, str) else ""
    if head is not None and isinstance(seq, int) and seq > head.last.seq:
        yield Finding(seq, "added", f"record {seq} was added: the head pointer ends at {head.last.seq}")
        chain.seq, chain.hashes = seq, (record.hash, computed)
        return
    yield from _check_place(chain, record, content)
    changed = [name for name in _COLUMNS if content.get(name) != getattr(record, name)]
    if computed != record.hash or content.get("version") != 1:
        yield Finding(seq, "changed", f"record {seq} was changed: its hash does not fit")
    elif changed and content.get("seq") == seq:
        yield Finding(seq, "changed", f"record {seq} was changed: {', '.join(changed)}")
    if head is not None and seq == head.head.seq:
        chain.anchored = True
        if head.head.hash not in (record.hash, computed):
            yield Finding(seq, "changed", f"record {seq} was replaced: the head pointer names another")
    if record.kind == "reanchored":
        yield Finding(seq, "reanchored", f"record {seq} was written when the head pointer was missing or unreadable")
    chain.seq, chain.hashes = seq, (record.hash, computed)


def _check_place(chain: _Chain, record: Record, content: dict[str, Any]) -> Iterator[Finding]:
    seq, expected = record.seq, chain.seq + 1
    claimed = content.get("seq")
    if seq < 1:
        yield Finding(seq, "added", f"record {seq} was added: numbers begin at 1")
        return
    if isinstance(claimed, int) and claimed != seq:
        yield Finding(seq, "moved", f"record {seq} was moved: it was written as {claimed}")
        return
    if seq > expected:
        yield Finding(expected, "removed", f"{_range(expected, seq - 1)} removed")
    elif content.get("previous") not in chain.hashes:
        yield Finding(
            seq, "broken", f"record {seq} does not continue record {chain.seq}: one of them was changed, added or moved"
        )


def _check_tail(chain: _Chain, head: Head) -> Iterator[Finding]:
    if chain.seq < head.head.seq:
        yield Finding(chain.seq + 1, "truncated", f"{_range(chain.seq + 1, head.head.seq)} cut off the end")
    elif not chain.anchored:
        yield Finding(head.head.seq, "removed", f"record {head.head.seq} is missing: the head pointer names it")
    elif head.next is not None and head.head.seq < chain.seq < head.next.seq:
        yield Finding(chain.seq + 1, "truncated", f"{_range(chain.seq + 1, head.next.seq)} cut off the end")
    elif head.next is not None and chain.seq == head.next.seq and not head.allows(Point(chain.seq, chain.hashes[0])):
        yield Finding(chain.seq, "changed", f"record {chain.seq} was replaced: the head pointer names another")


def _range(first: int, last: int) -> str:
    return f"record {first} was" if first == last else f"records {first} to {last} were"


def _content(record: Record) -> dict[str, Any]:
    try:
        loaded = json.loads(record.body)
    except (ValueError, TypeError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
