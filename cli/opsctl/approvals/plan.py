"""What an order would do, without doing it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.policy.decide import case_of, decide
from opsctl.policy.finding import worst

if TYPE_CHECKING:
    from opsctl.orders.build import Order
    from opsctl.orders.spec import Spec


def planned(home: Path, order: Order, check: dict[str, Any] | None = None) -> dict[str, Any]:
    """The plan for programs: what, where, what is dangerous about it, and what policy says."""
    request = order.request
    judged = case_of(request)
    decision = decide(request, home.stat().st_uid)
    return {
        **request.plain(),
        "risk": None if judged.findings is None else worst(judged.findings),
        "findings": [finding.plain() for finding in judged.findings or ()],
        "decision": {
            **decision.plain(),
            "asks": [
                {"rule": grant.name, "approvers": list(grant.approvers) or ["owner"], "needed": grant.needed or 1}
                for grant in decision.asking
            ],
        },
        "check": check,
    }


def checking(spec: Spec) -> Spec:
    """The spec of the check of a spec."""
    return replace(spec, check=True, diff=True, emergency="")
