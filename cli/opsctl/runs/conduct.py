"""A run from request to record: decide, record, prepare, execute, record."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from opsctl.approvals.gate import Gate
from opsctl.clock import now
from opsctl.clouds import Access, secrets
from opsctl.db.engine import Database, opened
from opsctl.errors import Canceled, OpsctlError
from opsctl.events.journal import Journal, read
from opsctl.events.redact import Redactor
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
from opsctl.pace.brake import Brake
from opsctl.pace.talk import Paced
from opsctl.policy.ceiling import ceilings
from opsctl.policy.load import load
from opsctl.runs import admit, hold
from opsctl.runs.admit import entry
from opsctl.runs.chain import Chain
from opsctl.runs.execute import Execution, Job, Outcome, Why, task
from opsctl.runs.judge import judge
from opsctl.runs.locks import Lock
from opsctl.runs.process import sweep
from opsctl.runs.progress import Progress, replay
from opsctl.runs.recorder import Recorder, View
from opsctl.runs.request import Requester, RunRequest, me
from opsctl.runs.store import Run, Store
from opsctl.runs.workspace import wipe, wipe_stale, workspace, write
from opsctl.search.keep import keep_up
from opsctl.settings import Settings

_NOT_RETURNED = ("invocation", "diff")

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


class Desk:
    """The state of one home that runs are conducted with. Opening it also clears up after killed commands."""

    def __init__(self, home: Path, settings: Settings) -> None:
        """Opens the database, marks lost runs, wipes what they left."""
        self.home = home
        self.settings = settings
        self.database: Database = opened(home)
        self.store = Store(self.database)
        self.ledger = Ledger(self.database, home / "ledger.head")
        self.gate = Gate(home, self.ledger, settings, lambda: load(home))
        self.lost = self._reap()

    def journal(self, run_id: str) -> Path:
        """Where a run's journal is."""
        return self.home / "journal" / f"{run_id}.ndjson"

    def progress(self, run_id: str) -> Progress:
        """What the journal of a run says; nothing when there is none yet."""
        path = self.journal(run_id)
        return replay(read(path)) if path.exists() else Progress()

    def conduct(
        self,
        request: RunRequest,
        work: Work,
        view: View,
        started: Callable[[RunRequest], None],
        *,
        emergency: str = "",
        covered: str = "",
    ) -> Ended:
        """Run it. `started` is called when it has its place in the ledger and is about to begin.

        `emergency`: why it goes without the approval that it needs. `covered`: the approved run that this checks.

        Raises:
            Denied, Waiting: policy.
            OpsctlError: it could not be started; the run is recorded as `error`.
        """
        approved = admit.ask(self, request, emergency, covered)
        return self._carry(request, work, view, started, approved=approved)

    def resume(
        self,
        request: RunRequest,
        work: Work,
        view: View,
        started: Callable[[RunRequest], None],
        *,
        check: dict[str, Any] | None = None,
    ) -> Ended:
        """Run what waited for an approval: `request` was built again and has the id of the run that waits.

        `check`: what `--check --diff` says today, where the approval was given on it.

        Raises:
            Denied: it was not approved, something changed since, or policy has changed its mind.
            OpsctlError: as `conduct`.
        """
        admit.claim(self, request, check, work.locks)
        return self._carry(request, work, view, started, approved=True)

    def _carry(
        self, request: RunRequest, work: Work, view: View, started: Callable[[RunRequest], None], *, approved: bool
    ) -> Ended:
        try:
            with _interruptible():
                hold.lock(self, request, work.locks, self._reap)
                started(request)
                limits = ceilings(request, self.home.stat().st_uid, approved=approved)
                with workspace(request.id) as space:
                    return self._execute(request, work, view, space, limits=limits)
        except KeyboardInterrupt:
            self._finish(request, "canceled", "canceled before it began", Progress())
            raise Canceled(f"Run {request.id} was canceled before it began") from None
        except OpsctlError as error:
            self._finish(request, "error", str(error), Progress())
            raise

    def _execute(
        self, request: RunRequest, work: Work, view: View, space: Path, *, limits: Mapping[str, Any] | None
    ) -> Ended:
        access = work.access()
        environment = {**access.environment, **work.environment}
        hidden = secrets({**os.environ, **environment}) | _values(request) | work.hidden
        inventories = access.inventories(space)
        playbook = request.playbook
        if request.kind == "module":
            playbook = task(space, work.title, request.content, request.parameters)
        job = Job(
            id=request.id,
            space=space,
            playbook=playbook,
            extra=dict(request.parameters) if request.playbook else {},
            environment=environment,
            inventories=inventories,
            limit=_limit(space, request),
            check=request.check,
            diff=request.diff,
            forks=request.forks,
            timeout=request.timeout,
            grace=self.settings.grace,
            limits=limits,
        )
        journal = Journal(self.journal(request.id))
        try:
            brake = hold.brake(request)
            execution: Running = _execution(job, request, work, lambda: recorder.waiting, brake)
            recorder = Recorder(journal, Redactor(hidden), view, on_error=lambda: execution.stop("broken"))
            recorder.note({"time": now(), "event": "run_start", "data": request.plain()})
            with self.ledger.writing() as writing:
                self.store.move(writing.connection, request.id, "running", started=now())
                writing.append(entry(request, "started", {"plan_hash": request.plan_hash}))
            cancel = _canceling(execution, view)
            with stopping(execution, view), hold.kept(self, request, brake, cancel) as keeper:
                try:
                    outcome = execution.run(recorder.put)
                finally:
                    recorder.finish()
            status, message = judge(outcome, recorder.progress, keeper.canceled_by)
            recorder.note({"time": now(), "event": "run_end", "data": {"status": status, "message": message}})
        finally:
            journal.close()
        last = _returned(recorder.progress.last)
        result = work.pick(last) if request.kind == "module" and last else recorder.progress.result
        if work.conclude is not None:
            result = work.conclude(journal.path)
        return self._finish(request, status, message, recorder.progress, result)

    def _finish(self, request: RunRequest, status: str, message: str, progress: Progress, result: Any = None) -> Ended:
        code = EXIT[status]
        kind = "canceled" if status == "canceled" else "finished"
        with self.ledger.writing() as writing:
            changed = self.store.move(
                writing.connection,
                request.id,
                status,
                finished=now(),
                exit_code=code,
                message=message or None,
                recap=progress.plain(),
                result=result,
            )
            if changed:
                writing.append(entry(request, kind, {"status": status, "message": message, "hosts": progress.recap}))
        keep_up(self.home, self.database)
        return Ended(self.store.get(request.id), progress)

    def _reap(self) -> list[str]:
        """Mark runs whose opsctl is gone, end what is left of them; their ids."""
        wipe_stale()
        lost = []
        for run in self.store.active():
            if run.owner.gone and self._lose(run):
                lost.append(run.id)
        return lost

    def _lose(self, run: Run) -> bool:
        sweep(run.id)
        # It may have been killed before it wrote its name there.
        wipe(run.id)
        progress = self.progress(run.id)
        message = f"opsctl was killed {'before it began' if run.status == 'pending' else 'while it ran'}"
        recap = progress.plain()
        asker = Requester(**run.requester)
        with self.ledger.writing() as writing:
            moved = self.store.move(
                writing.connection, run.id, "lost", finished=now(), exit_code=1, message=message, recap=recap
            )
            if moved:
                data = {"message": message, "in_progress": recap["in_progress"], "noticed_by": me().plain()}
                writing.append(Entry("lost", run.id, asker.plain(), os.uname().nodename, data))
        if moved:
            journal = Journal(self.journal(run.id))
            journal.append({"time": now(), "event": "run_end", "data": {"status": "lost", "message": message}})
            journal.close()
        return moved


def _execution(job: Job, request: RunRequest, work: Work, waiting: Callable[[], int], brake: Brake) -> Running:
    if work.execution is not None:
        return work.execution(job, waiting, brake)
    if request.kind == "module":
        return Execution(job)

    def paced(part: Job) -> Running:
        return Paced(part, request.rate, brake, len(request.targets.hosts))

    return Chain(job, request.begin, paced) if request.begin else paced(job)


def _returned(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a module returned, without what Ansible adds and the difference, which the journal has."""
    return {key: value for key, value in result.items() if not key.startswith("_ansible") and key not in _NOT_RETURNED}


def _limit(space: Path, request: RunRequest) -> str:
    """What Ansible may touch: hosts that were found before are named one by one, so that no others come in since."""
    targets = request.targets
    if not targets.hosts or not targets.limit:
        return targets.limit
    path = space / "limit"
    write(path, "".join(f"{host}\n" for host in targets.hosts))
    return f"@{path}"


def _values(request: RunRequest) -> set[str]:
    found: set[str] = set()
    for name in request.secrets:
        _collect(request.parameters.get(name), found)
    return found


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, found)
    elif value not in (None, "", True, False):
        found.add(str(value))


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP act as ^C does, also while things are being prepared."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, (signal.SIGTERM, signal.SIGHUP)):
        yield


def _canceling(execution: Running, view: View) -> Callable[[], None]:
    """What ^C does, for those who cannot press it here."""

    def cancel() -> None:
        if not execution.why:
            view.stopping(again=False)
            execution.stop("canceled")

    return cancel


@contextmanager
def stopping(execution: Running, view: View | None = None) -> Iterator[None]:
    """^C asks the run to stop, a second one ends it by force."""

    def stop(_number: int, _frame: object) -> None:
        if view is not None:
            view.stopping(again=bool(execution.why))
        execution.stop("canceled")

    with _handled(stop, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        yield


@contextmanager
def _handled(handler: Callable[[int, Any], None], numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    # What was ignored when we started (nohup, a script's background) stays so.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
