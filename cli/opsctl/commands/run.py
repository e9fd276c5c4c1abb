"""`opsctl run`: options -> spec -> order -> run -> result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from opsctl.commands.common import desk, group, settings
from opsctl.commands.ordered import register
from opsctl.output import Format

if TYPE_CHECKING:
    from opsctl.orders.build import Order
    from opsctl.orders.spec import Spec
    from opsctl.runs.work import Ended

app = group("Run something, recorded and audited.")


def perform(spec: Spec, output: Format | None) -> None:
    """Run it."""
    from opsctl.home import home
    from opsctl.orders.ahead import ahead

    ahead(spec, home(), settings(output=output))
    from opsctl.orders.build import build
    from opsctl.runs.conduct import conduct

    state = desk(output=output)
    show(state, build(spec, state.home, state.settings), partial(conduct, state, emergency=spec.emergency))


def show(state: Any, order: Order, conduct: Callable[..., Ended]) -> None:
    """Conduct a run with a view on it, print its result, exit as it ended."""
    from opsctl.events.ship.after import after_run
    from opsctl.fanout.show import finish
    from opsctl.output import emit, say
    from opsctl.runs.show import screen, summary, table

    request = order.request
    try:
        with screen(request, state) as view:
            ended: Ended = conduct(request, order.work, view, view.begin)
    finally:
        # Also when it was refused: that is in the ledger.
        after_run(state.home, state.settings)
    if request.kind in ("command", "script"):
        finish(ended, state)
    emit(summary(ended), state.settings.output, table)
    if ended.run.message:
        say(f"opsctl: {ended.run.status}: {ended.run.message}")
    if ended.stopped and ended.progress.running:
        count = len(ended.progress.running)
        say(f"opsctl: {count} hosts were in the middle of a task; `opsctl runs show {ended.run.id}` names them")
    raise typer.Exit(ended.exit_code)


register(app, perform, does="Run")
