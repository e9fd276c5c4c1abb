"""What a run with `--check --diff` said of a plan, found among the runs and kept with the approval of that plan."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import select

from opsctl.approvals.preview import base, changes, kept
from opsctl.clock import stamp
from opsctl.db.engine import Database
from opsctl.db.schema import runs
from opsctl.events.journal import read
from opsctl.runs.request import RunRequest

_COLUMNS = ("kind", "content", "action", "cloud", "targets", "parameters", "options", "digest")
_TEXTS = ("targets", "parameters", "options")


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
