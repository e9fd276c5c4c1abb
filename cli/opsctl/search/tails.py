"""What journals say beyond what is known of them, in the order of time."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

_OPEN = 200
"""Journals read side by side; beyond that the order is by run first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Tail:
    """A journal from a byte on; it moves on as it is read."""

    run: str
    path: Path
    offset: int = 0
    damaged: int = 0
    """Lines that are no records."""
    time: int = 0
    """Microseconds since the epoch, of the last record."""

    @property
    def begins(self) -> int:
        """No record of it can be older: what its run's id tells."""
        if self.offset:
            return 0
        try:
            return (UUID(self.run).int >> 80) * 1000
        except ValueError:
            return 0


@dataclass(slots=True, order=True)
class Found:
    """One record and where it is. Ordered by time."""

    time: int
    run: str
    at: int
    length: int = field(compare=False)
    record: dict[str, Any] = field(compare=False)
    tail: Tail = field(compare=False)


def merged(tails: Iterable[Tail]) -> Iterator[Found]:
    """The records of all, the oldest first; lines that are torn or damaged are passed over and counted."""
    waiting = sorted(tails, key=lambda tail: tail.begins, reverse=True)
    heap: list[tuple[Found, Iterator[Found]]] = []
    while waiting or heap:
        while waiting and len(heap) < _OPEN and (not heap or waiting[-1].begins <= heap[0][0].time):
            _push(heap, _records(waiting.pop()))
        if heap:
            found, rest = heap[0]
            yield found
            heapq.heappop(heap)
            _push(heap, rest)


def moment(text: Any) -> int | None:
    """A time of the journal as microseconds since the epoch; None when it is none."""
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except (TypeError, ValueError):
        return None


def _push(heap: list[tuple[Found, Iterator[Found]]], rest: Iterator[Found]) -> None:
    for found in rest:
        heapq.heappush(heap, (found, rest))
        return


def _records(tail: Tail) -> Iterator[Found]:
    try:
        file = tail.path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(tail.offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            at, tail.offset = tail.offset, tail.offset + len(line)
            try:
                record = json.loads(line)
                if not (isinstance(record["seq"], int) and isinstance(record["event"], str)):
                    raise ValueError
            except (ValueError, KeyError, TypeError, RecursionError):
                tail.damaged += 1
                continue
            tail.time = moment(record.get("time")) or tail.time
            yield Found(tail.time, tail.run, at, len(line), record, tail)
