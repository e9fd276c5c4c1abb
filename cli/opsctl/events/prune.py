"""Removes journals that are no longer needed: recorded in the ledger first, remembered in `journal/pruned`.

Runs and ledger keep what they know; only what was said goes. The journal of a run that has not ended stays, and so does
one that is not yet wholly where it is copied to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from opsctl.clock import now, seconds
from opsctl.db.engine import Database, refused
from opsctl.db.schema import runs
from opsctl.events.journal import PRUNED
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
from opsctl.runs.request import me
from opsctl.runs.store import ENDED

_AT_ONCE = 1000
"""Journals named in one record of the ledger."""

Shipped = Callable[[Path], bool]
"""Whether all of a journal is where it is copied to."""


@dataclass(frozen=True, slots=True)
class Old:
    """A journal that could go."""

    path: Path
    size: int
    ended: float
    """Seconds since the epoch."""

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.stem

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"run": self.run, "bytes": self.size}


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is to go, the oldest first, and why other things stay."""

    removed: list[Old] = field(default_factory=list)
    active: int = 0
    unshipped: int = 0

    @property
    def size(self) -> int:
        """Bytes that become free."""
        return sum(old.size for old in self.removed)

    def plain(self) -> dict[str, Any]:
        """As JSON; its shape is pinned by a test."""
        return {
            "removed": [old.plain() for old in self.removed],
            "bytes": self.size,
            "kept": {"active": self.active, "unshipped": self.unshipped},
        }


def plan(
    olds: Iterable[Old],
    *,
    before: float | None = None,
    keep: int | None = None,
    size: int | None = None,
    shipped: Shipped = lambda path: True,
    active: int = 0,
) -> Pruning:
    """Which of these journals go: those that ended before a time, or are more than a number or a size allows.

    `keep` protects the newest ones, whatever else is said; alone, all others go. Pure but for `shipped`.
    """
    newest = sorted(olds, key=lambda old: (old.ended, old.run), reverse=True)
    total, removed, unshipped = 0, [], 0
    for position, old in enumerate(newest):
        total += old.size
        if keep is not None and position < keep:
            continue
        alone = keep is not None and before is None and size is None
        too_old = before is not None and old.ended < before
        too_much = size is not None and total > size
        if not (alone or too_old or too_much):
            continue
        if shipped(old.path):
            removed.append(old)
            total -= old.size
        else:
            unshipped += 1
    return Pruning(removed[::-1], active, unshipped)


def journals(home: Path, database: Database) -> tuple[list[Old], int]:
    """Journals of runs that have ended, and how many there are of others. One without a run ended when it was written
    last."""
    with database.read() as connection:
        rows = connection.execute(select(runs.c.id, runs.c.status, runs.c.created, runs.c.finished))
        known = {run: (status, finished or created) for run, status, created, finished in rows}
    found, active = [], 0
    for path in (home / "journal").glob("*.ndjson"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        status, ended = known.get(path.stem, ("lost", ""))
        if status not in ENDED:
            active += 1
            continue
        found.append(Old(path, stat.st_size, seconds(ended) if ended else stat.st_mtime))
    return found, active


def remove(pruning: Pruning, ledger: Ledger, why: str) -> None:
    """Remove them. Killed in between, what is left is removed the next time.

    Raises:
        StoreError: one cannot be removed.
    """
    for first in range(0, len(pruning.removed), _AT_ONCE):
        part = Pruning(pruning.removed[first : first + _AT_ONCE])
        message = f"{len(part.removed)} journals, {part.size} bytes: {why}"
        data = {"message": message, "runs": [old.run for old in part.removed], "bytes": part.size}
        ledger.append(Entry("pruned", "", me().plain(), os.uname().nodename, data))
        _remember(part.removed)
        for old in part.removed:
            try:
                old.path.unlink(missing_ok=True)
            except OSError as error:
                raise refused(error, old.path) from error


def _remember(olds: list[Old]) -> None:
    path = olds[0].path.with_name(PRUNED)
    by, time = me().name, now()
    lines = [json.dumps({"run": old.run, "time": time, "by": by, "bytes": old.size}) + "\n" for old in olds]
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write("".join(lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise refused(error, path) from error
