"""Whether a run may begin: what policy says, what is recorded of it, and the approval that may be needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opsctl.errors import Denied, Waiting
from opsctl.ledger.record import Entry
from opsctl.policy.decide import Decision, decide
from opsctl.runs.locks import Lock
from opsctl.runs.process import myself
from opsctl.runs.request import RunRequest, me

if TYPE_CHECKING:
    from opsctl.runs.desk import Desk


def ask(desk: Desk, request: RunRequest, emergency: str, covered: str) -> bool:
    """Whether an approval is needed and there: given to what this checks (`covered`), or the glass was broken.

    Raises:
        Denied, Waiting: policy; the run is recorded as `denied` or `waiting`.
    """
    decision = decide(request, desk.home.stat().st_uid)
    asked = decision.verdict == "approve"
    if covered and asked and desk.gate.covers(covered, request):
        decision = Decision("allow", decision.rule, f"check of run {covered}, which is approved")
    urgent = bool(emergency) and decision.verdict == "approve"
    try:
        _enter(desk, request, decision, emergency if urgent else "")
    except Denied as error:
        # Nothing of it was kept; that somebody tried is.
        decision = Decision("deny", decision.rule, str(error))
        _enter(desk, request, decision, "")
    if decision.verdict == "deny":
        raise Denied(f"Denied by rule {decision.rule}: {decision.text} (run {request.id})")
    if decision.verdict == "approve":
        desk.gate.flush()
        if not urgent:
            raise Waiting(
                f"Run {request.id} waits for an approval: {decision.text}; `opsctl approvals show {request.id}` "
                "says whose, `opsctl approvals start` starts it then"
            )
    return asked


def claim(desk: Desk, request: RunRequest, check: dict[str, Any] | None, locks: Sequence[Lock]) -> None:
    """Let a run that waited begin, by whoever calls this.

    Raises:
        Denied: it was not approved, something changed since, or policy has changed its mind.
    """
    owner = desk.home.stat().st_uid
    mine = decide(replace(request, requester=me()), owner)
    if mine.verdict == "deny":
        raise Denied(f"Run {request.id}: denied by rule {mine.rule}: {mine.text}")
    desk.gate.claim(request, decide(request, owner), check, locks)


def entry(request: RunRequest, kind: str, data: Mapping[str, Any]) -> Entry:
    """A record of the ledger on a run."""
    return Entry(kind, request.id, request.requester.plain(), os.uname().nodename, data)


def _enter(desk: Desk, request: RunRequest, decision: Decision, emergency: str) -> None:
    """What was asked and decided, with what follows from it, in one transaction."""
    waits = "pending" if emergency else "waiting"
    status = {"allow": "pending", "deny": "denied", "approve": waits}[decision.verdict]
    check = desk.gate.preview(request) if status == "waiting" else None
    with desk.ledger.writing() as writing:
        desk.store.add(writing.connection, request, status, myself())
        writing.append(entry(request, "asked", request.plain()), entry(request, "decided", decision.plain()))
        if emergency:
            desk.gate.break_glass(writing, request, decision, emergency)
        elif decision.verdict == "approve":
            desk.gate.open(writing, request, decision, check)
