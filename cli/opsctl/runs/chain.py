"""Several executions of one playbook, one after the other: each for some hosts, from a task of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsctl.runs.execute import Execution, Job, Outcome, Why
from opsctl.runs.workspace import write

_CALM = (0, 2, 4)
"""Exit statuses after which the other hosts still get their turn: some failed, some could not be reached."""


class Chain:
    """Runs the links in order; ends early when it is stopped or Ansible itself fails."""

    def __init__(self, job: Job, links: Mapping[str, tuple[str, ...]], make: Callable[[Job], Any] = Execution) -> None:
        """`links`: task -> the hosts that begin there; no task = from the first, no hosts = all. `make`: runs one."""
        self.job = job
        self._make = make
        self.why: Why = ""
        self._links = dict(links)
        self._now: Any = None

    def stop(self, why: Why) -> None:
        """Ask the one that runs to stop, and let no other begin; the second time, end it by force."""
        self.why = self.why or why
        if self._now is not None:
            self._now.stop(why)

    def run(self, on_event: Callable[[dict[str, Any]], None]) -> Outcome:
        """All links."""
        began, status, text = time.monotonic(), 0, ""
        for number, (begin, hosts) in enumerate(self._links.items()):
            left = self.job.timeout - int(time.monotonic() - began)
            if not self.why and left <= 0:
                self.why = "timeout"
            if self.why or status not in _CALM:
                break
            self._now = self._make(replace(self._link(number, begin, hosts), timeout=left))
            outcome = self._now.run(on_event)
            self.why = self.why or outcome.why
            status, text = _worse(status, outcome.status), text or outcome.text
        self._now = None
        return Outcome(status, self.why, time.monotonic() - began, text)

    def _link(self, number: int, begin: str, hosts: tuple[str, ...]) -> Job:
        space = _folder(self.job.space / f"link{number}")
        limit = self.job.limit
        if hosts:
            write(space / "limit", "".join(f"{host}\n" for host in hosts))
            limit = f"@{space / 'limit'}"
        return replace(self.job, space=space, begin=begin, limit=limit)


def _folder(space: Path) -> Path:
    space.mkdir(mode=0o700)
    for name in ("env", "project", "tmp"):
        (space / name).mkdir(mode=0o700)
    return space


def _worse(one: int, other: int) -> int:
    """Ansible's own mistakes, then failed hosts, then unreachable ones."""
    if {one, other} <= set(_CALM):
        return 2 if 2 in (one, other) else max(one, other)
    return next(status for status in (other, one) if status not in _CALM)
