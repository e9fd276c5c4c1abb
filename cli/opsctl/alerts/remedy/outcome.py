"""What a run's record, and what its worker said, mean for the remediation that waits for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.alerts.machine import Event, State
from opsctl.runs.store import ENDED, Run

_HOPELESS = frozenset({"denied", "unusable"})
"""What would come again just so."""


@dataclass
class Said:
    """What the worker said of a run, as far as it was heard."""

    error: str = ""
    kind: str = ""
    ended: bool = False
    orders: int = 0
    """How often it was ordered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The event, why, and what to remember; no event = nothing new."""

    event: Event | None = None
    text: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    order: bool = False
    """It must be ordered (again): there is no run, and nobody is at work on one."""


ORDERS = 3
"""How often a run is ordered that never comes to be recorded, since its worker was killed each time."""


def outcome(state: State, run: Run | None, said: Said) -> Outcome:
    """What follows for a remediation in `starting`, `waiting`, `running` or `undoing`."""
    if run is None:
        return _unknown(said)
    if run.status == "succeeded":
        return Outcome("succeeded", f"run {run.id} succeeded", _about(run))
    if run.status in ENDED:
        kind = "denied" if run.status == "denied" else "failed"
        why = f": {run.message}" if run.message else ""
        return Outcome("fails", f"run {run.id}: {run.status}{why}", {**_about(run), "error": run.message, "kind": kind})
    if run.status == "waiting":
        return _waiting(state, run, said)
    if state in ("starting", "waiting") and run.status in ("running", "paused"):
        return Outcome("started", f"run {run.id} runs")
    return Outcome()


def hopeless(result: Mapping[str, Any]) -> bool:
    """Whether it failed for a reason that another attempt would meet too."""
    return result.get("kind") in _HOPELESS


def _waiting(state: State, run: Run, said: Said) -> Outcome:
    if said.error:
        # Approved, and yet it could not be started: something changed since it was asked for.
        return Outcome("fails", said.error, {"run": run.id, "error": said.error, "kind": said.kind})
    return Outcome("waits", f"run {run.id} waits for an approval") if state == "starting" else Outcome()


def _unknown(said: Said) -> Outcome:
    if said.error:
        return Outcome("fails", said.error, {"error": said.error, "kind": said.kind})
    if said.orders == 0:
        return Outcome(order=True)
    if not said.ended:
        return Outcome()
    if said.orders < ORDERS:
        return Outcome(order=True)
    text = f"its worker was ended from outside {said.orders} times; is there enough memory?"
    return Outcome("fails", text, {"error": text, "kind": "failed"})


def _about(run: Run) -> dict[str, Any]:
    """What is remembered of a run; the rest is in its own record."""
    changed = sorted(host for host, counts in (run.recap or {}).get("hosts", {}).items() if counts.get("changed"))
    return {"run": run.id, "status": run.status, "ended": run.finished or "", "changed": changed}
