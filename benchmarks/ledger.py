#!/usr/bin/env python3
"""The ledger: durable appends in batches, and verification, against plain SQLite inserts with the same durability.

    python benchmarks/ledger.py [RECORDS]

Every fourth record ends a run. A transaction with such a record is signed, as in real use; the verified ledger has a
checkpoint for each. The peer of verification reads every record and does nothing with it. The figure for 1,000,000
records is the time of RECORDS, extrapolated: verification is one pass.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from functools import partial
from pathlib import Path

from common import figure, header, row, timed

from opsctl.db.engine import opened
from opsctl.ledger.anchor import Point
from opsctl.ledger.audit import audit
from opsctl.ledger.book import Ledger
from opsctl.ledger.checkpoint import Checkpoint, signed
from opsctl.ledger.record import Entry, canonical

ROUNDS = 5
BATCH = 100
BATCHES = 40
MILLION = 1_000_000
KINDS = ("asked", "decided", "started", "finished")


def entry(number: int) -> Entry:
    data = {"content": "redis-cluster", "action": "deploy", "cloud": "local", "plan_hash": "0" * 64, "reason": "x" * 80}
    return Entry(KINDS[number % 4], f"run-{number // 4}", {"name": "ann", "uid": 1000}, "bastion", data)


def book_at(home: Path) -> Ledger:
    home.mkdir(exist_ok=True)
    return Ledger(opened(home), home / "ledger.head")


def append(book: Ledger, batch: int, batches: int) -> None:
    for first in range(0, batch * batches, batch):
        book.append(*map(entry, range(first, first + batch)))


def plain(path: Path, batch: int, batches: int) -> None:
    """The peer: the same text, inserted in transactions of the same size, each synced; no chain, no head pointer."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS ledger (seq INTEGER PRIMARY KEY, run TEXT, body TEXT)")
    for first in range(0, batch * batches, batch):
        entries = map(entry, range(first, first + batch))
        connection.execute("BEGIN IMMEDIATE")
        rows = [(each.run_id, canonical([each.kind, each.requester, each.host, each.data])) for each in entries]
        connection.executemany("INSERT INTO ledger (run, body) VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    connection.close()


def grow(book: Ledger, records: int) -> None:
    """A long ledger in little time: big batches, and checkpoints signed as each run's end would have been."""
    batch = 5000
    for first in range(0, records, batch):
        book.append(*map(entry, range(first, min(first + batch, records))))
    store = book.checkpoints
    key, kept = store.signer(), []
    store.path.unlink()
    before: Checkpoint | None = None
    ledger = next(iter(book.records(last=records))).hash
    for record in book.records():
        if record.kind == "finished":
            before = signed(key, before, ledger, Point(record.seq, record.hash))
            kept.append(before.line)
    store.path.write_text("".join(f"{line}\n" for line in kept))


def scan(path: Path) -> int:
    """The peer of verification: read every record and do nothing."""
    connection = sqlite3.connect(path)
    count = sum(1 for _ in connection.execute("SELECT seq, time, kind, run_id, body, hash FROM ledger ORDER BY seq"))
    connection.close()
    return count


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        book = book_at(folder / "appended")
        ours: dict[int, list[float]] = {BATCH: [], 1: []}
        peer: dict[int, list[float]] = {BATCH: [], 1: []}
        for _ in range(ROUNDS):
            for batch in (BATCH, 1):
                ours[batch].append(timed(partial(append, book, batch, BATCHES))[0])
                peer[batch].append(timed(partial(plain, folder / "plain.db", batch, BATCHES))[0])
        header("ledger", "sqlite")
        row(f"{BATCH * BATCHES} records, {BATCH} a transaction", ours[BATCH], peer[BATCH], "-")
        row(f"{BATCHES} records, 1 a transaction, every 4th ends", ours[1], peer[1], "-")
        rate = BATCH * BATCHES / sorted(ours[BATCH])[ROUNDS // 2]
        figure("durable appends in batches", f"{rate:,.0f} /s", ">= 2,000 /s")

        book = book_at(folder / "verified")
        grow(book, records)
        taken, report = timed(lambda: audit(book))
        assert (report.sound, report.records) == (True, records), report.findings[:3]
        read, count = timed(lambda: scan(folder / "verified" / "opsctl.db"))
        assert count == records
        row(f"{records:,} records, {report.checkpoints:,} checkpoints, verified", [taken], [read], "-")
        figure("verify 1,000,000 records (extrapolated)", f"{taken * MILLION / records:.1f} s", "< 30 s")


if __name__ == "__main__":
    main()
