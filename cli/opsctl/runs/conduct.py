"""A run from request to record: decide, record, prepare, execute, record."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opsctl.clock import now
from opsctl.clouds import secrets
from opsctl.errors import Canceled, OpsctlError
from opsctl.events.journal import Journal
from opsctl.events.veil import Veil
from opsctl.pace.brake import Brake
from opsctl.pace.talk import Paced
from opsctl.policy.ceiling import ceilings
from opsctl.runs import admit, hold
from opsctl.runs.admit import entry
from opsctl.runs.chain import Chain
from opsctl.runs.desk import Desk
from opsctl.runs.execute import Execution, Job, task
from opsctl.runs.judge import judge
from opsctl.runs.progress import Progress
from opsctl.runs.recorder import Recorder, View
from opsctl.runs.request import RunRequest
from opsctl.runs.signals import interruptible, stopping
from opsctl.runs.work import EXIT, Ended, Running, Work
from opsctl.runs.workspace import workspace, write
from opsctl.search.keep import keep_up

_NOT_RETURNED = ("invocation", "diff")


def conduct(
    desk: Desk,
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
    approved = admit.ask(desk, request, emergency, covered)
    return _carry(desk, request, work, view, started, approved=approved)


def resume(
    desk: Desk,
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
    admit.claim(desk, request, check, work.locks)
    return _carry(desk, request, work, view, started, approved=True)


def _carry(
    desk: Desk, request: RunRequest, work: Work, view: View, started: Callable[[RunRequest], None], *, approved: bool
) -> Ended:
    try:
        with interruptible():
            hold.lock(desk, request, work.locks, desk.reap)
            started(request)
            limits = ceilings(request, desk.home.stat().st_uid, approved=approved)
            with workspace(request.id) as space:
                return _execute(desk, request, work, view, space, limits=limits)
    except KeyboardInterrupt:
        _finish(desk, request, "canceled", "canceled before it began", Progress())
        raise Canceled(f"Run {request.id} was canceled before it began") from None
    except OpsctlError as error:
        _finish(desk, request, "error", str(error), Progress())
        raise


def _execute(
    desk: Desk, request: RunRequest, work: Work, view: View, space: Path, *, limits: Mapping[str, Any] | None
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
        grace=desk.settings.grace,
        limits=limits,
        mark=desk.settings.mark_hosts,
    )
    journal = Journal(desk.journal(request.id))
    try:
        brake = hold.brake(request)
        execution: Running = _execution(job, request, work, lambda: recorder.waiting, brake)
        recorder = Recorder(journal, Veil(hidden, space / "veil"), view, on_error=lambda: execution.stop("broken"))
        recorder.note({"time": now(), "event": "run_start", "data": request.plain()})
        with desk.ledger.writing() as writing:
            desk.store.move(writing.connection, request.id, "running", started=now())
            writing.append(entry(request, "started", {"plan_hash": request.plan_hash}))
        cancel = _canceling(execution, view)
        with stopping(execution, view), hold.kept(desk, request, brake, cancel) as keeper:
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
    return _finish(desk, request, status, message, recorder.progress, result=result)


def _finish(
    desk: Desk, request: RunRequest, status: str, message: str, progress: Progress, *, result: Any = None
) -> Ended:
    code = EXIT[status]
    kind = "canceled" if status == "canceled" else "finished"
    with desk.ledger.writing() as writing:
        changed = desk.store.move(
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
    keep_up(desk.home, desk.database)
    return Ended(desk.store.get(request.id), progress)


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


def _canceling(execution: Running, view: View) -> Callable[[], None]:
    """What ^C does, for those who cannot press it here."""

    def cancel() -> None:
        if not execution.why:
            view.stopping(again=False)
            execution.stop("canceled")

    return cancel
