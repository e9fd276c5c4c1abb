"""Orders runs and follows them by their records: the worker's word only says when to look."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

from opsctl.alerts.machine import State
from opsctl.alerts.remedy.outcome import Outcome, Said, outcome
from opsctl.alerts.remedy.store import Remedy
from opsctl.alerts.remedy.workers import Workers
from opsctl.errors import OpsctlError
from opsctl.orders.spec import Spec
from opsctl.pace.control import Order, ask
from opsctl.runs.desk import Desk
from opsctl.runs.process import sweep
from opsctl.runs.request import me
from opsctl.runs.store import Run

_LOOK = 0.3
"""Seconds between looks at records when nobody said anything."""
_REAP = 2.0
"""Seconds between looks for runs whose process was killed."""
_APPROVAL = 1.0
"""Seconds between looks at approvals."""
_HARD = 60.0
"""Seconds after which a run that was asked to end is ended by force."""


class Follow:
    """The runs of open remediations."""

    def __init__(self, desk: Desk, workers: Workers, tell: Callable[[str], None]) -> None:
        """`tell` hears of what is tried again."""
        self._desk = desk
        self._workers = workers
        self._tell = tell
        self._said: dict[str, Said] = {}
        self._runs: dict[str, Run] = {}
        self._looked = self._reaped = self._asked = 0.0
        self._ending: dict[str, float] = {}

    def look(self, going: Iterable[Remedy], now: float) -> None:
        """Hear what workers said, and read the records when it is time."""
        heard = self._workers.heard()
        for said in heard:
            about = self._said.setdefault(said["run"], Said())
            if said["said"] == "error" and said["kind"] != "waiting":
                about.error, about.kind = said["text"], said["kind"]
            elif said["said"] == "ended":
                about.ended = True
        ids = {remedy.run_id for remedy in going} | {str(remedy.result.get("check") or "") for remedy in going}
        ids -= {""}
        if ids and (heard or now - self._looked >= _LOOK or not ids <= self._said.keys()):
            self._looked = now
            self._runs = self._desk.store.known(ids)
            if now - self._reaped >= _REAP and any(run.active and run.owner.gone for run in self._runs.values()):
                self._reaped = now
                self._desk.reap()
        if now - self._asked >= _APPROVAL:
            self._asked = now
            for run in self._runs.values():
                if run.status == "waiting" and run.id in ids:
                    self._resume(run)

    def outcome(self, remedy: Remedy, run: str, state: State) -> Outcome:
        """What follows for a remediation that waits for this run."""
        return outcome(state, self._runs.get(run), self._said.setdefault(run, Said()))

    def order(self, run: str, spec: Spec, *, resume: bool = False) -> None:
        """Have it done. When that is not possible now, the next turn tries again."""
        said = self._said.setdefault(run, Said())
        try:
            self._workers.order(run, spec.plain(frozenset()), resume=resume)
        except OpsctlError as error:
            self._tell(f"{error}; it is tried again")
            return
        said.orders += 1
        said.ended, said.error, said.kind = False, "", ""

    def end(self, remedy: Remedy, now: float) -> None:
        """Its time is up: ask the run to end, then end it by force."""
        run = self._runs.get(remedy.run_id)
        if run is None:
            # It never began: its worker hangs, or is gone.
            said = self._said.setdefault(remedy.run_id, Said())
            said.error, said.kind = "it did not begin in time", "failed"
            return
        since = self._ending.setdefault(run.id, now)
        if since == now:
            with suppress(OpsctlError):
                ask(self._desk.home, run.id, Order("cancel", me().plain()))
        elif now - since > _HARD and run.active and not run.owner.gone and run.owner.host == os.uname().nodename:
            sweep(run.id, 1)
            with suppress(OSError):
                os.kill(run.owner.pid, signal.SIGKILL)

    def drop(self, remedy: Remedy) -> None:
        """Forget it: it is over."""
        for run in (remedy.run_id, str(remedy.result.get("check") or "")):
            self._said.pop(run, None)
            self._runs.pop(run, None)
            self._ending.pop(run, None)

    def withdraw(self, run: str, why: str) -> None:
        """Ask for the approval of a run no longer."""
        with suppress(OpsctlError):
            self._desk.gate.withdraw(run, why)

    def _resume(self, run: Run) -> None:
        """Start what has been approved meanwhile; nobody else does."""
        said = self._said.setdefault(run.id, Said())
        if said.orders and not said.ended:
            return
        with suppress(OpsctlError):
            self._desk.gate.settle()
            if self._desk.gate.get(run.id).approval.status == "approved" and said.orders < 3:
                said.orders += 1
                said.ended, said.error, said.kind = False, "", ""
                self._workers.order(run.id, {}, resume=True)
