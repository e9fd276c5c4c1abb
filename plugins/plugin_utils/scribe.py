# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a run's records to a file from a thread of its own: who tells it something never waits and never fails."""

from __future__ import annotations

import collections
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.opsctl.cloud.plugins.plugin_utils.redact import MASK, Redactor
from ansible_collections.opsctl.cloud.plugins.plugin_utils.said import said

BOUND = 20_000
"""Records that may wait to be written; what comes while so many wait is counted and left out."""

_LARGEST = 64 << 20
"""Bytes that may wait for a disk that takes none."""

_PAUSE = 0.2
"""Seconds in which records gather: few long turns of the thread cost the play less than many short ones."""

_PATIENCE = 10
"""Seconds the end may take."""

_DURABLE = frozenset({"run_start", "play_start", "task_start", "host_failed", "host_unreachable", "stats", "run_end"})


class Scribe:
    """One file. Numbers the records, takes secrets out of them, writes them as lines of JSON."""

    def __init__(self, path: str, secrets: set[str], more: Callable[[], set[str]]) -> None:
        """Make the file (0600). `more` gives the secrets that came to light since it was called last.

        Raises:
            OSError: it cannot be made.
        """
        self.dropped = 0
        self.complaint = ""
        """Why nothing can be written; empty when all is well."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._secrets, self._more = set(secrets), more
        self._redactor = Redactor(self._secrets)
        self._queue: collections.deque[dict[str, Any]] = collections.deque()
        self._wake = threading.Event()
        self._over = False
        self._seq = 0
        self._pending: list[bytes] = []
        self._waiting = 0
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    def put(self, record: dict[str, Any]) -> None:
        """Take a record: {time: seconds, event, ...}. It must not be changed after."""
        if len(self._queue) >= BOUND:
            self.dropped += 1
            return
        self._queue.append(record)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, last: Mapping[str, Any]) -> None:
        """Write what was taken, and `last` at the end, with the number of those left out."""
        self._queue.append({"time": time.time(), "event": "run_end", "data": last})
        self._over = True
        self._wake.set()
        self._thread.join(_PATIENCE)

    def _write_all(self) -> None:
        while True:
            # Asked before the queue is emptied: what was put before it was over is written.
            over = self._over
            try:
                self._write_some()
            except Exception as error:
                self.complaint = f"{type(error).__name__}: {error}"
            if over:
                return
            self._wake.wait()
            self._wake.clear()
            time.sleep(_PAUSE)

    def _write_some(self) -> None:
        durable = False
        while self._queue:
            record = self._queue.popleft()
            durable = durable or record["event"] in _DURABLE
            self._take(record)
        if self._pending:
            self._flush()
            if durable:
                os.fdatasync(self._file)
            self.complaint = ""

    def _take(self, record: dict[str, Any]) -> None:
        if self._waiting > _LARGEST:
            self.dropped += 1
            return
        fresh = self._more() - self._secrets
        if fresh:
            self._secrets |= fresh
            self._redactor = Redactor(self._secrets)
        if record["event"] == "run_end":
            record["data"] = {**record["data"], "dropped": self.dropped}
        record["time"] = _stamp(record["time"])
        if spoken := said(record):
            record["stdout"] = spoken
        self._seq += 1
        text = self._redactor.json(_ENCODER.encode({"seq": self._seq, **record}))
        line = text.encode("ascii") + b"\n"
        self._pending.append(line)
        self._waiting += len(line)
        if self._waiting > 1 << 20:
            self._flush()

    def _flush(self) -> None:
        """Write what is pending; a line that could not be written whole is cut off again, and tried again later."""
        before = os.fstat(self._file).st_size
        try:
            view = memoryview(b"".join(self._pending))
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, before)
            raise
        self._pending.clear()
        self._waiting = 0


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """What JSON does not know. A value that is still encrypted must not be asked for its text: that decrypts it."""
    if type(value).__name__ == "EncryptedString":
        return MASK
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=_plain)
