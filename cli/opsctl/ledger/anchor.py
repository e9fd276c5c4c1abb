"""The head pointer: a file beside the database that says where the chain ends, so that a cut-off tail is found.

    {"head": {"seq": 41, "hash": "..."}, "next": {"seq": 42, "hash": "..."}}

`next` is written, durably, before the records are committed and becomes `head` after. Between the two a crash may leave
the table at either; both are sound, anything else is not.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from opsctl.errors import StoreError
from opsctl.ledger.record import GENESIS

PATIENCE = 30
"""Seconds a writer waits for another; longer than any of them writes."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the chain: a record's number and hash; number 0 is before the first."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Head:
    """What the file says."""

    head: Point
    next: Point | None = None

    def allows(self, tail: Point) -> bool:
        """Whether a table that ends at `tail` is sound."""
        return tail in (self.head, self.next)

    @property
    def last(self) -> Point:
        """The furthest place that was ever announced."""
        return self.next or self.head


class Anchor:
    """The file. Only whoever holds its lock may read or write it."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock. It spans the database's transaction: the confirmation comes after the commit.

        Raises:
            StoreError: another opsctl holds it for too long.
        """
        limit = time.monotonic() + PATIENCE
        with os.fdopen(os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as file:
            while not _taken(file):
                if time.monotonic() > limit:
                    raise StoreError(f"Cannot write {self.path}: another opsctl holds it for more than {PATIENCE} s")
                time.sleep(0.002)
            yield

    def read(self) -> Head | None:
        """What it says; None when there is no file.

        Raises:
            StoreError: it is not what we write.
        """
        try:
            said = json.loads(self.path.read_text())
            following = said["next"]
            return Head(_point(said["head"]), None if following is None else _point(following))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"Cannot read {self.path}: it was changed by something else; `opsctl audit verify` says more"
            ) from error

    def announce(self, head: Point, following: Point) -> None:
        """Say, durably, that the chain is about to grow to `following`."""
        self._write(head, following, durable=True)

    def confirm(self, head: Point) -> None:
        """Say that it has grown. Not durable by itself: the announcement is as good after a power cut."""
        self._write(head, None, durable=False)

    def _write(self, head: Point, following: Point | None, *, durable: bool) -> None:
        said = {"head": _said(head), "next": None if following is None else _said(following)}
        fresh = self.path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(json.dumps(said))
            file.flush()
            if durable:
                os.fsync(file.fileno())
        fresh.replace(self.path)
        if durable:
            sync_directory(self.path.parent)


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_directory(path: Path) -> None:
    """Make a rename or a new file in this directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _said(point: Point) -> dict[str, int | str]:
    return {"seq": point.seq, "hash": point.hash}


def _point(said: dict[str, object]) -> Point:
    seq, digest = said["seq"], said["hash"]
    if not isinstance(seq, int) or not isinstance(digest, str):
        raise TypeError("seq and hash")
    return Point(seq, digest)
