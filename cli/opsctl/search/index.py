"""The index, `search.db`: which words are where in the journals. Derived: it has no text of its own, and is made again
when it is missing, damaged or of another version.

An event has a row in `events` that says where its record is, and one in `words`: its text and task for words, and
`tags`, made-up words such as `h12`, for what is compared as a whole (host 12, status 3, ...). A query so is one look-up
in one full-text index, whatever it combines. Rows are numbered in the order of time, as far as that can be known.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from opsctl.db.engine import refused
from opsctl.errors import DiskFull, StoreError
from opsctl.search.query import Query, Term, spread
from opsctl.search.tails import Found, Tail, merged
from opsctl.search.text import said, status

VERSION = 1
"""Of tables and of what is put into them: with another one the index is made again."""

LARGEST = 64 * 1024
"""Characters of one event whose words are in the index."""
SHARE = 32 * 1024 * 1024
"""Characters of one run whose words are in the index; of later events only the beginning is."""
_BEGINNING = 512

_BATCH = 20_000
"""Events in one transaction."""
_PATIENCE = 120.0
"""Seconds to wait for another opsctl that is at work on the index."""

_SCHEMA = f"""
CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT UNIQUE NOT NULL, at INTEGER NOT NULL, taken INTEGER NOT NULL,
                   damaged INTEGER NOT NULL, time INTEGER NOT NULL);
CREATE TABLE names (id INTEGER PRIMARY KEY, field TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (field, name));
CREATE TABLE events (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at INTEGER NOT NULL, length INTEGER NOT NULL,
                     time INTEGER NOT NULL);
CREATE INDEX events_time ON events (time);
CREATE VIRTUAL TABLE words USING fts5 (text, task, tags, content='', tokenize='unicode61 remove_diacritics 2');
PRAGMA user_version = {VERSION};
"""

_TIMES = "AND e.time >= ? AND e.time <= ? "
_FIND = """
SELECT r.run, e.at, e.length, e.time FROM words w JOIN events e ON e.id = w.rowid JOIN runs r ON r.id = e.run
WHERE words MATCH ? AND w.rowid >= ? AND w.rowid <= ? AND e.time >= ? AND e.time <= ? ORDER BY w.rowid DESC LIMIT ?
"""

_CUT = "cut"
"""The tag of an event not all of whose words are in the index."""


class Damaged(Exception):
    """The index cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """An event that was found: where its record is."""

    run: str
    at: int
    length: int
    time: int


@dataclass(frozen=True, slots=True)
class Window:
    """Times in microseconds since the epoch, both ends included."""

    since: int | None = None
    until: int | None = None


class Index:
    """One open index; use `opened`."""

    def __init__(self, connection: sqlite3.Connection, largest: int = LARGEST) -> None:
        """Of a database with the tables in it; `largest`: characters of one event."""
        self._connection = connection
        self._largest = largest
        self._names: dict[tuple[str, str], int] = {}

    def known(self) -> dict[str, Tail]:
        """How far each journal is in the index, by run; the paths are the caller's to set."""
        rows = self._connection.execute("SELECT run, at, damaged, time FROM runs")
        return {run: Tail(run, Path(), at, damaged, when) for run, at, damaged, when in rows}

    def behind(self, folder: Path) -> list[Tail]:
        """Journals that have more than the index knows. What is not as it was is forgotten and begins again."""
        known = self.known()
        found = []
        for path in folder.glob("*.ndjson"):
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            tail = known.pop(path.stem, None) or Tail(path.stem, path)
            if size < tail.offset:
                self.forget(path.stem)
                tail = Tail(path.stem, path)
            tail.path = path
            if size > tail.offset:
                found.append(tail)
        for run in known:
            self.forget(run)
        return found

    def advance(self, tails: list[Tail], about: Mapping[str, Mapping[str, str]], until: float | None = None) -> int:
        """Take what these journals have more, at most until this moment of the monotonic clock; how many events.

        `about`: fields of runs that the journals do not have (user, kind, content).
        """
        records, count = merged(tails), 0
        while batch := list(islice(records, _BATCH if until is None else _BATCH // 20)):
            self.add(batch, about)
            count += len(batch)
            if until is not None and time.monotonic() > until:
                break
        return count

    def forget(self, run: str) -> None:
        """Take a run out. Its words stay behind without a meaning, until the index is made again."""
        with self._transaction():
            row = self._connection.execute("SELECT id FROM runs WHERE run = ?", (run,)).fetchone()
            if row:
                self._connection.execute("DELETE FROM events WHERE run = ?", row)
                self._connection.execute("DELETE FROM runs WHERE id = ?", row)

    def find(self, query: Query, window: Window, limit: int, *, cut: bool = False) -> list[Place]:
        """The newest events that match, the newest first; `cut`: of those that are not wholly in the index."""
        match = self._match(query, cut=cut)
        if match is None:
            return []
        since, until = self._range(window)
        times = (window.since, window.until) != (None, None)
        sql = _FIND if times else _FIND.replace(_TIMES, "")
        bounds = (window.since or 0, window.until or 1 << 62) if times else ()
        return [Place(*row) for row in self._connection.execute(sql, (match, since, until, *bounds, limit))]

    def damaged(self) -> dict[str, int]:
        """Runs whose journals have lines that are no records, and how many."""
        return dict(self._connection.execute("SELECT run, damaged FROM runs WHERE damaged > 0"))

    def add(self, batch: list[Found], about: Mapping[str, Mapping[str, str]]) -> None:
        """Take these events, all or none."""
        with self._transaction():
            self._add(batch, about)

    def _add(self, batch: list[Found], about: Mapping[str, Mapping[str, str]]) -> None:
        connection = self._connection
        runs = {row[1]: [row[0], row[2]] for row in connection.execute("SELECT id, run, taken FROM runs")}
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        events, words = [], []
        for number, found in enumerate(batch, last + 1):
            if found.run not in runs:
                row = (found.run, 0, 0, 0, 0)
                cursor = connection.execute("INSERT INTO runs (run, at, taken, damaged, time) VALUES (?,?,?,?,?)", row)
                runs[found.run] = [cursor.lastrowid, 0]
            run = runs[found.run]
            text = said(found.record)
            room = self._largest if run[1] < SHARE else _BEGINNING
            tags = self._tags(found, about.get(found.run, {})) + f" {_CUT}" * (len(text) > room)
            run[1] += min(len(text), room)
            events.append((number, run[0], found.at, found.length, found.time))
            words.append((number, spread(text[:room]), spread(str(found.record.get("task") or "")), tags))
        connection.executemany("INSERT INTO events VALUES (?,?,?,?,?)", events)
        connection.executemany("INSERT INTO words (rowid, text, task, tags) VALUES (?,?,?,?)", words)
        tails = {found.run: found for found in batch}
        connection.executemany(
            "UPDATE runs SET at = ?, taken = ?, damaged = ?, time = ? WHERE run = ?",
            [(f.at + f.length, runs[run][1], f.tail.damaged, f.time, run) for run, f in tails.items()],
        )

    def _tags(self, found: Found, about: Mapping[str, str]) -> str:
        record = found.record
        fields = {"run": found.run, "event": record["event"], "host": record.get("host"), "status": status(record)}
        return " ".join(self._tag(field, str(name)) for field, name in (fields | dict(about)).items() if name)

    def _tag(self, field: str, name: str) -> str:
        key = (field, spread(name))
        number = self._names.get(key)
        if number is None:
            self._connection.execute("INSERT OR IGNORE INTO names (field, name) VALUES (?, ?)", key)
            row = self._connection.execute("SELECT id FROM names WHERE field = ? AND name = ?", key).fetchone()
            number = self._names[key] = int(row[0])
        return f"n{number}"

    def _match(self, query: Query, *, cut: bool) -> str | None:
        """The query in the language of the index; None when nothing can match."""
        groups = [[self._term(term) for term in group] for group in query.groups]
        if cut:
            # Words may be in what is not indexed: only fields can be compared.
            groups = [[self._term(t) for t in group] for group in query.groups if all(t.field for t in group)]
            groups.append([f"tags : {_CUT}"])
        sides = [[side for side in group if side] for group in groups]
        if not all(sides):
            return None
        wanted = " AND ".join(f"({' OR '.join(side)})" for side in sides)
        excluded = [self._term(term) for term in query.excluded if not cut or term.field]
        refused = " OR ".join(side for side in excluded if side)
        if not wanted:
            wanted = self._everything()
        if not wanted:
            return None
        return f"({wanted}) NOT ({refused})" if refused else wanted

    def _term(self, term: Term) -> str:
        """A term in that language; empty when nothing can match it."""
        if term.field in ("", "task"):
            text = spread(term.text).replace('"', " ")
            columns = "task" if term.field else "{text task}"
            return f'{columns} : "{text}"' + " *" * term.begins
        pattern = spread(term.text).lower()
        rows = self._connection.execute("SELECT id, name FROM names WHERE field = ?", (term.field,))
        tags = [f"n{number}" for number, name in rows if fnmatchcase(name.lower(), pattern)]
        return f"tags : ({' OR '.join(tags)})" if tags else ""

    def _everything(self) -> str:
        return self._term(Term("*", "event"))

    def _range(self, window: Window) -> tuple[int, int]:
        """The rows between which all events of a time are: without it, old ones would be looked at one by one."""
        first, last = 0, 1 << 62
        if window.since is not None:
            sql = "SELECT coalesce(min(id), 1 << 62) FROM events WHERE time >= ?"
            (first,) = self._connection.execute(sql, (window.since,)).fetchone()
        if window.until is not None:
            sql = "SELECT coalesce(max(id), 0) FROM events WHERE time <= ?"
            (last,) = self._connection.execute(sql, (window.until,)).fetchone()
        return first, last

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._names.clear()
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


@contextmanager
def passing() -> Iterator[Index]:
    """An index in memory that knows every word of every event."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        yield Index(connection, largest=1 << 40)


@contextmanager
def opened(path: Path, patience: float = _PATIENCE) -> Iterator[Index]:
    """The index in this file, for this process alone; made when it is missing, damaged or of another version.

    Raises:
        StoreError: it cannot be read or written, or another opsctl holds it for longer than `patience` seconds.
        Damaged: it turned out to be damaged while it was used; it is gone now, and made again the next time.
    """
    with _locked(path, patience):
        try:
            with closing(_usable(path)) as connection:
                yield Index(connection)
        except sqlite3.OperationalError as error:
            raise _spoken(error, path) from error
        except sqlite3.DatabaseError as error:
            remove(path)
            raise Damaged(str(error)) from error


def remove(path: Path) -> None:
    """Delete the index; only by who has the lock."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, patience: float) -> Iterator[None]:
    lock = path.with_suffix(".lock")
    end = time.monotonic() + patience
    try:
        file = lock.open("w")
    except OSError as error:
        raise refused(error, lock) from error
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise StoreError(f"Cannot use {path}: another opsctl is at work on it; try again later") from None
                time.sleep(0.02)
        yield


def _usable(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        if not path.exists():
            _make(path)
        try:
            connection = _connect(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            remove(path)
            continue
        if _whole(connection):
            return connection
        connection.close()
        remove(path)
    raise sqlite3.DatabaseError("it was made and cannot be read")


def _whole(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT count(*) FROM runs").fetchone()
        return bool(connection.execute("PRAGMA user_version").fetchone()[0] == VERSION)
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            connection.close()
            raise
    except sqlite3.DatabaseError:
        pass
    return False


def _make(path: Path) -> None:
    """In another file first: what has the name is whole."""
    new = path.with_suffix(".new")
    remove(new)
    new.touch(mode=0o600)
    with closing(_connect(new)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    new.rename(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")
    return connection


def _spoken(error: sqlite3.OperationalError, path: Path) -> StoreError:
    if "full" in str(error):
        return DiskFull(f"Cannot write {path}: no space left on the device; free some and run the command again")
    return StoreError(f"Cannot use {path}: {error}")
