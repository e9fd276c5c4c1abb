"""What notices and the ledger say about an approval."""

from __future__ import annotations

import os
from typing import Any

from opsctl.approvals.people import Person
from opsctl.approvals.state import LIVE, named
from opsctl.approvals.store import Case
from opsctl.ledger.record import Entry

_LONGEST = 2000
"""Characters of a comment."""


def described(case: Case) -> dict[str, Any]:
    """What a notice says about it."""
    plan, approval = case.plan, case.approval
    targets = plan["targets"]
    hosts = _hosts(targets["hosts"]) if targets.get("digest") else ""
    places = [hosts, targets.get("stack") and f"stack {targets['stack']}", targets.get("limit")]
    return {
        "run": case.run_id,
        "what": f"{plan['kind']} {plan['content']} {plan['action']}".strip(),
        "cloud": plan["cloud"],
        "targets": "; ".join(part for part in places if part),
        "by": approval.requester.text,
        "reason": plan["reason"],
        "rules": [ask.rule for ask in approval.asks],
        "needed": sum(ask.needed for ask in approval.asks),
        "approvers": named(approval.asks),
        "risk": plan.get("risk"),
        "expires": approval.expires if approval.status in LIVE else None,
        "plan_hash": approval.plan_hash[:16],
        "machine": os.uname().nodename,
        "status": approval.status,
    }


def _hosts(names: list[str]) -> str:
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{len(names)} host{'' if len(names) == 1 else 's'}: {', '.join(names[:5])}{rest}"


def entry(kind: str, case: Case, person: Person, data: dict[str, Any]) -> Entry:
    about = {"status": case.approval.status, "asked_by": case.approval.requester.plain()}
    message = {"message": data.get("comment") or data.get("reason") or ""}
    return Entry(kind, case.run_id, person.plain(), os.uname().nodename, {**message, **data, **about})


def clean(text: str) -> str:
    """A comment without control characters and surrogates, of bounded length."""
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    return shown[:_LONGEST]
