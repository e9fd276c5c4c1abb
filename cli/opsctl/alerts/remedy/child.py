"""One run of a remediation, conducted in a process of its own under the id that was stored for it before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.approvals.again import again
from opsctl.errors import Denied, OpsctlError, UsageError, Waiting
from opsctl.events.ship.after import after_run
from opsctl.home import home
from opsctl.orders.build import build
from opsctl.orders.spec import Spec
from opsctl.runs.conduct import conduct, resume
from opsctl.runs.desk import Desk
from opsctl.runs.request import Requester, RunRequest, me
from opsctl.settings import load

SERVICE = "opsctl-alert"
"""The requester's name in every record; its rights are those of the account that the service runs as."""

Tell = Callable[[Mapping[str, Any]], None]


class Quiet:
    """Nobody looks; the journal has it all."""

    def stopping(self, *, again: bool) -> None:
        """Nothing."""

    def show(self, record: dict[str, Any], progress: Any) -> None:
        """Nothing."""


def service() -> Requester:
    """Who asks for what rules want done."""
    return replace(me(), name=SERVICE)


def perform(order: Mapping[str, Any], tell: Tell) -> None:
    """Do it. `order`: run, spec, resume. Tells of `started`, `finished`, and `error` with its `kind`.

    Which way the run ended is in its record.
    """
    place = home()
    settings = load(place)
    try:
        desk = Desk(place, settings)
        run_id = str(order["run"])

        def started(_request: RunRequest) -> None:
            tell({"run": run_id, "said": "started"})

        try:
            if order.get("resume"):
                built = again(desk, desk.store.get(run_id), {})
                resume(desk, built.request, built.work, Quiet(), started)
            else:
                built = build(Spec.of(order["spec"]), place, settings)
                request = replace(built.request, id=run_id, requester=service())
                conduct(desk, request, built.work, Quiet(), started)
            tell({"run": run_id, "said": "finished"})
        finally:
            after_run(place, settings, lambda _line: None)
    except OpsctlError as error:
        tell({"run": run_id, "said": "error", "kind": _kind(error), "text": " ".join(str(error).split())[:2000]})


def _kind(error: OpsctlError) -> str:
    """What follows from it: `denied` and `unusable` would come again, `waiting` is no failure."""
    kinds = {Waiting: "waiting", Denied: "denied", UsageError: "unusable"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "failed")
