"""One transaction of the inbox: what is known of the alerts that were told of, changed, numbered, stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert as upsert

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox.merge import Taken, merged
from opsctl.alerts.inbox.rows import alert as _alert
from opsctl.alerts.inbox.rows import row as _row
from opsctl.alerts.inbox.tables import alerts, cursors

_AT_ONCE = 400
_CHANGE = "change"
_UPDATE = (
    update(alerts)
    .where(alerts.c.id == bindparam("known"))
    .values({column.name: bindparam(column.name) for column in alerts.c if column.name != "id"})
)


class Book:
    """The alerts that one transaction is about: those that are known, changed as they are told of."""

    def __init__(self, connection: Connection, told: Sequence[Alert]) -> None:
        """`connection` holds the write lock."""
        self._now: dict[tuple[str, str], Alert] = {}
        self._known: set[str] = set()
        self._dirty: dict[str, Alert] = {}
        pairs = list({(alert.source, alert.key) for alert in told})
        for first in range(0, len(pairs), _AT_ONCE):
            part = pairs[first : first + _AT_ONCE]
            query = select(alerts).where(tuple_(alerts.c.source, alerts.c.key).in_(part))
            for row in connection.execute(query).mappings():
                known = _alert(row)
                self._now[known.source, known.key] = known
                self._known.add(known.id)
        self._families = self._relatives(connection, told)

    def take(self, told: Alert) -> Taken:
        """What becomes of one; nothing is stored yet."""
        place = (told.source, told.key)
        old = self._now.get(place)
        taken = merged(old, told)
        if taken is None:
            assert old is not None  # noqa: S101 - only a known one can be another
            # The key names a new occurrence now; the one that is over gets a name of its own.
            over = old.ended(max(told.started, old.started)) if old.firing else old
            self._set(replace(over, key=f"{old.key} ({old.id})"))
            taken = merged(None, told)
            assert taken is not None  # noqa: S101
        if taken.what != "same":
            self._now[place] = taken.alert
            self._set(taken.alert)
        if taken.what == "new" and taken.alert.firing:
            self._supersede(taken.alert)
        return taken

    def write(self, connection: Connection) -> dict[str, Alert]:
        """Store what changed; the alerts with their numbers, by id."""
        changed = numbered(connection, list(self._dirty.values()))
        store(connection, changed, self._known)
        return {alert.id: alert for alert in changed}

    def _set(self, alert: Alert) -> None:
        self._dirty.pop(alert.id, None)
        self._dirty[alert.id] = alert

    def _relatives(self, connection: Connection, told: Sequence[Alert]) -> dict[tuple[str, str], list[str]]:
        """Keys of earlier occurrences that still fire, of alerts whose source may have forgotten to end them."""
        found: dict[tuple[str, str], list[str]] = {}
        for family in {family for alert in told if alert.firing and (family := _family(alert))}:
            source, begin = family
            query = select(alerts).where(
                alerts.c.source == source,
                alerts.c.key > begin,
                alerts.c.key < begin + "\x7f",
                alerts.c.state == "firing",
            )
            for row in connection.execute(query).mappings():
                known = _alert(row)
                self._known.add(known.id)
                self._now.setdefault((known.source, known.key), known)
                found.setdefault(family, []).append(known.key)
        return found

    def _supersede(self, alert: Alert) -> None:
        """The same fingerprint began anew: Alertmanager was restarted and never said that the one before is over."""
        family = _family(alert)
        if not family:
            return
        for key in self._families.setdefault(family, []):
            before = self._now[alert.source, key]
            if before.firing and before.started < alert.started:
                self._now[alert.source, key] = over = before.ended(alert.started)
                self._set(over)
        self._families[family].append(alert.key)


def _family(alert: Alert) -> tuple[str, str] | None:
    """Source and beginning of the key that all occurrences of one thing share, where there is such a beginning."""
    fingerprint, mark, _ = alert.key.partition("@")
    return (alert.source, fingerprint + mark) if alert.kind == "alertmanager" and mark else None


def last(connection: Connection) -> int:
    """The number of the last change of any alert."""
    value = connection.execute(select(cursors.c.value).where(cursors.c.name == _CHANGE)).scalar()
    return int(value or 0)


def numbered(connection: Connection, changed: list[Alert]) -> list[Alert]:
    """The same, with the numbers of this change; within a transaction that holds the write lock."""
    if not changed:
        return []
    before = last(connection)
    move(connection, _CHANGE, str(before + len(changed)))
    return [replace(alert, change=before + number) for number, alert in enumerate(changed, start=1)]


def move(connection: Connection, name: str, value: str) -> None:
    """Keep how far a reader of that name got."""
    statement = upsert(cursors).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def store(connection: Connection, changed: Sequence[Alert], known: set[str]) -> None:
    """Rows that are there first: one of them may give up its key to a new one."""
    rows: list[Mapping[str, Any]] = [_row(alert) for alert in changed]
    if again := [{**row, "known": row["id"]} for row in rows if row["id"] in known]:
        connection.execute(_UPDATE, again)
    if fresh := [row for row in rows if row["id"] not in known]:
        connection.execute(insert(alerts), fresh)
