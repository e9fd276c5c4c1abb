"""`opsctl approvals`: what waits for a yes, who said it, and the start of what was approved."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, RunId, desk, group
from opsctl.commands.options import Variables, variables

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.orders.build import Order

app = group("Approve, deny and start what needs an approval; review what went without.")

_Comment = Annotated[str, typer.Option("--comment", "-m", help="Goes into the ledger and to those who are notified.")]
_Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--extra-vars", "-e", metavar="@FILE", help="Secrets, which are not kept, from YAML (@- reads stdin)."
    ),
]
_SHOWN = ("open", "approved", "broken")


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also what is settled.")] = False,
    reviews: Annotated[
        bool, typer.Option("--reviews", help="Only runs that broke the glass, not reviewed yet.")
    ] = False,
    count: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="How many, the newest first.")] = 100,
    output: Output = None,
) -> None:
    """What waits: for approvals, for its start, for a review."""
    from opsctl.approvals.show import described
    from opsctl.output import emit

    state = desk(output=output)
    gate = state.gate
    gate.settle()
    wanted = ("broken",) if reviews else () if everything else _SHOWN
    emit([described(gate, case) for case in gate.listed(wanted, count)], state.settings.output, _list)


@app.command()
def show(run: RunId, output: Output = None) -> None:
    """The whole plan: what would run, where, what is dangerous about it, who said what."""
    from opsctl.approvals.show import described, drawn
    from opsctl.output import emit

    state = desk(output=output)
    gate = state.gate
    gate.settle()
    found = gate.get(state.store.get(run).id)
    emit(described(gate, found, whole=True), state.settings.output, drawn)


@app.command()
def approve(run: RunId, comment: _Comment = "", output: Output = None) -> None:
    """Say yes. Exit status 6 when you are not among those who may."""
    _vote(run, "approve", comment, output)


@app.command()
def deny(run: RunId, comment: _Comment = "", output: Output = None) -> None:
    """Say no: one no is enough, also after others said yes, until the run starts."""
    _vote(run, "deny", comment, output)


@app.command(context_settings={"ignore_unknown_options": True})
def edit(  # noqa: PLR0917 - Typer passes options by name
    run: RunId,
    words: Annotated[list[str] | None, typer.Argument(metavar="[-- CMD...]", help="Another command.")] = None,
    extra: Variables = None,
    hosts: Annotated[str, typer.Option("--hosts", "-H", metavar="PATTERN", help="Other hosts.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Another reason.")] = "",
    output: Output = None,
) -> None:
    """Change what you asked for: a new run with a new approval; the old one, and who agreed to it, is void."""
    from opsctl.approvals.again import edited
    from opsctl.commands.run import show as perform
    from opsctl.runs.conduct import conduct

    state = desk(output=output)
    changes = {"words": tuple(words or ()), "parameters": variables(extra), "pattern": hosts, "reason": reason}
    perform(state, edited(state, state.store.get(run), changes), partial(conduct, state))


@app.command()
def withdraw(run: RunId, comment: _Comment = "", output: Output = None) -> None:
    """Take back what you asked for."""
    state = desk(output=output)
    _settled(state, state.gate.withdraw(state.store.get(run).id, comment))


@app.command()
def review(run: RunId, comment: _Comment = "", output: Output = None) -> None:
    """Say what came of looking at a run that broke the glass."""
    state = desk(output=output)
    _settled(state, state.gate.review(state.store.get(run).id, comment))


@app.command()
def start(run: RunId, extra: _Secrets = None, output: Output = None) -> None:
    """Start an approved run: it is built again, and refused when anything changed since it was asked for."""
    from opsctl.approvals.again import again
    from opsctl.commands.run import show as perform
    from opsctl.errors import UsageError
    from opsctl.runs.conduct import resume

    if any(not text.startswith("@") for text in extra or ()):
        raise UsageError("Secrets do not belong on a command line, which everybody can see: give -e @FILE or -e @-")
    state = desk(output=output)
    order = again(state, state.store.get(run), variables(extra))
    perform(state, order, partial(resume, state, check=_checked(state, order)))


def _checked(state: Any, order: Order) -> dict[str, Any] | None:
    """What `--check --diff` says today, where the approval was given on what it said then."""
    from opsctl.approvals.checked import said
    from opsctl.approvals.plan import checking
    from opsctl.commands.plan import check
    from opsctl.output import say

    case = state.gate.get(order.request.id)
    if case.check is None or case.approval.status != "approved":
        return None
    say("It was approved on what --check --diff said: that is run once more, to see whether it still says so")
    ended = check(state, checking(order.spec), covered=order.request.id)
    if ended.run.status != "succeeded":
        raise typer.Exit(ended.exit_code)
    return said(state.home, ended.run.id, ended.run.status)


def _vote(run: str, verdict: Any, comment: str, output: Any) -> None:
    state = desk(output=output)
    _settled(state, state.gate.vote(state.store.get(run).id, verdict, comment))


def _settled(state: Any, case: Any) -> None:
    from opsctl.approvals.show import described, line
    from opsctl.output import emit

    emit(described(state.gate, case), state.settings.output, line)


def _list(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.approvals.show import styled
    from opsctl.output import grid

    return grid(
        ("run", "what", "targets", "by", "status", "missing", "until"),
        [
            (
                row["run"],
                row["what"],
                row["targets"],
                row["by"],
                styled(row["status"], late=row["overdue"]),
                row["missing"],
                row["expires"][:16].replace("T", " "),
            )
            for row in rows
        ],
    )
