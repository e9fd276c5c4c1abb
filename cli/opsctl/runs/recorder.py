"""The one consumer of a run's events: redact, append to the journal, show."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from opsctl.errors import OpsctlError
from opsctl.events.journal import Journal
from opsctl.events.large import STREAMS, divided
from opsctl.events.redact import Redactor
from opsctl.events.seam import Seam
from opsctl.events.translate import translate
from opsctl.runs.progress import Progress

BOUND = 20_000
"""Events that may wait. A full queue makes Ansible wait, not lose events; `stalls` counts how often."""
HEAVY = 64 * 1024
"""Characters of output from which on an event counts by its size too."""
LOAD = 64 * 1024 * 1024
"""Characters of heavy events that may wait; one event may always, however large it is."""

_DURABLE = frozenset({"task_start", "play_start", "host_failed", "host_unreachable", "stats"})
_ENDS = frozenset({"host_ok", "host_failed", "host_unreachable", "host_retry"})
_SYNC = 0.05
"""Seconds that a record which must be durable may wait while others come without a pause."""
_POLL = 0.001


class View(Protocol):
    """Shows a run. `show` must not block: it is called between two writes of the journal."""

    def stopping(self, *, again: bool) -> None:
        """The user wants it to stop; `again` = by force. Called from a signal handler."""

    def show(self, record: dict[str, Any], progress: Progress) -> None:
        """One record was appended; `progress` is the state after it."""


class Recorder:
    """Takes ansible-runner's events from any thread and records them in one of its own."""

    def __init__(self, journal: Journal, redactor: Redactor, view: View, on_error: Callable[[], None]) -> None:
        """`on_error` is called once, in the consumer's thread, when recording is not possible any more."""
        self.progress = Progress()
        self.error: OpsctlError | None = None
        self.stalls = 0
        self._journal = journal
        self._redactor = redactor
        self._view = view
        self._on_error = on_error
        self._seams: dict[tuple[str, str], tuple[Seam, dict[str, Any]]] = {}
        self._due = False
        self._synced = 0.0
        self._load = 0
        self._loading = threading.Lock()
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._consume, name="recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events that were taken and are not recorded yet."""
        return self._queue.qsize()

    def put(self, event: dict[str, Any]) -> None:
        """Take an event of ansible-runner. Waits only while as much waits already as may."""
        weight = _weight(event)
        if self._queue.qsize() >= BOUND or (weight and self._load + weight > LOAD):
            self.stalls += 1
            while self._queue.qsize() >= BOUND or (weight and self._load and self._load + weight > LOAD):
                time.sleep(_POLL)
        if weight:
            with self._loading:
                self._load += weight
        self._queue.put(event)

    def finish(self) -> None:
        """Record all that was taken, durably. Raises what went wrong in between.

        Raises:
            StoreError: the journal cannot be written.
        """
        self._queue.put(None)
        self._thread.join()
        if self.error is not None:
            raise self.error
        for key in list(self._seams):
            self._rest(key)
        self._journal.sync()

    def note(self, record: dict[str, Any]) -> None:
        """Append a record of our own (run_start, run_end); only before the first event or after `finish`."""
        self._take(record)
        self._journal.sync()

    def _consume(self) -> None:
        while (event := self._queue.get()) is not None:
            weight = _weight(event)
            try:
                if self.error is None:
                    self._record(event)
            except Exception as error:
                # A run that cannot be recorded must not go on, whatever the reason.
                unforeseen = OpsctlError(f"Cannot record the run: {type(error).__name__}: {error}")
                self.error = error if isinstance(error, OpsctlError) else unforeseen
                self._on_error()
            finally:
                if weight:
                    with self._loading:
                        self._load -= weight

    def _record(self, event: dict[str, Any]) -> None:
        record = translate(event)
        if record is None:
            return
        for part in divided(record):
            self._part(part)
        kind = record["event"]
        self._due = self._due or kind in _DURABLE
        idle = self._queue.empty()
        if self._due and (idle or time.monotonic() - self._synced > _SYNC):
            self._journal.sync()
            self._due, self._synced = False, time.monotonic()
        elif idle:
            self._journal.flush()

    def _part(self, record: dict[str, Any]) -> None:
        kind = record["event"]
        if kind == "host_output":
            self._output(record)
            return
        if kind in _ENDS and self._seams:
            for stream in STREAMS:
                self._rest((record.get("host", ""), stream))
        self._take(record)

    def _output(self, record: dict[str, Any]) -> None:
        """A piece of a stream: what is torn between two pieces is put together before it is looked at."""
        key = (record.get("host", ""), record.get("data", {}).get("res", {}).get("stream", "stdout"))
        seam = self._seams[key][0] if key in self._seams else Seam(self._redactor)
        self._seams[key] = (seam, {**record, "stdout": ""})
        self._tell(record, seam.take(record.get("stdout", "")))

    def _rest(self, key: tuple[str, str]) -> None:
        seam, last = self._seams.pop(key, (None, {}))
        self._tell(last, seam.rest() if seam else "")

    def _tell(self, record: dict[str, Any], text: str) -> None:
        """Append a piece that is free of secrets already."""
        if text:
            cleaned, _ = self._redactor.line({name: value for name, value in record.items() if name != "stdout"})
            self._append(cleaned | {"stdout": text})

    def _take(self, record: dict[str, Any]) -> None:
        self._append(*self._redactor.record(record))

    def _append(self, record: dict[str, Any], text: str | None = None) -> None:
        numbered = self._journal.append(record, text)
        self.progress.apply(numbered)
        self._view.show(numbered, self.progress)


def _weight(event: dict[str, Any]) -> int:
    """Characters of output in an event, when they are many; 0 for others."""
    result = (event.get("event_data") or {}).get("res")
    size = len(event.get("stdout") or "")
    if isinstance(result, dict):
        size += sum(len(text) for name in STREAMS if isinstance(text := result.get(name), str))
    return size if size > HEAVY else 0
