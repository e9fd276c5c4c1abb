"""What an order would do, without doing it; and what `--check --diff` of it said, when that was asked for."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from opsctl.approvals.preview import base, changes, kept
from opsctl.clock import stamp
from opsctl.db.engine import Database
from opsctl.db.schema import runs
from opsctl.events.journal import read
from opsctl.policy.decide import case_of, decide
from opsctl.policy.finding import worst
from opsctl.runs.request import RunRequest

if TYPE_CHECKING:
    from opsctl.orders.build import Order
    from opsctl.orders.spec import Spec

_COLUMNS = ("kind", "content", "action", "cloud", "targets", "parameters", "options", "digest")
_TEXTS = ("targets", "parameters", "options")


def planned(home: Path, order: Order, check: dict[str, Any] | None = None) -> dict[str, Any]:
    """The plan for programs: what, where, what is dangerous about it, and what policy says."""
    request = order.request
    judged = case_of(request)
    decision = decide(request, home.stat().st_uid)
    return {
        **request.plain(),
        "risk": None if judged.findings is None else worst(judged.findings),
        "findings": [finding.plain() for finding in judged.findings or ()],
        "decision": {
            **decision.plain(),
            "asks": [
                {"rule": grant.name, "approvers": list(grant.approvers) or ["owner"], "needed": grant.needed or 1}
                for grant in decision.asking
            ],
        },
        "check": check,
    }


def checking(spec: Spec) -> Spec:
    """The spec of the check of a spec."""
    return replace(spec, check=True, diff=True, emergency="")


def said(home: Path, run_id: str, status: str) -> dict[str, Any]:
    """What a check run said, as an approval keeps it."""
    path = home / "journal" / f"{run_id}.ndjson"
    return kept(run_id, status, changes(read(path)) if path.exists() else [])


def preview(home: Path, database: Database, request: RunRequest, seconds: float) -> dict[str, Any] | None:
    """What the newest check of this plan said, when there was a good one within so many seconds."""
    if request.check:
        return None
    query = (
        select(runs.c.id, runs.c.status, *(runs.c[name] for name in _COLUMNS))
        .where(runs.c.kind == request.kind, runs.c.content == request.content, runs.c.action == request.action)
        .where(runs.c.status == "succeeded", runs.c.created >= stamp(time.time() - seconds))
        .order_by(runs.c.id.desc())
        .limit(200)
    )
    wanted = base(request.plain())
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
    for row in rows:
        plan = {name: json.loads(row[name]) if name in _TEXTS else row[name] for name in _COLUMNS}
        if plan["options"].get("check") and plan["options"].get("diff") and base(plan) == wanted:
            return said(home, row["id"], row["status"])
    return None
