"""How a run ended: its state and why. Pure."""

from __future__ import annotations

from opsctl.runs.execute import KILLED, Outcome
from opsctl.runs.progress import Progress

_STOPPED = {
    "errors": "failed",
    "batch": "failed",
    "matched": "failed",
    "unanswered": "timeout",
    "canceled": "canceled",
    "broken": "error",
}


def judge(outcome: Outcome, progress: Progress, canceled_by: str = "") -> tuple[str, str]:
    """The run's state and why, from the exit status; the events only say which of two things a status means."""
    if outcome.why in _STOPPED and (outcome.text or outcome.why == "canceled"):
        return _STOPPED[outcome.why], outcome.text or f"canceled by {canceled_by or 'the user'}"
    first = progress.failures[0] if progress.failures else None
    text = f"{first.host}: {first.task}: {first.message}" if first else ""
    if outcome.why == "timeout":
        # It came to its own end when only single hosts had no more time.
        return "timeout", text if progress.complete and text else f"stopped after {outcome.seconds:.0f} s"
    if outcome.status == 0:
        return "succeeded", ""
    # Ansible ends with 4 both for unreachable hosts and for a playbook it cannot parse; only the first has a recap.
    if outcome.status in (2, 4, 8) and progress.complete:
        broken = progress.count("failed") or (outcome.status == 2 and not progress.count("unreachable"))
        return ("failed" if broken else "unreachable"), outcome.text or text
    if outcome.status == KILLED or outcome.status > 128:
        return "error", "Ansible was killed from outside; is there enough memory?"
    return "error", progress.complaint or f"Ansible ended with status {outcome.status}"
