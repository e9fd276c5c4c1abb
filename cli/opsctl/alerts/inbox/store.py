"""The inbox: alerts in, alerts out, and waiting for what changes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from opsctl.alerts.alert import SEVERITIES, Alert, Severity, State
from opsctl.alerts.inbox.book import Book, last, move, numbered, store
from opsctl.alerts.inbox.merge import Taken
from opsctl.alerts.inbox.rows import alert as _alert
from opsctl.alerts.inbox.tables import alerts, cursors, opened, remediations, signatures
from opsctl.alerts.inbox.writer import Parcel, Writer
from opsctl.errors import StoreError, UsageError

_PATIENCE = 30.0
"""Seconds that a write may take."""
_LOOK = 0.2
"""Seconds between looks at the file for what other processes change."""
_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts; what is empty does not matter."""

    state: State | None = None
    source: str = ""
    host: str = ""
    group: str = ""
    stack: str = ""
    severity: Severity = "not_classified"
    """This or worse."""
    text: str = ""
    """In its name, host or trigger."""
    since: str = ""
    """Received not before."""


class Inbox:
    """The alerts of one home. Any thread may use it; other processes see what is put in at once."""

    def __init__(self, home: Path) -> None:
        """Opens alerts.db, made when missing.

        Raises:
            StoreError: it cannot be opened.
        """
        self.database = opened(home)
        """For those who keep more in alerts.db: each `write` is one transaction."""
        self._writer = Writer(self.database, self._write, self._tell)
        self._news = threading.Condition()
        self._commits = 0

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and take nothing more."""
        self._writer.close()
        self.database.close()

    @property
    def refused(self) -> int:
        """How many alerts were not taken, so far, because too many waited."""
        return self._writer.refused

    # Putting in

    def put(self, told: Sequence[Alert]) -> list[Taken]:
        """What became of each; all of them are on the disk when this returns.

        Raises:
            Full: too many wait to be written.
            StoreError: they cannot be written.
        """
        try:
            return self.submit(told).result(_PATIENCE)
        except Late:
            raise StoreError(f"Cannot write {self.database.path}: it takes more than {_PATIENCE:.0f} s") from None

    def submit(self, told: Sequence[Alert], digest: str = "", until: int = 0) -> Future[list[Taken]]:
        """As `put`, without waiting. `digest`: of the signed message they came in, remembered `until` then.

        Raises:
            Full: too many wait to be written.
        """
        return self._writer.put(told, digest, until)

    def mark(self, ids: Iterable[str], **values: Any) -> list[Alert]:
        """Change columns of alerts, such as `acknowledged`, by what opsctl itself did; the alerts as they are then."""
        wanted = list(ids)
        with self.database.write() as connection:
            found = [_alert(row) for row in connection.execute(_by_id(wanted)).mappings()]
            changed = [replace(alert, **values) for alert in found]
            changed = numbered(connection, changed)
            store(connection, changed, known={alert.id for alert in found})
        self._tell()
        return changed

    # Taking out

    def get(self, part: str) -> Alert:
        """The alert with this id, or whose id begins or ends with this; `last` is the newest.

        Raises:
            UsageError: none or several are.
        """
        if part == "last":
            if not (newest := self.find(limit=1)):
                raise UsageError("There are no alerts yet")
            return newest[0]
        safe = part.replace("%", "").replace("_", "")
        match = alerts.c.id.like(f"{safe}%") | alerts.c.id.like(f"%{safe}") if len(safe) >= 4 else alerts.c.id == safe
        found = self._all(select(alerts).where(match).limit(3))
        if not found:
            raise UsageError(f"Unknown alert {part}; `opsctl alert list` shows them")
        if len(found) > 1:
            ids = ", ".join(alert.id for alert in found)
            raise UsageError(f"Several alerts begin or end with {part}: {ids}, ...; give more of the id")
        return found[0]

    def known(self, ids: Iterable[str]) -> dict[str, Alert]:
        """Those of these ids that there are."""
        return {alert.id: alert for alert in self._all(_by_id(list(ids)))}

    def keyed(self, source: str, keys: Iterable[str]) -> dict[str, Alert]:
        """Those of a source that there are, by their keys."""
        wanted = list(keys)
        found: dict[str, Alert] = {}
        for first in range(0, len(wanted), _AT_ONCE):
            part = wanted[first : first + _AT_ONCE]
            query = select(alerts).where(alerts.c.source == source, alerts.c.key.in_(part))
            found |= {alert.key: alert for alert in self._all(query)}
        return found

    def firing(self, source: str = "") -> list[Alert]:
        """All that are not over, the oldest first."""
        query = select(alerts).where(alerts.c.state == "firing").order_by(alerts.c.id)
        return self._all(query.where(alerts.c.source == source) if source else query)

    def hosts(self, source: str, kind: str) -> dict[str, str]:
        """The hosts of all that are not over, by their keys. `kind`: a source of this name may have been another."""
        query = select(alerts.c.key, alerts.c.host).where(
            alerts.c.source == source, alerts.c.kind == kind, alerts.c.state == "firing"
        )
        with self.database.read() as connection:
            return {row.key: row.host for row in connection.execute(query)}

    def heard(self) -> dict[str, tuple[int, str]]:
        """Of each source there are alerts of: how many are not over, and when the last one was received."""
        firing = func.count().filter(alerts.c.state == "firing")
        query = select(alerts.c.source, firing, func.max(alerts.c.received)).group_by(alerts.c.source)
        with self.database.read() as connection:
            return {source: (count, last) for source, count, last in connection.execute(query)}

    def find(self, wanted: Filter | None = None, limit: int = 100) -> list[Alert]:
        """Those that match, the newest first."""
        query = _matching(wanted or Filter()).order_by(alerts.c.id.desc()).limit(limit)
        found = self._all(query)
        group = wanted.group if wanted else ""
        return [alert for alert in found if not group or group in alert.groups]

    def changed_since(self, cursor: int, limit: int = 1000) -> tuple[list[Alert], int]:
        """Alerts that changed after this number, in the order of their last changes, and the number to go on from."""
        query = select(alerts).where(alerts.c.change > cursor).order_by(alerts.c.change).limit(limit)
        found = self._all(query)
        return found, found[-1].change if found else cursor

    def wait(self, cursor: int, timeout: float) -> bool:
        """Whether something changed after this number; waits for it so many seconds."""
        end = time.monotonic() + timeout
        while True:
            with self._news:
                seen = self._commits
            if self.newest() > cursor:
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            with self._news:
                if self._commits == seen:
                    self._news.wait(min(left, _LOOK))

    def newest(self) -> int:
        """The number of the last change of any alert."""
        with self.database.read() as connection:
            return last(connection)

    # Cursors of readers, and what was signed

    def cursor(self, name: str) -> str:
        """How far a reader got; empty at first."""
        with self.database.read() as connection:
            return connection.execute(select(cursors.c.value).where(cursors.c.name == name)).scalar() or ""

    def move(self, name: str, value: str) -> None:
        """Keep how far a reader got."""
        with self.database.write() as connection:
            move(connection, name, value)

    def signed(self, now: float) -> dict[str, int]:
        """Digests of signed messages that are still remembered, and until when."""
        with self.database.read() as connection:
            rows = connection.execute(select(signatures).where(signatures.c.until >= int(now)))
            return {row.digest: row.until for row in rows}

    def prune(self, before: str) -> int:
        """Forget alerts that were over before this time, and that no remediation refers to; how many."""
        used = select(remediations.c.alert_id)
        query = delete(alerts).where(alerts.c.state == "resolved", alerts.c.resolved < before, alerts.c.id.not_in(used))
        with self.database.write() as connection:
            return connection.execute(query).rowcount

    def _all(self, query: Select[Any]) -> list[Alert]:
        with self.database.read() as connection:
            return [_alert(row) for row in connection.execute(query).mappings()]

    def _write(self, connection: Connection, parcels: Sequence[Parcel]) -> list[list[Taken]]:
        """One transaction of the writer's."""
        book = Book(connection, [alert for parcel in parcels for alert in parcel.alerts])
        answers = [[book.take(alert) for alert in parcel.alerts] for parcel in parcels]
        stored = book.write(connection)
        signed = [{"digest": parcel.digest, "until": parcel.until} for parcel in parcels if parcel.digest]
        if signed:
            connection.execute(delete(signatures).where(signatures.c.until < int(time.time())))
            connection.execute(upsert(signatures).on_conflict_do_nothing(), signed)
        return [[replace(taken, alert=stored.get(taken.alert.id, taken.alert)) for taken in each] for each in answers]

    def _tell(self) -> None:
        with self._news:
            self._commits += 1
            self._news.notify_all()


def _by_id(ids: list[str]) -> Select[Any]:
    return select(alerts).where(alerts.c.id.in_(ids))


def _matching(wanted: Filter) -> Select[Any]:
    query = select(alerts)
    for column in ("state", "source", "host", "stack"):
        if value := getattr(wanted, column):
            query = query.where(alerts.c[column] == value)
    if wanted.group:
        query = query.where(alerts.c.groups.contains(json.dumps(wanted.group), autoescape=True))
    if wanted.severity != SEVERITIES[0]:
        query = query.where(alerts.c.severity.in_(SEVERITIES[SEVERITIES.index(wanted.severity) :]))
    if wanted.text:
        columns = (alerts.c.name, alerts.c.host, alerts.c.trigger)
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    return query.where(alerts.c.received >= wanted.since) if wanted.since else query
