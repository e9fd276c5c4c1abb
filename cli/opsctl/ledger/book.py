"""The ledger as stored: append records, one or thousands at once, and read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select

from opsctl.clock import now
from opsctl.db.engine import Database, spoken
from opsctl.db.schema import ledger
from opsctl.errors import StoreError
from opsctl.ledger.anchor import Anchor, Head, Point
from opsctl.ledger.checkpoint import Checkpoint, Checkpoints
from opsctl.ledger.key import PublicKey, Signer
from opsctl.ledger.record import Entry, Record, seal

ENDS = ("finished", "canceled", "lost", "observed")
"""The kinds that end a run: after each of them comes a checkpoint."""
ROTATED = "key_rotated"
"""The kind that says that another key signs from here on."""

_AHEAD = 1000
"""Rows fetched in one piece: few, since a record may be large."""

_COLUMNS = (ledger.c.seq, ledger.c.time, ledger.c.kind, ledger.c.run_id, ledger.c.body, ledger.c.hash)


_TAIL = select(ledger.c.seq, ledger.c.hash, ledger.c.kind).order_by(ledger.c.seq.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the ledger."""

    head: Head | None
    damage: str
    """Why the head pointer cannot be read."""
    size: int
    """Bytes of checkpoints."""
    records: Iterator[Record]


class Writing:
    """A transaction in which records are added along with other changes of the database."""

    def __init__(self, connection: Connection) -> None:
        """Use `Ledger.writing`."""
        self.connection = connection
        self.entries: list[Entry] = []
        self.signed = False
        """Whether a checkpoint is to follow: a run ends, is refused, or the last one ended without."""

    def append(self, *entries: Entry) -> None:
        """Add records; they are numbered, chained and stored when the transaction ends."""
        self.entries.extend(entries)


class Ledger:
    """The records of one database and its head pointer. Safe to use from several processes at once."""

    def __init__(self, database: Database, anchor: Path) -> None:
        """`anchor` is the head pointer's file, beside the database or on other storage."""
        self.database = database
        self.anchor = Anchor(anchor)
        home = database.path.parent
        self.checkpoints = Checkpoints(home / "ledger.checkpoints", home / "keys" / "ledger")

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """One transaction: what it changes and what it records become durable together or not at all."""
        head: Point | None = None
        with spoken(self.anchor.path), self.anchor.locked():
            with self.database.write() as connection:
                writing = Writing(connection)
                yield writing
                if writing.entries:
                    head = self._store(writing)
            if head is not None:
                self.anchor.confirm(head)
                if writing.signed:
                    self._sign(head)

    def append(self, *entries: Entry) -> None:
        """Add records in a transaction of their own."""
        with self.writing() as writing:
            writing.append(*entries)

    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint, made now when it does not sign the last record; None when there are no records.

        Raises:
            StoreError: the key has gone or cannot be used.
        """
        with spoken(self.anchor.path), self.anchor.locked():
            with self.database.read() as connection:
                row = connection.execute(_TAIL).first()
            if row is None:
                return None
            newest = self.checkpoints.newest(self.checkpoints.signer().public)
            point = Point(row[0], str(row[1]))
            return newest if newest is not None and newest.point == point else self._sign(point)

    def rotate(self, requester: Mapping[str, Any], host: str, *, destroy: bool = False) -> tuple[PublicKey, PublicKey]:
        """Sign with a new key from here on: the old one and the new one, both public.

        The old private key is kept under a name of its own, or destroyed. Anchors get the line that hands over from
        `audit anchor`, as any other.

        Raises:
            StoreError: there is nothing to sign yet; the key has gone or cannot be used.
        """
        if self.checkpoint() is None:
            raise StoreError("Cannot rotate the key: the ledger has no records yet; the first run makes the key")
        with self.writing() as writing:
            if due := self._unrecorded(writing.connection):
                writing.append(_handover(due, requester, host))
            old = self.checkpoints.signer().public
            newest = self.checkpoints.newest(old)
            if newest is None:
                raise StoreError(f"Cannot rotate the key: {self.checkpoints.path} has gone")
            # Killed from here on, whoever writes next adds the record.
            new = self.checkpoints.rotate(newest.ledger, newest.point, destroy=destroy).public
            if due := self.checkpoints.newest():
                writing.append(_handover(due, requester, host))
        return old, new

    def signer(self) -> Signer:
        """The key that signs now.

        Raises:
            StoreError: the key has gone or cannot be used.
        """
        with spoken(self.anchor.path), self.anchor.locked():
            return self.checkpoints.signer()

    def public_key(self) -> PublicKey:
        """What proves the checkpoints; the key is made, and records there are signed, when nothing was ever signed.

        Raises:
            StoreError: the key has gone or cannot be used.
        """
        self.checkpoint()
        return self.signer().public

    def first_since(self, time: str) -> int | None:
        """The number of the first record that was written at or after this time."""
        with self.database.read() as connection:
            found: int | None = connection.execute(select(func.min(ledger.c.seq)).where(ledger.c.time >= time)).scalar()
        return found

    def records(self, run_id: str | None = None, last: int | None = None) -> Iterator[Record]:
        """Records in order; only those of one run, only the last few, when asked."""
        query = select(*_COLUMNS)
        if run_id is not None:
            query = query.where(ledger.c.run_id == run_id)
        if last is not None:
            newest = query.order_by(ledger.c.seq.desc()).limit(last).subquery()
            query = select(newest).order_by(newest.c.seq)
        else:
            query = query.order_by(ledger.c.seq)
        with self.database.read() as connection:
            for row in connection.execute(query.execution_options(yield_per=_AHEAD)):
                yield Record(*row)

    @contextmanager
    def snapshot(self, first: int | None = None) -> Iterator[Snapshot]:
        """One state of the ledger, whoever appends meanwhile; only records from number `first` on, when asked."""
        with spoken(self.anchor.path), self.anchor.locked(), self.database.read() as connection:
            try:
                head, damage = self.anchor.read(), ""
            except StoreError as error:
                head, damage = None, str(error)
            end = connection.execute(select(func.max(ledger.c.seq))).scalar()
            size = self.checkpoints.size()
        with self.database.read() as connection:
            query = select(*_COLUMNS).where(ledger.c.seq <= (end or 0)).order_by(ledger.c.seq)
            if first is not None:
                query = query.where(ledger.c.seq >= first)
            rows = connection.execute(query.execution_options(yield_per=_AHEAD))
            yield Snapshot(head, damage, size, (Record(*row) for row in rows))

    def _sign(self, point: Point) -> Checkpoint:
        with self.database.read() as connection:
            first = connection.execute(select(ledger.c.hash).order_by(ledger.c.seq).limit(1)).scalar()
        return self.checkpoints.add(str(first), point)

    def _store(self, writing: Writing) -> Point:
        start = self._continue_from(writing)
        records, point = [], start
        for entry in writing.entries:
            record = seal(entry, point.seq + 1, point.hash, now())
            point = Point(record.seq, record.hash)
            records.append(record)
        rows = [{name: getattr(record, name) for name in Record.__slots__} for record in records]
        self.anchor.announce(start, point)
        writing.connection.execute(insert(ledger), rows)
        return point

    def _continue_from(self, writing: Writing) -> Point:
        """Where the chain goes on. Damage is never papered over: after a cut tail the numbers leave a gap."""
        row = writing.connection.execute(_TAIL).first()
        tail = Point() if row is None else Point(row[0], row[1])
        if all(entry.kind != ROTATED for entry in writing.entries) and (due := self._unrecorded(writing.connection)):
            first = writing.entries[0]
            writing.entries.insert(0, _handover(due, first.requester, first.host))
        writing.signed = any(_closes(entry) for entry in writing.entries) or (
            row is not None and row[2] in ENDS and self._unsigned(tail)
        )
        head = self._head()
        if head is None:
            if tail.seq:
                first = writing.entries[0]
                writing.entries.insert(0, Entry("reanchored", "", first.requester, first.host, {"after": tail.seq}))
            return tail
        if head.allows(tail):
            return tail
        last = head.last
        return last if last.seq >= tail.seq else Point(tail.seq, last.hash)

    def _unrecorded(self, connection: Connection) -> Checkpoint | None:
        """The line that hands over and has no record yet, since opsctl was killed in between."""
        newest = self.checkpoints.newest()
        if newest is None or not newest.next:
            return None
        query = select(ledger.c.seq).where(ledger.c.seq > newest.seq, ledger.c.kind == ROTATED).limit(1)
        return newest if connection.execute(query).first() is None else None

    def _unsigned(self, tail: Point) -> bool:
        """Whether opsctl was killed before it could sign the end of the last run."""
        newest = self.checkpoints.newest()
        return newest is None or newest.seq < tail.seq

    def _head(self) -> Head | None:
        try:
            return self.anchor.read()
        except StoreError:
            return None


def _handover(line: Checkpoint, requester: Mapping[str, Any], host: str) -> Entry:
    """The record of a rotation."""
    return Entry(ROTATED, "", requester, host, {"old": line.key, "new": line.next, "checkpoint": line.number})


def _closes(entry: Entry) -> bool:
    return entry.kind in (*ENDS, ROTATED) or (entry.kind == "decided" and entry.data.get("verdict") == "deny")
