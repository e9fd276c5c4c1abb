"""Anchors that are written without being asked for: after each run, or every so often. What fails is written down."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.clock import now, seconds
from opsctl.errors import OpsctlError
from opsctl.ledger.witness import named

if TYPE_CHECKING:
    from opsctl.settings import Settings

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Automatic:
    """The anchors of the settings, and `spool/anchors.json`: when each was written, and what went wrong since."""

    def __init__(self, home: Path, settings: Settings) -> None:
        """Nothing is done yet."""
        self._home = home
        self._settings = settings
        self._path = home / "spool" / "anchors.json"

    def due(self) -> bool:
        """Whether any is to be written now."""
        return bool(self._due())

    def complaints(self) -> Iterator[str]:
        """A line for each anchor whose last attempt failed."""
        if self._settings.audit_anchor_every == "never":
            return
        known = self._known()
        for name in self._settings.audit_anchors:
            error = known.get(name, {}).get("error")
            if error:
                yield f"Anchor {name} was not written: {error}"

    def run(self) -> None:
        """Write those that are due. One that fails does not keep the others from it.

        Raises:
            StoreError: the ledger cannot be read or signed.
        """
        if not self._due():
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_suffix(".lock")
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self._anchor(self._due())

    def _anchor(self, names: list[str]) -> None:
        from opsctl.db.engine import opened
        from opsctl.ledger.book import Ledger

        newest = Ledger(opened(self._home), self._home / "ledger.head").checkpoint() if names else None
        if newest is None:
            return
        for name in names:
            before = self._known().get(name, {})
            try:
                named(name, self._settings.elasticsearch).put(newest)
                said = {"time": now(), "seq": newest.seq, "error": ""}
            except OpsctlError as error:
                said = {**before, "error": str(error), "failed": now()}
            self._write({**self._known(), name: said})

    def _due(self) -> list[str]:
        every, known = self._settings.audit_anchor_every, self._known()
        if every == "never":
            return []
        if every == "run":
            return list(self._settings.audit_anchors)
        pause = int(every[:-1]) * _UNITS[every[-1]]
        # A time in the future is a clock that went back: it must not put off the next one for ever.
        return [name for name in self._settings.audit_anchors if not 0 <= _age(known.get(name, {})) < pause]

    def _known(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, known: dict[str, Any]) -> None:
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file)
        fresh.replace(self._path)


def _age(said: dict[str, Any]) -> float:
    return time.time() - seconds(said["time"]) if said.get("time") else float("inf")
