"""Reads what is not sent yet: the ledger by number, the journals from their cursors on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

from opsctl.errors import StoreError
from opsctl.events.ship.audit import identity, line
from opsctl.events.ship.document import Origin, Translator
from opsctl.events.ship.parcel import Parcel
from opsctl.events.ship.state import LEDGER, Cursor
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Record

LONGEST = 4 << 20
"""Bytes of a line that is read whole. Of a longer one the document has the beginning; the journal has all of it."""

_BLOCK = 1 << 20
_SLICE = 1000
"""Records of the ledger in one look at the database, so that no transaction lasts as long as the sending."""

_HEAD = 16_000


def ledger(book: Ledger, cursor: Cursor, origin: Origin) -> Iterator[Parcel]:
    """The records after the cursor; all of them when it is not a place in this ledger."""
    if cursor.seq and not _continues(book, cursor):
        cursor = Cursor()
    after = cursor.seq
    while records := _records(book, after + 1):
        for record in records:
            name, text = line(record, origin)
            yield Parcel(name, text, LEDGER, Cursor(0, record.seq, 0, name))
        after = records[-1].seq


def before(book: Ledger, seq: int) -> Cursor:
    """The place in front of a record."""
    found = _records(book, seq - 1, 1)
    if seq <= 1 or not found or found[0].seq >= seq:
        return Cursor()
    return Cursor(0, found[0].seq, 0, identity(found[0]))


def _continues(book: Ledger, cursor: Cursor) -> bool:
    found = _records(book, cursor.seq, 1)
    return bool(found) and found[0].seq == cursor.seq and identity(found[0]) == cursor.digest


def _records(book: Ledger, first: int, count: int = _SLICE) -> list[Record]:
    with book.snapshot(first) as snapshot:
        return list(islice(snapshot.records, count))


def journal(path: Path, cursor: Cursor, origin: Origin, about: Mapping[str, str] | None = None) -> Iterator[Parcel]:
    """The events after the cursor, as far as they are written; all of them when the journal is another than before."""
    run_id = path.stem
    translator, salt = Translator(run_id, origin, about), run_id.encode() + b"\n"
    try:
        with path.open("rb") as file:
            if cursor.position:
                if _known(file, cursor, salt):
                    file.seek(0)
                    _learn(translator, file.readline(LONGEST))
                else:
                    cursor = Cursor()
            file.seek(cursor.position)
            yield from _parcels(file, translator, salt, run_id, cursor)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror}") from error


def passed_over(path: Path, cursor: Cursor, origin: Origin) -> Iterator[Parcel]:
    """One document that stands for all events after the cursor: they are not sent, because too much waits."""
    run_id, start, end = path.stem, 0, 0
    salt = run_id.encode() + b"\n"
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start, end, seq, time = _last(file, size)
            digest = _digest(file, start, end, salt).hexdigest()[:40]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    missing = seq - cursor.seq
    if end <= cursor.position or missing <= 0:
        return
    text = f"{missing} events of run {run_id} were not sent: too much was waiting; `opsctl logs ship replay` sends them"
    record = {"seq": seq, "time": time, "event": "events_dropped", "stdout": text, "data": {"missing": missing}}
    name = hashlib.sha256(salt + f"dropped {cursor.seq} {seq}".encode()).hexdigest()[:40]
    line = Translator(run_id, origin).line(json.dumps(record).encode(), name)
    yield Parcel(name, line, run_id, Cursor(end, seq, start, digest), dropped=missing)


def _known(file: IO[bytes], cursor: Cursor, salt: bytes) -> bool:
    if file.seek(0, 2) < cursor.position or cursor.start >= cursor.position:
        return False
    found: str = _digest(file, cursor.start, cursor.position, salt).hexdigest()[:40]
    return found == cursor.digest


def _digest(file: IO[bytes], start: int, end: int, salt: bytes) -> Any:
    """Of a line without its end."""
    found = hashlib.sha256(salt)
    file.seek(start)
    left = end - 1 - start
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        found.update(block)
        left -= len(block)
    return found


def _learn(translator: Translator, first: bytes) -> None:
    try:
        record = json.loads(first)
    except ValueError:
        return
    if isinstance(record, Mapping):
        translator.learn(record)


def _parcels(file: IO[bytes], translator: Translator, salt: bytes, run_id: str, cursor: Cursor) -> Iterator[Parcel]:
    position, seq = cursor.position, cursor.seq
    while raw := file.readline(LONGEST):
        digest = hashlib.sha256(salt)
        length = len(raw)
        if not raw.endswith(b"\n"):
            if length < LONGEST:
                # Not written to its end yet, or torn by a crash; its writer cuts it off.
                return
            digest.update(raw)
            rest = _skip(file, digest)
            if rest is None:
                return
            length += rest
            raw = _beginning(raw, length)
        else:
            raw = raw[:-1]
            digest.update(raw)
        name = digest.hexdigest()[:40]
        start, position = position, position + length
        try:
            line, broken = translator.line(raw, name), ""
            seq = _number(raw)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            line, broken = b"", f"the line at byte {start} is not a record: {type(error).__name__}"
        yield Parcel(name, line, run_id, Cursor(position, seq, start, name), broken=broken)


def _number(raw: bytes) -> int:
    """The record's, without reading all of it a second time: the journal's writer puts it first."""
    head = raw[: raw.index(b",")]
    return int(head.rpartition(b":")[2])


def _skip(file: IO[bytes], digest: Any) -> int | None:
    """Pass over the rest of a line; its length, None when it has no end yet."""
    length = 0
    while block := file.readline(_BLOCK):
        length += len(block)
        if block.endswith(b"\n"):
            digest.update(block[:-1])
            return length
        digest.update(block)
    return None


def _beginning(head: bytes, length: int) -> bytes:
    """A record with what stands before the first long value, from the beginning of a line that is too long."""
    places = [place for mark in (b',"stdout":"', b',"data":{') if (place := head.find(mark)) > 0]
    try:
        record = json.loads(head[: min(places)] + b"}")
    except (ValueError, RecursionError):
        return head[:100]
    text = ""
    stdout = head.find(b',"stdout":"')
    if stdout == min(places):
        text = _string(head[stdout + 11 : stdout + 11 + _HEAD])
    record["stdout"] = f"{text}\n[an event of {length} bytes: the journal has all of it]".lstrip()
    return json.dumps(record).encode("ascii")


def _string(raw: bytes) -> str:
    """The text of a JSON string whose end is missing."""
    for cut in range(13):
        try:
            return str(json.loads(b'"' + raw[: len(raw) - cut] + b'"'))
        except ValueError:
            continue
    return ""


def _last(file: IO[bytes], size: int) -> tuple[int, int, int, str]:
    """Where the last whole line begins and ends, its number and time."""
    tail, position = b"", size
    while position > 0 and tail.count(b"\n") < 2:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        tail = file.read(step) + tail
    end = tail.rfind(b"\n") + 1
    if not end:
        raise ValueError("no whole line")
    start = tail.rfind(b"\n", 0, end - 1) + 1
    head = tail[start:end]
    record = json.loads(head if len(head) < LONGEST else _beginning(head, len(head)))
    return position + start, position + end, int(record["seq"]), str(record["time"])
