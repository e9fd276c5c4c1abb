"""Dead letters: documents that the server will never take as they are, with its reason; a file with a bound."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opsctl.clock import now
from opsctl.db.engine import refused
from opsctl.events.ship.parcel import Parcel
from opsctl.ledger.anchor import sync_directory

BOUND = 64 << 20
"""Bytes of a file. There are two: when it is full it becomes the older one, and what was the older one is given up."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One line."""

    id: str
    source: str
    """`ledger`, or a run's id."""
    time: str
    status: int
    kind: str
    reason: str
    line: str
    """As it was sent; empty when there was nothing to send."""


class Dead:
    """The files `dead.ndjson` and `dead.1.ndjson`. Whoever writes holds the sender's lock."""

    def __init__(self, folder: Path, bound: int = BOUND) -> None:
        """Neither need exist."""
        self.path = folder / "dead.ndjson"
        self.older = folder / "dead.1.ndjson"
        self._bound = bound

    def add(self, letters: Iterable[Letter]) -> int:
        """Keep them, durably; how many older ones had to be given up for it.

        Raises:
            StoreError: they cannot be written.
        """
        text = b"".join(_line(letter) for letter in letters)
        lost = 0
        try:
            if self.path.exists() and self.path.stat().st_size + len(text) > self._bound:
                lost = sum(1 for _ in _read(self.older))
                self.path.replace(self.older)
            new = not self.path.exists()
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_directory(self.path.parent)
        except OSError as error:
            raise refused(error, self.path) from error
        return lost

    def letters(self) -> Iterator[Letter]:
        """The letters, each once: after a crash it may have been written again."""
        seen: set[str] = set()
        for path in (self.older, self.path):
            for letter in _read(path):
                if letter.id not in seen:
                    seen.add(letter.id)
                    yield letter

    def keep(self, letters: Iterable[Letter]) -> None:
        """Have only these from now on.

        Raises:
            StoreError: they cannot be written; the old ones stay.
        """
        fresh = self.path.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines(_line(letter) for letter in letters)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            self.older.unlink(missing_ok=True)
            sync_directory(self.path.parent)
        except OSError as error:
            raise refused(error, self.path) from error


def letter(parcel: Parcel, status: int, kind: str, reason: str) -> Letter:
    """The letter of a parcel that was refused."""
    return Letter(parcel.id, parcel.source, now(), status, kind, reason, parcel.line.decode("ascii", "replace"))


def _line(letter: Letter) -> bytes:
    said = {name: getattr(letter, name) for name in Letter.__slots__}
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"


def _read(path: Path) -> Iterator[Letter]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield Letter(**json.loads(line))
            except (ValueError, TypeError):
                continue  # torn by a crash: its cursor was not moved either, so it comes again
