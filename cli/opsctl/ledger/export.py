"""The ledger as a file for others: JSON lines without loss, or CSV for people.

JSON lines, in this order: `{"export":{...},"signature":"..."}`, signed, says what the file holds; then
`{"hash":"...","record":{...}}`, the record in the very characters its hash is made of; after the record that it signs,
`{"checkpoint":{...}}`. A record that was damaged in the store is `{"damaged":{...},"hash":"..."}` with its columns.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from opsctl.clock import now
from opsctl.db.engine import refused
from opsctl.errors import StoreError, UsageError
from opsctl.ledger.anchor import Point, sync_directory
from opsctl.ledger.book import Ledger
from opsctl.ledger.checkpoint import Checkpoint, parse
from opsctl.ledger.key import PublicKey, Signer
from opsctl.ledger.record import Record, canonical
from opsctl.ledger.ring import Ring, ring

DOMAIN = "opsctl ledger export 1\n"

_COLUMNS = ("seq", "time", "kind", "run_id")
_CSV = (*_COLUMNS, "requester", "uid", "host", "data", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an export holds: the records after `start` up to `end`."""

    ledger: str
    start: Point
    end: Point
    number: int
    """Of the first checkpoint."""
    time: str
    handovers: tuple[str, ...] = ()
    """All lines by which one key handed over to the next, so that whoever has any of them can verify."""

    @property
    def _said(self) -> dict[str, object]:
        said = asdict(self)
        if not self.handovers:
            del said["handovers"]
        return {**said, "version": 1}

    def line(self, signer: Signer) -> str:
        """As written."""
        claim = (DOMAIN + canonical(self._said)).encode()
        return canonical({"export": self._said, "signature": signer.sign(claim)})

    @classmethod
    def read(cls, line: str, key: PublicKey) -> tuple[Header, Ring] | None:
        """What a line says, and all keys; None when it is not exactly what the owner of the keys wrote."""
        try:
            said, signature = (loaded := json.loads(line))["export"], loaded["signature"]
            places = Point(**said["start"]), Point(**said["end"])
            handed = tuple(map(str, said.get("handovers", ())))
            found = cls(said["ledger"], *places, said["number"], said["time"], handed)
            keys = ring(key, found.handovers)
            exact = canonical({"export": found._said, "signature": signature}) == line
            proven = keys.keys[-1].proves((DOMAIN + canonical(found._said)).encode(), signature)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return (found, keys) if exact and proven else None


def first_of(ledger: Ledger, since: str | None) -> int:
    """The number of the first record that `--since` means: a number, or a time (UTC unless it says otherwise).

    Raises:
        UsageError: it is neither, or nothing is as new.
    """
    from datetime import UTC, datetime

    from opsctl.clock import stamp

    if since is None:
        return 1
    if since.isdecimal() and since.isascii() and int(since) > 0 and len(since) < 8:
        return int(since)
    try:
        moment = datetime.fromisoformat(since)
        found = ledger.first_since(stamp((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since {since}: neither a record's number nor a time such as 2026-11-21T12:00") from error
    if found is None:
        raise UsageError(f"--since {since}: no record is as new; `opsctl audit list` shows the newest")
    return found


def jsonl(ledger: Ledger, first: int) -> Iterator[str]:
    """The lines of an export that proves itself: a checkpoint is made when the last record has none."""
    last = ledger.checkpoint()
    if last is None or first > last.seq:
        raise UsageError(f"Nothing to export: the ledger has {last.seq if last else 0} records")
    signer = ledger.signer()
    with ledger.snapshot(max(1, first - 1)) as snapshot:
        signed = _from(ledger.checkpoints.lines(snapshot.size), first)
        handovers = ring(signer.public, ledger.checkpoints.lines(snapshot.size)).handovers
        handed = tuple(found.line for found in handovers)
        records = snapshot.records
        start = Point()
        if first > 1:
            before = next(records, None)
            if before is None or before.seq != first - 1:
                raise StoreError(f"Cannot export from record {first}: the one before is missing; export all")
            start = Point(before.seq, str(before.hash))
        following = next(signed, None)
        number = following.number if following else 0
        yield Header(last.ledger, start, last.point, number, now(), handed).line(signer)
        for record in records:
            if record.seq > last.seq:
                break
            yield _line(record)
            while following is not None and following.seq <= record.seq:
                yield f'{{"checkpoint":{following.line}}}'
                following = next(signed, None)


def table(ledger: Ledger, first: int) -> Iterator[str]:
    """The lines of a CSV (RFC 4180), its header first. Nothing in it is taken for a formula."""
    yield _csv(_CSV)
    with ledger.snapshot(first) as snapshot:
        for record in snapshot.records:
            try:
                content = record.content
                requester = content["requester"]
                told = [
                    requester.get("name", ""),
                    requester.get("uid", ""),
                    content["host"],
                    canonical(content["data"]),
                ]
            except (ValueError, TypeError, KeyError, AttributeError):
                told = ["", "", "", str(record.body)]
            yield _csv([*(getattr(record, name) for name in _COLUMNS), *told, record.hash])


@contextmanager
def target(path: Path | None) -> Iterator[IO[str]]:
    """Where an export goes: stdout, or a file (0600) that appears whole and durable or not at all."""
    if path is None:
        yield sys.stdout
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise refused(error, path) from error
    finally:
        fresh.unlink(missing_ok=True)


def _from(lines: Iterator[str], first: int) -> Iterator[Checkpoint]:
    return (found for line in lines if (found := parse(line)) is not None and found.seq >= first)


def _line(record: Record) -> str:
    hashed = canonical(record.hash)
    if _faithful(record):
        return f'{{"hash":{hashed},"record":{record.body}}}'
    columns = {name: getattr(record, name) for name in (*_COLUMNS, "body")}
    try:
        return canonical({"damaged": columns, "hash": record.hash})
    except TypeError as error:
        raise StoreError(
            f"Cannot export record {record.seq}: it was changed to bytes; `opsctl audit verify`"
        ) from error


def _faithful(record: Record) -> bool:
    """Whether the body alone says all there is to say."""
    try:
        content = record.content
    except (ValueError, TypeError):
        return False
    return (
        isinstance(content, dict)
        and canonical(content) == record.body
        and all(content.get(name) == getattr(record, name) for name in _COLUMNS)
    )


def _csv(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(_harmless(cell) for cell in cells)
    return buffer.getvalue()


def _harmless(cell: object) -> object:
    if isinstance(cell, int):
        return cell
    text = str(cell).encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
