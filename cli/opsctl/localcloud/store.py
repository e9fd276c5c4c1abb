"""The local cloud's whole state: typed records in one SQLite file, written through before a call returns.

One process owns the file (see :mod:`opsctl.localcloud.service`), so reads come from memory and every write is a
committed transaction. WAL keeps an acknowledged write through ``kill -9``.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id))
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT, stack_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS event_stack ON event (stack_id, seq);
"""


class Record(Protocol):
    """A frozen dataclass of JSON values with a ``key`` and a ``kind``."""

    kind: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> str: ...


R = TypeVar("R", bound=Record)


class Table(Generic[R]):
    """All records of one kind: a mapping in memory in front of the rows of one ``kind``."""

    def __init__(self, store: Store, record: type[R]) -> None:
        self._store = store
        self._kind = record.kind
        names = {field.name for field in fields(record)}
        self._rows: dict[str, R] = {
            key: record(**{name: value for name, value in json.loads(body).items() if name in names})
            for key, body in store.rows(self._kind)
        }

    def get(self, key: str) -> R | None:
        return self._rows.get(key)

    def __getitem__(self, key: str) -> R:
        return self._rows[key]

    def __iter__(self) -> Iterator[R]:
        with self._store.lock:
            return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, match: Callable[[R], bool]) -> list[R]:
        return [row for row in self if match(row)]

    def put(self, row: R) -> R:
        with self._store.lock:
            self._store.write(self._kind, row.key, json.dumps(asdict(row)))
            self._change(row.key, row)
        return row

    def delete(self, key: str) -> None:
        with self._store.lock:
            self._store.erase(self._kind, key)
            self._change(key, None)

    def _change(self, key: str, row: R | None) -> None:
        before = self._rows.get(key)
        self._store.on_rollback(lambda: self._set(key, before))
        self._set(key, row)

    def _set(self, key: str, row: R | None) -> None:
        if row is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = row


@dataclass
class _Frame:
    """What one open transaction must undo in memory when it fails, and do when all of it is committed."""

    undo: list[Callable[[], None]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)


class Store:
    """One SQLite file, one lock. ``transaction`` groups writes that must land together, and may be nested."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._frames: list[_Frame] = []
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self.lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock:
            depth = len(self._frames)
            self._db.execute(f"SAVEPOINT level{depth}" if depth else "BEGIN IMMEDIATE")
            self._frames.append(_Frame())
            try:
                yield
                self._db.execute(f"RELEASE level{depth}" if depth else "COMMIT")
            except BaseException:
                self._undo(depth)
                raise
            frame = self._frames.pop()
            if depth:
                self._frames[-1].undo += frame.undo
                self._frames[-1].after += frame.after
                return
        for work in frame.after:
            work()

    def _undo(self, depth: int) -> None:
        # SQLite may have rolled back by itself already (full disk, I/O error); memory must follow all the same.
        with suppress(sqlite3.OperationalError):
            self._db.execute(f"ROLLBACK TO level{depth}" if depth else "ROLLBACK")
        for undo in reversed(self._frames.pop().undo):
            undo()

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Memory follows the file: what a transaction changed is put back when it fails."""
        if self._frames:
            self._frames[-1].undo.append(undo)

    def after(self, work: Callable[[], None]) -> None:
        """Do ``work`` once everything is committed: at once outside a transaction, never when it fails."""
        with self.lock:
            if self._frames:
                self._frames[-1].after.append(work)
                return
        work()

    def rows(self, kind: str) -> list[tuple[str, str]]:
        with self.lock:
            return list(self._db.execute("SELECT id, body FROM record WHERE kind = ?", (kind,)))

    def write(self, kind: str, key: str, body: str) -> None:
        self._execute(
            "INSERT INTO record (kind, id, body) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, key, body),
        )

    def erase(self, kind: str, key: str) -> None:
        self._execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, key))

    def _execute(self, sql: str, values: tuple[str, ...]) -> None:
        if self._frames and not self._db.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back by SQLite")
        self._db.execute(sql, values)

    def add_event(self, stack_id: str, event: dict[str, str]) -> None:
        with self.lock:
            self._execute("INSERT INTO event (stack_id, body) VALUES (?, ?)", (stack_id, json.dumps(event)))

    def events(self, stack_id: str) -> list[dict[str, str]]:
        """The events of one stack, newest first, as ListStackEvents answers them."""
        with self.lock:
            found = self._db.execute("SELECT body FROM event WHERE stack_id = ? ORDER BY seq DESC", (stack_id,))
            return [json.loads(body) for (body,) in found]
