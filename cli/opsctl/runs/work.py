"""What a run is made of: the work it does, what does it, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from opsctl.clouds import Access
from opsctl.pace.brake import Brake
from opsctl.runs.execute import Job, Outcome, Why
from opsctl.runs.locks import Lock
from opsctl.runs.progress import Progress
from opsctl.runs.store import Run

EXIT = {
    "succeeded": 0,
    "error": 1,
    "failed": 3,
    "unreachable": 4,
    "timeout": 5,
    "denied": 6,
    "waiting": 7,
    "canceled": 130,
}


class Running(Protocol):
    """Something at work on a job, that can be stopped from a signal handler."""

    @property
    def why(self) -> Why:
        """Who stopped it; empty while nobody has."""

    def stop(self, why: Why) -> None:
        """Ask it to stop; the second time, by force."""

    def run(self, on_event: Callable[[dict[str, Any]], None]) -> Outcome:
        """To the end; events have the shape of ansible-runner's."""


@dataclass(frozen=True, slots=True)
class Work:
    """What turns a request into a job: known once policy has agreed."""

    access: Callable[[], Access]
    """The way to the cloud; called after the decision, may start the local cloud."""
    title: str = ""
    """Kind `module`: what its one task is called. Module and arguments are the request's content and parameters."""
    pick: Callable[[dict[str, Any]], Any] = dict
    """Kind `module`: what of its return values is the run's result."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the content needs besides the cloud's."""
    execution: Callable[[Job, Callable[[], int], Brake], Running] | None = None
    """What does it, when that is not Ansible; it is told how many records wait for the journal, and what holds it."""
    conclude: Callable[[Path], Any] | None = None
    """The run's result from its journal, where it is not in what a playbook sets."""
    locks: tuple[Lock, ...] = ()
    """What it changes."""
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    """Values to mask besides the request's and the environment's."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    run: Run
    progress: Progress

    @property
    def stopped(self) -> bool:
        """Whether it did not come to its own end."""
        return self.run.status in ("canceled", "timeout", "error")

    @property
    def exit_code(self) -> int:
        """The process's."""
        return self.run.exit_code if self.run.exit_code is not None else 1
