"""What a run's rate does, as events of the run and as sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsctl.pace.brake import End, event


def began(batch: int, of: int, hosts: Sequence[str], play: str = "") -> dict[str, Any]:
    """A batch begins."""
    where = f" of play {play}" if play else ""
    text = f"Batch {batch} of {of}{where}: {count(len(hosts), 'host')}"
    return event("batch_start", text, {"batch": batch, "of": of, "hosts": list(hosts)})


def done(batch: int, of: int, errors: int) -> dict[str, Any]:
    """A batch is over."""
    text = f"Batch {batch} of {of} is over, {count(errors, 'error')} so far"
    return event("batch_end", text, {"batch": batch, "of": of, "errors": errors})


def left(hosts: Sequence[str]) -> dict[str, Any]:
    """Hosts that never began, at the end."""
    return event("not_started", f"{count(len(hosts), 'host')} not started", {"hosts": list(hosts)})


def match(host: str, pattern: str) -> str:
    """Why no more hosts begin."""
    return f"stopped: output of {host} matches '{pattern}'"


def asks(batch: int, of: int) -> str:
    """Why a run waits after a batch."""
    return f"after batch {batch} of {of}"


def ended(end: End, text: str, errors: int, waiting: int) -> str:
    """Why a run ended before its hosts had their turn: the message of the run."""
    first = {"errors": f"stopped after {count(errors, 'error')}", "batch": "all hosts of a batch failed"}
    return f"{first.get(end, text)}, {count(waiting, 'host')} not started"


def count(number: int, what: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} {what}" + ("" if number == 1 else "s")
