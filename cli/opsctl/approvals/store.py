"""The tables of approvals and votes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from opsctl.approvals.people import Person
from opsctl.approvals.state import LIVE, Approval, Ask, Vote
from opsctl.clock import now
from opsctl.db.schema import approvals, runs, votes
from opsctl.runs.process import Owner


@dataclass(frozen=True, slots=True)
class Case:
    """An approval and what it is about."""

    run_id: str
    approval: Approval
    created: str
    decided: str | None
    plan: Mapping[str, Any]
    """What was asked for, parameters masked: `RunRequest.plain()`."""
    findings: tuple[Mapping[str, Any], ...] = ()
    """What is dangerous about it, where that can be told."""
    check: Mapping[str, Any] | None = None
    """What `--check --diff` said: run, digest, changes."""
    seals: Mapping[str, str] = field(default_factory=dict)
    """Secret parameter -> keyed hash of its value."""
    events: tuple[Mapping[str, Any], ...] = ()
    """What happened besides votes: kind, by, time, comment."""

    def noted(self, kind: str, by: Person, comment: str, **more: Any) -> Case:
        """With one more event."""
        return replace(
            self, events=(*self.events, {"kind": kind, "by": by.plain(), "time": now(), "comment": comment, **more})
        )


def add(connection: Connection, case: Case) -> None:
    """A new one."""
    approval = case.approval
    connection.execute(
        insert(approvals).values(
            run_id=case.run_id,
            plan_hash=approval.plan_hash,
            needed=max(ask.needed for ask in approval.asks),
            created=case.created,
            **_changing(case),
        )
    )


def save(connection: Connection, case: Case) -> None:
    """How it stands now; its votes too."""
    connection.execute(update(approvals).where(approvals.c.run_id == case.run_id).values(**_changing(case)))
    connection.execute(delete(votes).where(votes.c.run_id == case.run_id))
    rows = [
        {
            "run_id": case.run_id,
            "uid": vote.person.uid,
            "name": vote.person.name,
            "login": vote.person.login,
            "verdict": vote.verdict,
            "comment": vote.comment,
            "time": vote.time,
        }
        for vote in case.approval.votes
    ]
    if rows:
        connection.execute(insert(votes), rows)


def get(connection: Connection, run_id: str) -> Case | None:
    """That of a run."""
    return next(iter(_cases(connection, approvals.c.run_id == run_id)), None)


def find(connection: Connection, statuses: Iterable[str] = (), count: int = 10_000) -> list[Case]:
    """Those in these states, the newest first; all when none are named."""
    wanted = list(statuses)
    return _cases(connection, approvals.c.status.in_(wanted) if wanted else approvals.c.run_id != "", count)


def stale(connection: Connection, time: str) -> list[Case]:
    """Those whose time is over but not written down as such."""
    return _cases(connection, approvals.c.status.in_(LIVE) & (approvals.c.expires <= time))


def ended(connection: Connection, run_id: str, status: str, message: str) -> bool:
    """A run that will never start; False when it does not wait."""
    waits = (runs.c.id == run_id) & (runs.c.status == "waiting")
    values = {"status": status, "finished": now(), "exit_code": 6, "message": message}
    return connection.execute(update(runs).where(waits).values(**values)).rowcount == 1


def begun(connection: Connection, run_id: str, owner: Owner) -> bool:
    """A run that somebody is about to start; False when it does not wait."""
    waits = (runs.c.id == run_id) & (runs.c.status == "waiting")
    owned = json.dumps(owner.plain())
    return connection.execute(update(runs).where(waits).values(status="pending", owner=owned)).rowcount == 1


def _changing(case: Case) -> dict[str, Any]:
    approval = case.approval
    body = {
        "requester": approval.requester.plain(),
        "asks": [{"rule": ask.rule, "approvers": ask.approvers, "needed": ask.needed} for ask in approval.asks],
        "plan": case.plan,
        "findings": case.findings,
        "check": case.check,
        "seals": case.seals,
        "events": case.events,
    }
    return {
        "status": approval.status,
        "expires": approval.expires,
        "decided": case.decided,
        "body": json.dumps(body, ensure_ascii=True, default=str),
    }


def _cases(connection: Connection, where: Any, count: int = 10_000) -> list[Case]:
    query = select(approvals).where(where).order_by(approvals.c.run_id.desc()).limit(count)
    rows = connection.execute(query).mappings().all()
    cast: dict[str, list[Vote]] = {}
    # In pieces: SQLite takes only so many values in one question.
    for start in range(0, len(rows), 500):
        ids = [row["run_id"] for row in rows[start : start + 500]]
        for row in connection.execute(select(votes).where(votes.c.run_id.in_(ids)).order_by(votes.c.time)).mappings():
            person = Person(row["name"], row["uid"], row["login"])
            cast.setdefault(row["run_id"], []).append(Vote(person, row["verdict"], row["comment"], row["time"]))
    return [_case(row, tuple(cast.get(row["run_id"], ()))) for row in rows]


def _case(row: Mapping[Any, Any], cast: tuple[Vote, ...]) -> Case:
    body = json.loads(row["body"])
    asks = tuple(Ask(ask["rule"], tuple(ask["approvers"]), ask["needed"]) for ask in body["asks"])
    requester = Person.of(body["requester"])
    return Case(
        run_id=row["run_id"],
        approval=Approval(requester, row["plan_hash"], asks, row["expires"], row["status"], cast),
        created=row["created"],
        decided=row["decided"],
        plan=body["plan"],
        findings=tuple(body["findings"]),
        check=body["check"],
        seals=body["seals"],
        events=tuple(body["events"]),
    )
