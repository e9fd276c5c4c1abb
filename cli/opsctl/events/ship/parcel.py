"""What is on its way: documents, each with the place that is reached when it has arrived. Pure."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from opsctl.events.ship.state import Cursor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parcel:
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


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items, made by a thread of their own, at most `depth` in advance: while one is sent, others are made."""
    lane: queue.Queue[_Made[T] | _End] = queue.Queue(depth)
    over = threading.Event()

    def put(item: _Made[T] | _End) -> bool:
        while not over.is_set():
            with suppress(queue.Full):
                lane.put(item, timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(_Made(item)):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            came = lane.get()
            if isinstance(came, _Made):
                yield came.item
            elif came.error is not None:
                raise came.error
            else:
                return
    finally:
        over.set()
        thread.join()
