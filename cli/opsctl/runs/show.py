"""What people and programs see of a run: the view while it runs, the summary after."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opsctl.clock import seconds
from opsctl.output import grid
from opsctl.runs.plain import Plain
from opsctl.runs.progress import natural
from opsctl.runs.request import RunRequest
from opsctl.runs.result import drawn

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.runs.desk import Desk
    from opsctl.runs.store import Run
    from opsctl.runs.work import Ended


@contextmanager
def screen(request: RunRequest, desk: Desk) -> Iterator[Any]:
    """The view that fits: live on a terminal, lines elsewhere."""
    if sys.stderr.isatty() and desk.settings.output == "table":
        from opsctl.runs.live import Live

        view: Any = Live(request, desk.store.tasks(request.content, request.action))
    else:
        view = Plain()
    try:
        yield view
    finally:
        view.close()


def summary(ended: Ended) -> dict[str, Any]:
    """The result of a run for programs; its shape is pinned by a test."""
    return described(ended.run)


def described(run: Run) -> dict[str, Any]:
    """A run for programs."""
    recap = run.recap or {}
    return {
        "id": run.id,
        "kind": run.kind,
        "content": run.content,
        "action": run.action,
        "cloud": run.cloud,
        "status": run.status,
        "exit_code": run.exit_code,
        "message": run.message,
        "requester": run.requester,
        "reason": run.reason,
        "parameters": run.parameters,
        "targets": run.targets,
        "options": run.options,
        "digest": run.digest,
        "plan_hash": run.plan_hash,
        "parent": run.parent,
        "created": run.created,
        "started": run.started,
        "finished": run.finished,
        "seconds": duration(run),
        "hosts": recap.get("hosts", {}),
        "failures": recap.get("failures", []),
        "in_progress": recap.get("in_progress", []),
        "not_started": recap.get("not_started", []),
        "result": run.result,
    }


def duration(run: Run) -> float | None:
    """Seconds from start to end; None while there is none, and when nobody saw it."""
    if run.started is None or run.finished is None or run.status == "lost":
        return None
    return round(seconds(run.finished) - seconds(run.started), 3)


def table(result: dict[str, Any]) -> RenderableType:
    """The same for people."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [counts(result["hosts"])] if result["hosts"] else []
    if result["result"] is not None:
        parts += [Text(""), drawn(result["result"])]
    took = f" in {result['seconds']:.1f} s" if result["seconds"] is not None else ""
    parts += [Text(""), Text(f"{result['status']}{took}  run {result['id']}", style="bold")]
    return Group(*parts)


def counts(hosts: dict[str, dict[str, int]]) -> RenderableType:
    """The recap by host."""
    names = ("ok", "changed", "failed", "unreachable", "skipped")
    return grid(
        ("host", *names), [[host, *(hosts[host][name] for name in names)] for host in sorted(hosts, key=natural)]
    )
