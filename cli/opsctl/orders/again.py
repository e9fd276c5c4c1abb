"""A run once more: as a whole, on the hosts where it did not succeed, or from where each of them stopped. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.errors import UsageError
from opsctl.orders.spec import Spec
from opsctl.runs.progress import Progress, natural
from opsctl.runs.request import MASK
from opsctl.runs.store import Run
from opsctl.targets import fingerprint

LOCAL = "localhost"


def spec_of(run: Run, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Spec:
    """What was ordered, with secrets given again.

    Raises:
        UsageError: the run has not ended, is of before, or something else than its secrets is given.
    """
    if run.active:
        raise UsageError(f"Run {run.id} has not ended; `opsctl runs cancel {run.id}` ends it")
    if run.spec is None:
        raise UsageError(f"Run {run.id} cannot be repeated: what it was built from was not kept")
    spec = Spec.of(run.spec)
    for kind, known, given in (
        ("-e", spec.parameters, parameters),
        ("--env", spec.environment, environment),
    ):
        for name in given:
            if known.get(name) != MASK:
                raise UsageError(f"{kind} {name}: only secrets of run {run.id} can be given again; order a new run")
    return replace(
        spec,
        parameters={**spec.parameters, **parameters},
        environment={**spec.environment, **environment},
        # This time a person wants it.
        trigger={},
    )


def unfinished(run: Run, progress: Progress) -> tuple[str, ...]:
    """Hosts on which it failed, that it did not reach, that were in the middle of a task, or that never began."""
    left = {name for name, host in progress.hosts.items() if host.broken or host.state == "running"}
    left |= {name for name, counts in progress.recap.items() if counts["failed"] or counts["unreachable"]}
    left |= set(run.targets.get("hosts", ())) - {name for name, host in progress.hosts.items() if host.state != "idle"}
    left |= set(progress.not_started)
    return tuple(sorted(left, key=natural))


def retried(run: Run, spec: Spec, progress: Progress) -> Spec:
    """The spec on the unfinished hosts alone.

    Raises:
        UsageError: there are none.
    """
    hosts = unfinished(run, progress)
    if not hosts:
        raise UsageError(f"Run {run.id} failed on no host; `opsctl runs retry {run.id}` without --failed repeats all")
    if LOCAL in hosts and LOCAL not in run.targets.get("hosts", ()):
        # What this machine does there, such as creating the stack, is for all hosts.
        return spec
    return replace(spec, only=hosts)


def resumed(run: Run, spec: Spec, progress: Progress, records: Iterable[Mapping[str, Any]]) -> Spec:
    """The spec from the task on where each unfinished host stopped.

    A run that came to its end is gone on with on broken hosts alone; one that was stopped, on the others too.

    Raises:
        UsageError: there is none, or a task cannot be found again by its name.
    """
    if spec.kind in ("command", "script"):
        return retried(run, spec, progress)
    begin: dict[str, set[str]] = {}
    for name in unfinished(run, progress):
        begin.setdefault(_stopped(name, progress), set()).add(name)
    if not progress.complete:
        rest = {name for name, host in progress.hosts.items() if not host.broken and host.state != "running"}
        begin.setdefault(progress.task, set()).update(rest - {LOCAL})
    if not begin:
        raise UsageError(f"Run {run.id} failed on no host and came to its end: there is nothing to go on with")
    _findable(begin, records)
    # Plays on this machine after the task belong to it.
    return replace(spec, begin={task: (*sorted(hosts - {LOCAL}, key=natural), LOCAL) for task, hosts in begin.items()})


def same(run: Run, digest: str, variables: Mapping[str, Mapping[str, Any]] | None) -> None:
    """That content and targets are those of the run.

    Raises:
        UsageError: they are not.
    """
    if digest != run.digest:
        raise UsageError(f"Run {run.id} cannot be gone on with: its content has changed since; order a new run")
    hosts = run.targets.get("hosts")
    if hosts and variables is not None:
        now = fingerprint({name: variables[name] for name in hosts if name in variables})
        if now != run.targets.get("digest"):
            raise UsageError(f"Run {run.id} cannot be gone on with: its hosts have changed since; order a new run")


def _stopped(host: str, progress: Progress) -> str:
    """The task it stopped at; empty when it never began."""
    failed = [failure.task for failure in progress.failures if failure.host == host]
    return failed[-1] if failed else progress.hosts[host].task if host in progress.hosts else ""


def _findable(begin: Iterable[str], records: Iterable[Mapping[str, Any]]) -> None:
    places: dict[str, set[str]] = {}
    handlers: set[str] = set()
    for record in records:
        if record["event"] == "task_start":
            places.setdefault(record.get("task", ""), set()).add(record.get("path", ""))
        elif record.get("data", {}).get("handler"):
            handlers.add(record.get("task", ""))
    for task in begin:
        if len(places.get(task, ())) > 1 or task in handlers:
            reason = "is a handler" if task in handlers else f"stands at {len(places[task])} places"
            raise UsageError(f"Task '{task}' {reason}, so Ansible cannot begin there; use `opsctl runs retry --failed`")
