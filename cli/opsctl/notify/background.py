"""Delivers what is left in the outbox, then ends: one process a home, started when an attempt failed."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsctl.db.engine import Database, opened
from opsctl.errors import OpsctlError
from opsctl.home import locate
from opsctl.notify.sender import PATIENCE, Sender
from opsctl.settings import load

_LOOK = 2.0
"""Seconds between looks at the table: others put notices in."""


def main() -> None:
    """Until nothing is left that will ever be due."""
    home = locate()
    with _alone(home / "notify.lock") as mine:
        if mine:
            try:
                drain(home, opened(home))
            except OpsctlError:
                # Whoever looks sees the notices waiting, and the next command that has one goes on.
                return


def drain(home: Path, database: Database) -> None:
    """Deliver until nothing is pending. Settings are read each time: they may have been mended."""
    while True:
        sender = Sender(database, load(home).notify)
        left = sender.outbox.next_due()
        if left is None:
            return
        if left > 0:
            time.sleep(min(left, _LOOK))
            continue
        sender.deliver(PATIENCE)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether this is the only one. Waits a moment: one that just ends would not see what came last."""
    with path.open("a") as held:
        for _ in range(20):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_LOOK / 10)
        else:
            yield False
            return
        yield True


if __name__ == "__main__":
    main()
