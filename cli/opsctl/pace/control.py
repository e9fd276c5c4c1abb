"""How another opsctl speaks to the one that conducts a run: lines of JSON in a file under OPSCTL_HOME.

A file needs no process at the other end to be written, survives kill -9 of either, and costs one `stat` to look at. Who
may write there is who may write OPSCTL_HOME; `ask` says who it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from opsctl.db.engine import spoken

Verb = Literal["pause", "continue", "cancel"]
_LONGEST = 4096
"""Bytes of one order; longer lines are none of ours."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants of a run."""

    verb: Verb
    by: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Who."""
        return str(self.by.get("name", "somebody"))


def folder(home: Path) -> Path:
    """Where the files are."""
    return home / "control"


def ask(home: Path, run_id: str, order: Order) -> None:
    """Say it to the run's opsctl.

    Raises:
        StoreError: it cannot be written.
    """
    path = folder(home) / run_id
    line = json.dumps({"verb": order.verb, "by": dict(order.by)}).encode("ascii") + b"\n"
    with spoken(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # One write: two that ask at once do not mix.
            os.write(file, line)
        finally:
            os.close(file)


class Inbox:
    """The reading end."""

    def __init__(self, home: Path, run_id: str) -> None:
        """Nothing is read yet; what was said before it began counts."""
        self._path = folder(home) / run_id
        self._read = 0
        self.garbage = 0
        """Lines that were no orders."""

    def take(self) -> list[Order]:
        """Orders that came since."""
        with suppress(OSError):
            size = self._path.stat().st_size
            if size < self._read:
                # Somebody cut it.
                self._read = 0
            if size > self._read:
                return self._new()
        return []

    def close(self) -> None:
        """The run is over."""
        with suppress(OSError):
            self._path.unlink()

    def _new(self) -> list[Order]:
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read(1 << 20)
        end = data.rfind(b"\n") + 1
        if not end and len(data) > _LONGEST:
            end = len(data)
        self._read += end
        orders = [parsed(line) for line in data[:end].splitlines()]
        self.garbage += orders.count(None)
        return [order for order in orders if order is not None]


def parsed(line: bytes) -> Order | None:
    """The order that a line holds; None when it is none."""
    if len(line) > _LONGEST:
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("verb") not in get_args(Verb) or not isinstance(said.get("by"), dict):
        return None
    return Order(said["verb"], said["by"])
