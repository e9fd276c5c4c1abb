"""An approved run built once more from its spec, to be compared with what was approved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opsctl.errors import UsageError
from opsctl.orders.build import Order, build
from opsctl.orders.spec import Spec
from opsctl.runs.request import Requester

if TYPE_CHECKING:
    from opsctl.runs.conduct import Desk
    from opsctl.runs.store import Run


def again(desk: Desk, run: Run, secrets: Mapping[str, Any]) -> Order:
    """The order, with the run's own id. `secrets`: those that were not kept; `env.NAME` for the environment's.

    Raises:
        UsageError: it does not wait, a secret is missing, or something else than a secret is given.
    """
    if run.status != "waiting":
        raise UsageError(f"Run {run.id} does not wait for a start: it is {run.status}")
    if run.spec is None:
        raise UsageError(f"Run {run.id} cannot be built again; ask for it anew with `opsctl run`")
    spec = Spec.of(run.spec)
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
