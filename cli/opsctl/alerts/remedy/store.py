"""The remediations of one home: each step of one is a transaction, together with its line in the story."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from opsctl.alerts.inbox.tables import remediations, silences, steps
from opsctl.alerts.machine import ENDS, Event, State, moved
from opsctl.clock import now, uuid7
from opsctl.db.engine import Database
from opsctl.errors import UsageError

_AT_ONCE = 500
"""Values in one question."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One attempt of one rule at one alert."""

    id: str
    alert_id: str
    rule: str
    rule_version: str
    attempt: int = 1
    parent: str = ""
    """The attempt that this one follows."""
    state: State = "matched"
    run_id: str = ""
    """Stored before the run is started; while undoing, the run that undoes."""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    """Why it was decided so: verdict, guard, reason, the rules that were passed over."""
    created: str = ""
    updated: str = ""
    until: str = ""
    """When it is looked at again, or its time is up; empty = it waits for something else."""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether something is still to happen."""
        return self.state not in ENDS

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "verdict": dict(self.verdict),
            "result": dict(self.result),
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the story of a remediation."""

    seq: int
    remediation_id: str
    time: str
    state: str
    text: str
    data: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"seq": self.seq, "time": self.time, "state": self.state, "text": self.text, "data": dict(self.data)}


@dataclass(frozen=True, slots=True)
class Claim:
    """A new remediation, the event it takes at once, and the first line of its story."""

    new: Remedy
    event: Event
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


def fresh(alert_id: str, rule: str, version: str, *, attempt: int = 1, parent: str = "") -> Remedy:
    """A remediation that is not stored yet."""
    moment = now()
    return Remedy(uuid7(), alert_id, rule, version, attempt, parent, created=moment, updated=moment)


class Remedies:
    """The tables of remediations, their steps, and silences."""

    def __init__(self, database: Database) -> None:
        """Of this alerts.db."""
        self.database = database

    def claim(self, new: Remedy, event: Event, text: str, data: Mapping[str, Any] | None = None) -> Remedy | None:
        """Store a new one that already took this event; None when this attempt is somebody's already."""
        won = self.claims([Claim(new, event, text, data or {})])
        return won[0] if won else None

    def claims(self, wanted: Sequence[Claim]) -> list[Remedy]:
        """Many claims in one transaction; those that were won."""
        won = []
        with self.database.write() as connection:
            for claim in wanted:
                after = replace(claim.new, state=moved(claim.new.state, claim.event), updated=now())
                if _insert(connection, after, claim.text, claim.data):
                    won.append(after)
        return won

    def move(
        self, remedy: Remedy, event: Event, text: str, data: Mapping[str, Any] | None = None, **changes: Any
    ) -> Remedy | None:
        """One move and its line; None when it is not any more what the caller thinks.

        Raises:
            Impossible: the event does not belong there.
        """
        after = replace(remedy, state=moved(remedy.state, event), updated=now(), **changes)
        with self.database.write() as connection:
            return after if _update(connection, remedy, after, text, data) else None

    def again(self, failed: Remedy, new: Remedy, text: str) -> Remedy | None:
        """Let another attempt take over, in one transaction: `new` starts, `failed` is done with."""
        old = replace(failed, state=moved(failed.state, "again"), updated=now())
        new = replace(new, state=moved(new.state, "go"), updated=now())
        with self.database.write() as connection:
            if not _update(connection, failed, old, text, {"next": new.id}):
                return None
            taken = _insert(connection, new, text, {"parent": failed.id})
        return new if taken else None

    def tell(self, remedy: Remedy, text: str, data: Mapping[str, Any] | None = None) -> None:
        """Add a line to the story; nothing moves."""
        with self.database.write() as connection:
            _line(connection, remedy, text, data)

    def note(self, remedy: Remedy, text: str, *, until: str | None = None, **result: Any) -> Remedy | None:
        """Remember parts of the result, others stay, with a line; the state stays. None: as of `move`."""
        kept = remedy.until if until is None else until
        after = replace(remedy, result={**remedy.result, **result}, until=kept, updated=now())
        with self.database.write() as connection:
            return after if _update(connection, remedy, after, text, result) else None

    def told(self, remedy: Remedy) -> None:
        """Remember that the source of its alert knows how it ended; that is no part of the story."""
        query = update(remediations).where(remediations.c.id == remedy.id)
        with self.database.write() as connection:
            connection.execute(query.values(result=_text({**remedy.result, "told": True})))

    def of_ids(self, ids: Iterable[str]) -> list[Remedy]:
        """Those of these ids that there are."""
        query = select(remediations).where(remediations.c.id.in_(list(ids)))
        with self.database.read() as connection:
            return [_remedy(row) for row in connection.execute(query).mappings()]

    def open(self) -> list[Remedy]:
        """Those that have not ended, the oldest first."""
        query = select(remediations).where(remediations.c.state.not_in(ENDS)).order_by(remediations.c.id)
        with self.database.read() as connection:
            return [_remedy(row) for row in connection.execute(query).mappings()]

    def of_alerts(self, ids: Iterable[str]) -> dict[str, list[Remedy]]:
        """Those of each of these alerts that has any, in the order of attempts."""
        found: dict[str, list[Remedy]] = {}
        wanted = list(ids)
        with self.database.read() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                part = remediations.c.alert_id.in_(wanted[start : start + _AT_ONCE])
                rows = connection.execute(select(remediations).where(part).order_by(remediations.c.id)).mappings()
                for row in rows:
                    found.setdefault(row["alert_id"], []).append(_remedy(row))
        return found

    def since(self, time: str, *, without: Iterable[State] = ()) -> list[Remedy]:
        """Those that were made or moved at or after this time, the oldest first; not those in some states."""
        query = select(remediations).where(remediations.c.updated >= time, remediations.c.state.not_in(set(without)))
        with self.database.read() as connection:
            return [_remedy(row) for row in connection.execute(query.order_by(remediations.c.id)).mappings()]

    def last(self, count: int, states: Sequence[str] = ()) -> list[Remedy]:
        """The newest first."""
        query = select(remediations).order_by(remediations.c.id.desc()).limit(count)
        if states:
            query = query.where(remediations.c.state.in_(states))
        with self.database.read() as connection:
            return [_remedy(row) for row in connection.execute(query).mappings()]

    def of_run(self, run_id: str) -> Remedy | None:
        """The one that started this run, for whatever."""
        query = select(steps.c.remediation_id).where(func.json_extract(steps.c.data, "$.run") == run_id).limit(1)
        with self.database.read() as connection:
            named = connection.execute(query).scalar()
            query = select(remediations).where(remediations.c.id == (named or ""))
            row = connection.execute(query.limit(1)).mappings().first()
        return None if row is None else _remedy(row)

    def get(self, part: str) -> Remedy:
        """The one whose id begins or ends with this.

        Raises:
            UsageError: none or several do.
        """
        safe = part.replace("%", "").replace("_", "")
        column = remediations.c.id
        match = column.like(f"{safe}%") | column.like(f"%{safe}") if len(safe) >= 4 else column == safe
        with self.database.read() as connection:
            found = [_remedy(row) for row in connection.execute(select(remediations).where(match).limit(3)).mappings()]
        if len(found) != 1:
            many = f"Several remediations begin or end with {part}; give more of the id"
            raise UsageError(many if found else f"Unknown remediation {part}; `opsctl alert list` shows them")
        return found[0]

    def story(self, ids: Iterable[str]) -> list[Step]:
        """What happened to these, in order."""
        query = select(steps).where(steps.c.remediation_id.in_(list(ids))).order_by(steps.c.seq)
        with self.database.read() as connection:
            return [_step(row) for row in connection.execute(query).mappings()]

    def told_since(self, seq: int, most: int = 1000) -> list[tuple[Step, Remedy]]:
        """Steps with a higher number, each with its remediation as it stands now."""
        query = (
            select(steps, *(column.label(f"r_{column.name}") for column in remediations.c))
            .join(remediations, remediations.c.id == steps.c.remediation_id)
            .where(steps.c.seq > seq)
            .order_by(steps.c.seq)
            .limit(most)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            (_step(row), _remedy({column.name: row[f"r_{column.name}"] for column in remediations.c})) for row in rows
        ]

    def newest(self) -> int:
        """The number of the last step."""
        with self.database.read() as connection:
            return int(connection.execute(select(func.max(steps.c.seq))).scalar() or 0)

    def silence(self, name: str, hosts: Sequence[str], until: str, remediation_id: str) -> None:
        """Remember that monitoring keeps quiet about these hosts; before it is told so."""
        values = {"hosts": _text(list(hosts)), "until": until, "remediation_id": remediation_id}
        with self.database.write() as connection:
            connection.execute(delete(silences).where(silences.c.name == name))
            connection.execute(insert(silences).values(name=name, **values))

    def lifted(self, name: str) -> None:
        """Forget a silence; after it was given back."""
        with self.database.write() as connection:
            connection.execute(delete(silences).where(silences.c.name == name))

    def silences(self) -> list[dict[str, Any]]:
        """All: name, hosts, until, remediation_id."""
        with self.database.read() as connection:
            rows = connection.execute(select(silences)).mappings().all()
        return [{**row, "hosts": json.loads(row["hosts"])} for row in rows]


_CLAIM = upsert(remediations).on_conflict_do_nothing()
_LINE = insert(steps)


def _insert(connection: Connection, remedy: Remedy, text: str, data: Mapping[str, Any] | None) -> bool:
    values = remedy.plain() | {"verdict": _text(remedy.verdict), "result": _text(remedy.result)}
    if connection.execute(_CLAIM, values).rowcount != 1:
        return False
    _line(connection, remedy, text, data)
    return True


def _update(connection: Connection, before: Remedy, after: Remedy, text: str, data: Mapping[str, Any] | None) -> bool:
    mine = (remediations.c.id == before.id) & (remediations.c.state == before.state)
    # A state may be left and come back to; the moment of the last move may not.
    mine &= remediations.c.updated == before.updated
    values = {
        "state": after.state,
        "run_id": after.run_id,
        "verdict": _text(after.verdict),
        "updated": after.updated,
        "until": after.until,
        "result": _text(after.result),
    }
    if connection.execute(update(remediations).where(mine).values(**values)).rowcount != 1:
        return False
    _line(connection, after, text, data)
    return True


def _line(connection: Connection, remedy: Remedy, text: str, data: Mapping[str, Any] | None) -> None:
    said = {**({"run": remedy.run_id} if remedy.run_id else {}), **(data or {})}
    values = {"time": now(), "state": remedy.state, "text": text, "data": _text(said)}
    connection.execute(_LINE, {"remediation_id": remedy.id, **values})


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)


def _remedy(row: RowMapping | Mapping[str, Any]) -> Remedy:
    values = {name: row[name] for name in Remedy.__slots__}
    for name in ("parent", "run_id", "until"):
        values[name] = values[name] or ""
    for name in ("verdict", "result"):
        values[name] = json.loads(values[name]) if values[name] else {}
    return Remedy(**values)


def _step(row: RowMapping) -> Step:
    return Step(row["seq"], row["remediation_id"], row["time"], row["state"], row["text"], json.loads(row["data"]))
