"""`opsctl runs retry|resume`: a run once more, or from where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, RunId, desk
from opsctl.commands.grouped import grouped
from opsctl.commands.options import Variables, environment, variables

if TYPE_CHECKING:
    from opsctl.orders.spec import Spec

Environment = Annotated[
    list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A secret of its environment, given again.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why: goes into the ledger.")]


@grouped
def retry(
    *,
    run: RunId,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only on hosts where it failed, that it did not reach or never began on.")
    ] = False,
    extra: Variables = None,
    env: Environment = None,
    reason: Reason = "",
    output: Output = None,
) -> None:
    """Run it once more: on all its hosts, or on those where it did not succeed."""
    from opsctl.orders.again import retried

    def change(found: Any, spec: Spec, state: Any) -> Spec:
        return retried(found, spec, state.progress(found.id)) if failed else spec

    _again(run, change, (variables(extra), environment(env), reason), output, strict=False)


@grouped
def resume(
    *,
    run: RunId,
    extra: Variables = None,
    env: Environment = None,
    reason: Reason = "",
    output: Output = None,
) -> None:
    """Go on where each host stopped: from its failed task. Refused when content or hosts have changed since."""
    from opsctl.events.journal import read
    from opsctl.orders.again import resumed

    def change(found: Any, spec: Spec, state: Any) -> Spec:
        journal = state.journal(found.id)
        records = read(journal) if journal.exists() else iter(())
        return resumed(found, spec, state.progress(found.id), records)

    _again(run, change, (variables(extra), environment(env), reason), output, strict=True)


def _again(run: str, change: Any, given: tuple[Any, Any, str], output: Any, *, strict: bool) -> None:
    from dataclasses import replace
    from functools import partial

    from opsctl.commands.run import show
    from opsctl.orders.again import same, spec_of
    from opsctl.orders.build import build
    from opsctl.runs.conduct import conduct

    state = desk(output=output)
    found = state.store.get(run)
    parameters, environ, reason = given
    spec = change(found, spec_of(found, parameters, environ), state)
    order = build(replace(spec, reason=reason or spec.reason), state.home, state.settings, parent=found.id)
    if strict:
        same(found, order.request.digest, order.found.variables if order.found else None)
    show(state, order, partial(conduct, state))
