"""The ledger as stored: append records, one or thousands at once, and read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from opsctl.clock import now
from opsctl.db.engine import Database, spoken
from opsctl.db.schema import ledger
from opsctl.errors import StoreError
from opsctl.ledger.anchor import Anchor, Head, Point
from opsctl.ledger.record import Entry, Record, seal

_COLUMNS = (ledger.c.seq, ledger.c.time, ledger.c.kind, ledger.c.run_id, ledger.c.body, ledger.c.hash)


class Writing:
    """A transaction in which records are added along with other changes of the database."""

    def __init__(self, connection: Connection) -> None:
        """Use `Ledger.writing`."""
        self.connection = connection
        self.entries: list[Entry] = []

    def append(self, *entries: Entry) -> None:
        """Add records; they are numbered, chained and stored when the transaction ends."""
        self.entries.extend(entries)


class Ledger:
    """The records of one database and its head pointer. Safe to use from several processes at once."""

    def __init__(self, database: Database, anchor: Path) -> None:
        """`anchor` is the head pointer's file, beside the database or on other storage."""
        self.database = database
        self.anchor = Anchor(anchor)

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

    def append(self, *entries: Entry) -> None:
        """Add records in a transaction of their own."""
        with self.writing() as writing:
            writing.append(*entries)

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
            for row in connection.execute(query.execution_options(yield_per=5000)):
                yield Record(*row)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Head | None, Iterator[Record]]]:
        """The head pointer and the records that belong to it, whoever appends meanwhile."""
        with spoken(self.anchor.path), self.anchor.locked(), self.database.read() as connection:
            head = self.anchor.read()
            tail = connection.execute(select(func.max(ledger.c.seq))).scalar()
        with self.database.read() as connection:
            query = select(*_COLUMNS).where(ledger.c.seq <= (tail or 0)).order_by(ledger.c.seq)
            yield head, (Record(*row) for row in connection.execute(query.execution_options(yield_per=5000)))

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
        row = writing.connection.execute(
            select(ledger.c.seq, ledger.c.hash).order_by(ledger.c.seq.desc()).limit(1)
        ).first()
        tail = Point() if row is None else Point(row[0], row[1])
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

    def _head(self) -> Head | None:
        try:
            return self.anchor.read()
        except StoreError:
            return None
