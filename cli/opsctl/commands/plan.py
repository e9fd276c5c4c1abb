"""`opsctl plan`: what `opsctl run` with the same options would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from opsctl.commands.common import desk, group
from opsctl.commands.ordered import register
from opsctl.output import Format

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.orders.spec import Spec

app = group(
    "Show what would run: content, hosts, parameters, what is dangerous, what policy says. "
    "--check also runs it in check mode; what that says is kept with the approval that is asked for next."
)


def perform(spec: Spec, output: Format | None) -> None:
    """Show it; exit status 6 when policy denies it, or as the check ended."""
    from dataclasses import replace

    from opsctl.approvals.checked import said
    from opsctl.approvals.plan import checking, planned
    from opsctl.errors import UsageError, Waiting
    from opsctl.orders.build import build
    from opsctl.output import emit

    if spec.emergency:
        raise UsageError("A plan runs nothing, there is no glass to break; give --break-glass to `opsctl run`")
    state = desk(output=output)
    order = build(replace(spec, check=False), state.home, state.settings)
    result, code = planned(state.home, order), 0
    if result["decision"]["verdict"] == "deny":
        code = 6
    elif spec.check:
        try:
            ended = check(state, checking(spec))
        except Waiting:
            emit(result, state.settings.output, _drawn)
            raise
        result["check"], code = said(state.home, ended.run.id, ended.run.status), ended.exit_code
    emit(result, state.settings.output, _drawn)
    raise typer.Exit(code)


def check(state: Any, spec: Spec, covered: str = "") -> Any:
    """Run the check of a plan; how it ended. `covered`: the approved run whose plan it is."""
    from opsctl.orders.build import build
    from opsctl.runs.conduct import conduct
    from opsctl.runs.show import screen

    order = build(spec, state.home, state.settings)
    with screen(order.request, state) as view:
        return conduct(state, order.request, order.work, view, view.begin, covered=covered)


def _drawn(plan: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from opsctl.approvals.show import checked, hosts, planned, risky
    from opsctl.output import fields

    decision = plan["decision"]
    style = {"allow": "green", "approve": "yellow", "deny": "bold red"}[decision["verdict"]]
    asks = [f"{ask['needed']} of {', '.join(ask['approvers'])} ({ask['rule']})" for ask in decision["asks"]]
    parts: list[RenderableType] = [
        fields(
            [
                *planned(plan),
                ("hosts", hosts(plan["targets"])),
                ("policy", Text(f"{decision['verdict']}, rule {decision['rule']}", style=style)),
                ("why", decision["text"]),
                ("approvals", "; ".join(asks)),
            ]
        )
    ]
    parts += risky(plan["findings"])
    if plan["check"]:
        parts += checked(plan["check"])
    return Group(*parts)


register(app, perform, does="Plan to run")
