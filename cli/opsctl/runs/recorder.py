"""The one consumer of a run's events: redact, append to the journal, show."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from opsctl.errors import OpsctlError
from opsctl.events.journal import Journal
from opsctl.events.redact import Redactor
from opsctl.events.translate import translate
from opsctl.runs.progress import Progress

BOUND = 20_000
"""Events that may wait. A full queue makes Ansible wait, not lose events; `stalls` counts how often."""

_DURABLE = frozenset({"task_start", "play_start", "host_failed", "host_unreachable", "stats"})


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
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(BOUND)
        self._thread = threading.Thread(target=self._consume, name="recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events that were taken and are not recorded yet."""
        return self._queue.qsize()

    def put(self, event: dict[str, Any]) -> None:
        """Take an event of ansible-runner."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.stalls += 1
            self._queue.put(event)

    def finish(self) -> None:
        """Record all that was taken, durably. Raises what went wrong in between.

        Raises:
            StoreError: the journal cannot be written.
        """
        self._queue.put(None)
        self._thread.join()
        if self.error is None:
            self._journal.sync()
        else:
            raise self.error

    def note(self, record: dict[str, Any]) -> None:
        """Append a record of our own (run_start, run_end); only before the first event or after `finish`."""
        self._take(self._redactor.clean(record))
        self._journal.sync()

    def _consume(self) -> None:
        while (event := self._queue.get()) is not None:
            if self.error is not None:
                continue
            try:
                self._record(event)
            except Exception as error:
                # A run that cannot be recorded must not go on, whatever the reason.
                unforeseen = OpsctlError(f"Cannot record the run: {type(error).__name__}: {error}")
                self.error = error if isinstance(error, OpsctlError) else unforeseen
                self._on_error()

    def _record(self, event: dict[str, Any]) -> None:
        record = translate(event)
        if record is None:
            return
        self._take(self._redactor.clean(record))
        if record["event"] in _DURABLE:
            self._journal.sync()
        elif self._queue.empty():
            self._journal.flush()

    def _take(self, record: dict[str, Any]) -> None:
        numbered = self._journal.append(record)
        self.progress.apply(numbered)
        self._view.show(numbered, self.progress)
