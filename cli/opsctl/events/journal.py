"""The journal of one run: events as lines of JSON, numbered from 1 without gaps.

A line is there when its newline is. What was written is durable after `sync`, which the recorder calls where a task
begins and at the end of the run; after a crash a torn last line is dropped by readers and cut by the next writer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from opsctl.db.engine import refused, spoken
from opsctl.errors import StoreError
from opsctl.events.redact import dumped

PRUNED = "pruned"
"""The file beside the journals that says which were removed: {run, time, by, bytes}, a line each."""

_BLOCK = 1 << 20


class Journal:
    """The writing end. One process at a time."""

    def __init__(self, path: Path) -> None:
        """Continues the file where it ends, or makes it (0600, its directory 0700)."""
        self.path = path
        with spoken(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.seq = _repair(self._file)
        self._pending: list[bytes] = []
        self._waiting = 0

    def append(self, record: dict[str, Any], text: str | None = None) -> dict[str, Any]:
        """Number a record and take it; it is in the file after the next `flush` at the latest.

        `text`: the record as JSON, where that is known.
        """
        self.seq += 1
        numbered = {"seq": self.seq, **record}
        if text is None or text == "{}":
            line = encode(numbered)
        else:
            line = b'{"seq":%d,%s\n' % (self.seq, text[1:].encode("ascii"))
        self._pending.append(line)
        self._waiting += len(line)
        if self._waiting > _BLOCK:
            self.flush()
        return numbered

    def flush(self) -> None:
        """Write what was taken.

        Raises:
            StoreError: it cannot be written (DiskFull: no space). What was taken stays taken; a torn line is cut off.
        """
        if not self._pending:
            return
        before = os.fstat(self._file).st_size
        try:
            _write(self._file, b"".join(self._pending))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise refused(error, self.path) from error
        self._pending.clear()
        self._waiting = 0

    def sync(self) -> None:
        """Flush, and make it survive a power cut."""
        self.flush()
        with spoken(self.path):
            os.fdatasync(self._file)

    def close(self) -> None:
        """End writing, durably."""
        try:
            self.sync()
        finally:
            os.close(self._file)


def encode(record: dict[str, Any]) -> bytes:
    """One line. Text that is not valid Unicode survives as escapes."""
    return dumped(record).encode("ascii") + b"\n"


def read(path: Path, after: int = 0, *, sound: bool = True) -> Iterator[dict[str, Any]]:
    """The records with a higher number than `after`; damaged lines are passed over, unless it must be `sound`.

    Raises:
        StoreError: there is no such journal, or a line of it is damaged.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file, path, after, sound=sound)
    except FileNotFoundError:
        raise StoreError(gone(path)) from None
    except OSError as error:
        raise refused(error, path) from error


def gone(path: Path) -> str:
    """Why there is no such journal, in a line."""
    with suppress(OSError, ValueError), path.with_name(PRUNED).open(encoding="utf-8") as file:
        for line in file:
            if path.stem in line and (pruned := json.loads(line))["run"] == path.stem:
                when, by = pruned["time"][:19].replace("T", " "), pruned["by"]
                return f"The journal of run {path.stem} was pruned on {when} by {by}; the run's record and ledger stay"
    return f"Cannot read {path}: the journal is gone"


def follow(path: Path, over: Callable[[], bool], interval: float = 0.2) -> Iterator[dict[str, Any]]:
    """As `read`, and what comes while `over()` is false; the journal need not be there yet.

    Raises:
        StoreError: it is over and there is no journal, or a line of it is damaged.
    """
    while not path.exists():
        if over():
            if not path.exists():
                raise StoreError(gone(path))
            break
        time.sleep(interval)
    with path.open("rb") as file:
        while True:
            # Asked before reading: what was written before it was over is read.
            last = over()
            yield from _lines(file, path, 0)
            if last:
                return
            time.sleep(interval)


def _lines(file: Any, path: Path, after: int, *, sound: bool = True) -> Iterator[dict[str, Any]]:
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(start)
            return
        record = _record(line)
        if record is None:
            if sound:
                raise StoreError(f"Cannot read {path}: damaged at byte {start}")
        elif record["seq"] > after:
            yield record


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        sound = isinstance(record["seq"], int) and isinstance(record["event"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if sound else None


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _repair(file: int) -> int:
    """Cut a torn last line; the number of the last whole one. Damaged lines before it stay, and count."""
    size = position = os.fstat(file).st_size
    tail, end, damaged = b"", 0, 0
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        tail = os.pread(file, step, position) + tail
        if not end and (newline := tail.rfind(b"\n") + 1):
            end = position + newline
            tail = tail[:newline]
        # The first line of what was read may lack its beginning.
        lines = tail.split(b"\n")[:-1] if end else []
        while len(lines) > (position > 0):
            record = _record(lines.pop())
            if record is not None:
                return _cut(file, size, end, record["seq"] + damaged)
            damaged += 1
            tail = b"\n".join([*lines, b""]) if lines else b""
    return _cut(file, size, end, damaged)


def _cut(file: int, size: int, end: int, seq: int) -> int:
    if end < size:
        os.ftruncate(file, end)
    return seq
