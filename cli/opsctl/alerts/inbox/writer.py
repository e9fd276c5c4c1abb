"""Writes what many put at once in few transactions: a disk can flush some hundred times a second, no more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox.merge import Taken
from opsctl.db.engine import Database
from opsctl.errors import OpsctlError

WAITING = 10_000
"""Alerts that may wait to be written."""
_TOGETHER = 1000
"""Alerts in one transaction, about."""


class Full(OpsctlError):
    """The inbox cannot take more just now."""

    retry_after = 2
    """Seconds after which to try again."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is written together or not at all."""

    alerts: Sequence[Alert]
    digest: str
    """Of the signed message they came in; empty when there is none."""
    until: int
    """Seconds since the epoch until when the digest is remembered."""
    done: Future[list[Taken]]


class Writer:
    """The one thread of a process that writes alerts, started by the first of them."""

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[Parcel]], list[list[Taken]]],
        written: Callable[[], None],
    ) -> None:
        """`write` puts parcels in, within a transaction, and returns what became of each; `written`: they are in."""
        self._database, self._write, self._written = database, write, written
        self._parcels: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._closed = False
        self.refused = 0
        """Alerts that were not taken because too many waited."""

    def put(self, alerts: Sequence[Alert], digest: str = "", until: int = 0) -> Future[list[Taken]]:
        """What becomes of them is known when they are on the disk.

        Raises:
            Full: too many wait.
        """
        parcel = Parcel(alerts, digest, until, Future())
        with self._lock:
            if self._closed:
                raise Full("The inbox of alerts is closed")
            if self._waiting and self._waiting + len(alerts) > WAITING:
                self.refused += len(alerts)
                raise Full(f"The inbox of alerts is full: {self._waiting} wait to be written; try again")
            self._waiting += len(alerts)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="opsctl-inbox", daemon=True)
                self._thread.start()
            self._parcels.put(parcel)
        return parcel.done

    def close(self, timeout: float = 10) -> None:
        """Write what waits, take nothing more."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._parcels.put(None)
            thread.join(timeout)

    def _run(self) -> None:
        ended = False
        while not ended:
            parcels, ended = self._gathered()
            if parcels:
                self._settle(parcels)

    def _gathered(self) -> tuple[list[Parcel], bool]:
        """The parcels of the next transaction, and whether they are the last."""
        found: list[Parcel] = []
        size = 0
        while size < _TOGETHER:
            try:
                # What came while the last transaction was flushed goes together; nobody is waited for.
                parcel = self._parcels.get(block=not found)
            except queue.Empty:
                break
            if parcel is None:
                return found, True
            found.append(parcel)
            size += len(parcel.alerts)
        return found, False

    def _settle(self, parcels: list[Parcel]) -> None:
        try:
            with self._database.write() as connection:
                answers = self._write(connection, parcels)
        except Exception as error:
            if len(parcels) > 1:
                # What cannot be written must not keep others from being written.
                for parcel in parcels:
                    self._settle([parcel])
                return
            self._count(parcels)
            parcels[0].done.set_exception(error)
            return
        self._count(parcels)
        self._written()
        for parcel, answer in zip(parcels, answers, strict=True):
            parcel.done.set_result(answer)

    def _count(self, parcels: list[Parcel]) -> None:
        with self._lock:
            self._waiting -= sum(len(parcel.alerts) for parcel in parcels)
