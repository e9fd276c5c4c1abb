"""What is on its way: documents, each with the place that is reached when it has arrived. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opsctl.events.ship.state import Cursor


class Parcel(NamedTuple):
    """One document."""

    id: str
    line: bytes
    """For a bulk request: the action, a newline, the document. Empty when there is none because of `broken`."""
    source: str
    cursor: Cursor
    dropped: int = 0
    """How many events it stands for that are not sent."""
    broken: str = ""
    """Why no document could be made."""


def chunks(parcels: Iterable[Parcel], count: int, size: int) -> Iterator[list[Parcel]]:
    """Groups of at most `count` documents and `size` bytes; what is larger by itself comes alone."""
    group: list[Parcel] = []
    total = 0
    for parcel in parcels:
        if group and (len(group) >= count or total + len(parcel.line) > size):
            yield group
            group, total = [], 0
        group.append(parcel)
        total += len(parcel.line)
    if group:
        yield group
