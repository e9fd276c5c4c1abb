"""What the shipper knows from one start to the next: how far it came, what it counted, whether the way is closed.

A small SQLite file of its own, `spool/ship.db` below the home. Losing it does no harm: everything is sent again, and
the server knows what it has by the documents' ids.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from opsctl.db.engine import spoken
from opsctl.errors import DiskFull, StoreError

LEDGER = "ledger"
"""The ledger's place among the cursors; all others are ids of runs."""

_FAR = 3600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, position INTEGER, seq INTEGER, start INTEGER, digest TEXT);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Cursor(NamedTuple):
    """A place in a journal, or in the ledger."""

    position: int = 0
    """Bytes of the journal that are done with; 0 for the ledger."""
    seq: int = 0
    """The number of the last record that is done with."""
    start: int = 0
    """Where the journal's last line begins."""
    digest: str = ""
    """Of that line, or the record's hash: a journal that was cut or exchanged is known by it."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Why nothing is sent now. `until` is in seconds since the epoch; 0 when the way is open."""

    until: float = 0
    since: str = ""
    reason: str = ""
    failures: int = 0

    def open(self, now: float | None = None) -> bool:
        """Whether it is too early to try again."""
        # Further off than any pause: the clock went back since.
        return 0 < self.until - (time.time() if now is None else now) <= _FAR

    @property
    def left(self) -> float:
        """Seconds until the next attempt."""
        return self.until - time.time() if self.open() else 0.0


class State:
    """The file. Whoever changes cursors holds the sender's lock."""

    def __init__(self, path: Path) -> None:
        """Opened, and made when there is none. What is no database any more is put aside.

        Raises:
            StoreError: it cannot be opened.
        """
        self.path = path
        # Read in one thread while another writes: not in the middle of what it writes.
        self._lock = threading.RLock()
        with spoken(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = self._open()
            except sqlite3.OperationalError as error:
                raise _refused(error, path) from error
            except sqlite3.DatabaseError:
                self._database = self._anew()

    def _anew(self) -> sqlite3.Connection:
        with suppress(OSError):
            self.path.replace(self.path.with_suffix(".damaged"))
        for side in ("-wal", "-shm"):
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            raise _refused(error, self.path) from error

    def _open(self) -> sqlite3.Connection:
        self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            # A commit that a power cut takes back is sent again, that is all.
            database.execute("PRAGMA synchronous=NORMAL")
            database.executescript(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Let go of it."""
        self._database.close()

    def cursors(self) -> dict[str, Cursor]:
        """All of them."""
        rows = self._read("SELECT name, position, seq, start, digest FROM cursors")
        return {name: Cursor(*rest) for name, *rest in rows}

    def cursor(self, name: str) -> Cursor:
        """One; the beginning when there is none."""
        return self.cursors().get(name, Cursor())

    def advance(self, cursors: Mapping[str, Cursor], counts: Mapping[str, int]) -> None:
        """Set cursors and add to counters, both or neither."""
        rows = [(name, c.position, c.seq, c.start, c.digest) for name, c in cursors.items()]
        with self._writing():
            self._database.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?)", rows)
            self._database.executemany(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                [(name, value) for name, value in counts.items() if value],
            )

    def forget(self, names: Iterable[str]) -> None:
        """Remove cursors: what they stood for is sent from its beginning, or has gone."""
        with self._writing():
            self._database.executemany("DELETE FROM cursors WHERE name = ?", [(name,) for name in names])

    def counters(self) -> dict[str, int]:
        """All of them."""
        return dict(self._read("SELECT name, value FROM counters"))

    @property
    def circuit(self) -> Circuit:
        """Whether the way is closed, and why."""
        return Circuit(**(self.fact("circuit") or {}))

    @circuit.setter
    def circuit(self, circuit: Circuit) -> None:
        said = {name: getattr(circuit, name) for name in Circuit.__slots__}
        self.note("circuit", said if circuit.failures else None)

    def reopen(self) -> None:
        """Somebody has seen to it: try again at once."""
        self.circuit = Circuit()

    @property
    def agent(self) -> str:
        """The id of this installation's shipper."""
        found = self.fact("agent")
        if not found:
            found = str(uuid.uuid4())
            self.note("agent", found)
        return str(found)

    def fact(self, name: str) -> Any:
        """Something noted, or None."""
        rows = self._read("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def note(self, name: str, value: Any) -> None:
        """Note something."""
        with self._writing():
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def _read(self, query: str, *values: str) -> list[Any]:
        with self._lock:
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise _refused(error, self.path) from error

    def _writing(self) -> _Transaction:
        return _Transaction(self._database, self.path, self._lock)


class _Transaction:
    def __init__(self, database: sqlite3.Connection, path: Path, lock: threading.RLock) -> None:
        self._database, self._path, self._lock = database, path, lock

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._lock.release()
            raise _refused(error, self._path) from error

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self._database.execute("COMMIT")
        except sqlite3.Error as failed:
            error = failed
        finally:
            if self._database.in_transaction:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise _refused(error, self._path) from error


def _refused(error: sqlite3.Error, path: Path) -> StoreError:
    if "full" in str(error):
        return DiskFull(f"Cannot write {path}: no space left on the device; free some and run the command again")
    return StoreError(f"Cannot use {path}: {error}")
