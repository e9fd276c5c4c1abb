"""`opsctl runs pause|continue|cancel|locks`: what keeps runs from going on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from opsctl.commands.common import Output, RunId, desk

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.pace.control import Verb
    from opsctl.runs.store import Run

_PATIENCE = 5.0
"""Seconds in which the run's opsctl surely hears."""
_LONG = 60.0
"""Seconds in which it surely ends what runs on hosts."""


def register(app: typer.Typer) -> None:
    """Add them to the group of runs."""
    app.command()(pause)
    app.command("continue")(continue_)
    app.command()(cancel)
    app.command()(locks)


def pause(run: RunId) -> None:
    """Let nothing more begin: no host, no task. What runs comes to its end."""
    _tell(run, "pause", lambda found: found.status == "paused", "is paused", _PATIENCE)


def continue_(run: RunId) -> None:
    """Let a paused run go on."""
    _tell(run, "continue", lambda found: found.status != "paused", "goes on", _PATIENCE)


def cancel(run: RunId) -> None:
    """End a run as ^C does: with everything it started, here and on its hosts."""
    _tell(run, "cancel", lambda found: not found.active, "is canceled", _LONG)


def locks(output: Output = None) -> None:
    """Hosts and stacks that runs change now, which keeps other runs from them."""
    from opsctl.output import emit
    from opsctl.runs.locks import held

    state = desk(output=output)
    emit([lock.plain() for lock in held(state.database)], state.settings.output, _table)


def _tell(part: str, verb: Verb, reached: Callable[[Run], bool], done: str, patience: float) -> None:
    from opsctl.errors import OpsctlError, UsageError
    from opsctl.output import say
    from opsctl.pace.control import Order, ask
    from opsctl.runs.request import me

    state = desk()
    found = state.store.get(part)
    who = me()
    if who.uid not in (found.requester["uid"], state.home.stat().st_uid):
        raise UsageError(f"Run {found.id} is {found.requester['name']}'s: only he and this installation's owner may")
    if not found.active:
        hint = f"; `opsctl approvals show {found.id}` says for whom" if found.status == "waiting" else ""
        raise UsageError(f"Run {found.id} does not run: it is {found.status}{hint}")
    if verb == "continue" and found.status != "paused":
        raise UsageError(f"Run {found.id} is not paused: it is {found.status}")
    if reached(found):
        say(f"Run {found.id} {done} already")
        return
    ask(state.home, found.id, Order(verb, who.plain()))
    limit = time.monotonic() + patience
    while not reached(found := state.store.get(found.id)):
        if not found.active or time.monotonic() > limit:
            break
        time.sleep(0.1)
    if not reached(found):
        state_of = "did not hear of it yet" if found.active else f"ended before: {found.status}"
        raise OpsctlError(f"Run {found.id} {state_of}; `opsctl runs show {found.id}` says how it stands")
    say(
        f"Run {found.id} {done}" if verb != "cancel" or found.status == "canceled" else f"Run {found.id} {found.status}"
    )


def _table(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.output import grid

    return grid(
        ("what", "shared", "run", "doing", "by", "since"),
        [
            (
                row["name"],
                "yes" if row["shared"] else "no",
                row["run"],
                row["what"],
                row["by"],
                row["since"][:19].replace("T", " "),
            )
            for row in rows
        ],
    )
