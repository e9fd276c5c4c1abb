"""The runs table: what is known of each run, and that none stays `running` when nobody runs it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from opsctl.clock import now
from opsctl.db.engine import Database
from opsctl.db.schema import runs
from opsctl.errors import UsageError
from opsctl.runs.locks import release
from opsctl.runs.process import Owner
from opsctl.runs.request import RunRequest

ACTIVE = ("pending", "running", "paused")
"""The states in which somebody must be at work on it."""

ENDED = ("succeeded", "failed", "unreachable", "timeout", "canceled", "lost", "denied", "error")
"""The states that do not change any more. There is one more, `waiting`: for an approval."""


@dataclass(frozen=True, slots=True)
class Run:
    """One row."""

    id: str
    kind: str
    content: str
    action: str
    cloud: str
    requester: dict[str, Any]
    reason: str
    parameters: dict[str, Any]
    targets: dict[str, Any]
    options: dict[str, Any]
    digest: str
    plan_hash: str
    status: str
    created: str
    started: str | None
    finished: str | None
    exit_code: int | None
    message: str | None
    recap: dict[str, Any] | None
    result: Any
    owner: Owner
    spec: dict[str, Any] | None = None
    """What it can be built from again; none for runs of before."""
    parent: str | None = None
    """The run that this one repeats or goes on with."""

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE

    @property
    def name(self) -> str:
        """What ran, for people."""
        return f"{self.content} {self.action}".strip()


class Store:
    """The table. What changes a run together with the ledger takes the ledger's connection."""

    def __init__(self, database: Database) -> None:
        """Of this database."""
        self._database = database

    def add(self, connection: Connection, request: RunRequest, status: str, owner: Owner) -> None:
        """A new run."""
        ended = status in ENDED
        connection.execute(
            insert(runs).values(
                id=request.id,
                kind=request.kind,
                content=request.content,
                action=request.action,
                cloud=request.cloud,
                requester=_text(request.requester.plain()),
                reason=request.reason,
                parameters=_text(request.masked),
                targets=_text(request.targets.plain()),
                options=_text(request.options),
                digest=request.digest,
                plan_hash=request.plan_hash,
                status=status,
                created=request.created,
                finished=now() if ended else None,
                owner=_text(owner.plain()),
                spec=None if request.spec is None else _text(request.spec),
                parent=request.parent or None,
            )
        )

    def move(self, connection: Connection, run_id: str, status: str, **values: Any) -> bool:
        """Change the state of a run that has not ended; False when it has."""
        plain = {name: _text(value) if name in ("recap", "result") else value for name, value in values.items()}
        query = update(runs).where(runs.c.id == run_id, runs.c.status.in_(ACTIVE)).values(status=status, **plain)
        moved = connection.execute(query).rowcount == 1
        if moved and status in ENDED:
            release(connection, run_id)
        return moved

    def active(self) -> list[Run]:
        """Runs that have not ended, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(runs).where(runs.c.status.in_(ACTIVE)).order_by(runs.c.id)).mappings()
            return [_run(row) for row in rows]

    def known(self, ids: Iterable[str]) -> dict[str, Run]:
        """Those of these ids that there are; a few, not thousands."""
        with self._database.read() as connection:
            rows = connection.execute(select(runs).where(runs.c.id.in_(list(ids)))).mappings()
            return {row["id"]: _run(row) for row in rows}

    def last(self, count: int, status: str | None = None, content: str | None = None) -> list[Run]:
        """The newest runs first."""
        query = select(runs).order_by(runs.c.id.desc()).limit(count)
        if status:
            query = query.where(runs.c.status == status)
        if content:
            query = query.where(runs.c.content == content)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def get(self, part: str) -> Run:
        """The run with this id, or whose id begins or ends with this; `last` is the newest.

        Raises:
            UsageError: none or several are.
        """
        if part == "last":
            newest = self.last(1)
            if not newest:
                raise UsageError("There are no runs yet; `opsctl run scenario NAME` starts one")
            return newest[0]
        safe = part.replace("%", "").replace("_", "")
        match = runs.c.id.like(f"{safe}%") | runs.c.id.like(f"%{safe}") if len(safe) >= 4 else runs.c.id == safe
        with self._database.read() as connection:
            found = [_run(row) for row in connection.execute(select(runs).where(match).limit(3)).mappings()]
        if not found:
            raise UsageError(f"Unknown run {part}; `opsctl runs list` shows them")
        if len(found) > 1:
            raise UsageError(
                f"Several runs begin or end with {part}: {', '.join(run.id for run in found)}, ...; give more of the id"
            )
        return found[0]

    def tasks(self, content: str, action: str) -> int:
        """How many tasks the last good run of this had: what a progress bar can count on. 0 = unknown."""
        query = (
            select(runs.c.recap)
            .where(runs.c.content == content, runs.c.action == action, runs.c.status == "succeeded")
            .order_by(runs.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return 0 if row is None or not row[0] else int(json.loads(row[0]).get("tasks", 0))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)


def _run(row: RowMapping | Mapping[str, Any]) -> Run:
    values = dict(row)
    for name in ("requester", "parameters", "targets", "options", "recap", "result", "spec"):
        values[name] = None if values[name] is None else json.loads(values[name])
    values["owner"] = Owner(**json.loads(values["owner"]))
    return Run(**values)
