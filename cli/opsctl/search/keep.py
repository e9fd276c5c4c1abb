"""Keeps the index close to the journals, so that a search has little left to do."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from opsctl.db.engine import Database
from opsctl.errors import OpsctlError

_SHARE = 0.15
"""Seconds, about, that the end of a run may take longer for it."""


def keep_up(home: Path, database: Database) -> None:
    """Take what is new, as far as a moment allows: only where somebody has ever searched; never fails."""
    if (home / "search.db").exists():
        # Not at the top: where nobody searches, every run would wait for these.
        from opsctl.search.about import about
        from opsctl.search.find import Embedded
        from opsctl.search.index import Damaged

        with suppress(OpsctlError, OSError, Damaged):
            Embedded(home, about(database)).advance(time.monotonic() + _SHARE)
