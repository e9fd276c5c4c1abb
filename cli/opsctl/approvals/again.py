"""An approved run built once more from its spec, to be compared with what was approved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opsctl.approvals.people import present
from opsctl.errors import Denied, UsageError
from opsctl.orders.build import Order, build
from opsctl.orders.spec import Spec
from opsctl.runs.request import Requester

if TYPE_CHECKING:
    from opsctl.runs.desk import Desk
    from opsctl.runs.store import Run


def again(desk: Desk, run: Run, secrets: Mapping[str, Any]) -> Order:
    """The order, with the run's own id. `secrets`: those that were not kept; `env.NAME` for the environment's.

    Raises:
        UsageError: it does not wait, a secret is missing, or something else than a secret is given.
    """
    spec = _spec(run)
    if others := sorted(set(secrets) - set(spec.masked)):
        raise UsageError(f"{', '.join(others)}: not a secret of this run; to change it, ask anew with `opsctl run`")
    if missing := [name for name in spec.masked if name not in secrets]:
        raise UsageError(f"Secrets are not kept: give {', '.join(missing)} again, in a YAML file (-e @FILE, -e @-)")
    environment = {
        name: str(secrets[f"env.{name}"]) if f"env.{name}" in secrets else value
        for name, value in spec.environment.items()
    }
    parameters = {name: secrets.get(name, value) for name, value in spec.parameters.items()}
    order = build(replace(spec, environment=environment, parameters=parameters), desk.home, desk.settings)
    request = replace(
        order.request,
        id=run.id,
        requester=Requester(**run.requester),
        created=run.created,
        reason=run.reason,
        parent=run.parent or "",
        spec=run.spec,
    )
    return replace(order, request=request)


def edited(desk: Desk, run: Run, changes: Mapping[str, Any]) -> Order:
    """A new order in place of one that waits. `changes`: parts of its spec; parameters are added to those it has.

    Raises:
        UsageError: it does not wait, or there is nothing to change.
        Denied: somebody else asked for it.
    """
    spec, case = _spec(run), desk.gate.get(run.id)
    person = present()
    if not person.same(case.approval.requester):
        raise Denied(f"{case.approval.requester.text} asked for run {run.id}; order your own with `opsctl run`")
    given = {name: value for name, value in changes.items() if value}
    if not given:
        raise UsageError("Nothing to change: give -e, --hosts, --reason or -- CMD")
    if "words" in given and spec.kind not in ("command", "script"):
        raise UsageError(f"A {spec.kind} has no words to change; give -e")
    if "parameters" in given:
        given["parameters"] = {**spec.parameters, **given["parameters"]}
    return build(replace(spec, **given), desk.home, desk.settings, parent=run.id)


def _spec(run: Run) -> Spec:
    if run.status != "waiting":
        raise UsageError(f"Run {run.id} does not wait for a start: it is {run.status}")
    if run.spec is None:
        raise UsageError(f"Run {run.id} cannot be built again; ask for it anew with `opsctl run`")
    return Spec.of(run.spec)
