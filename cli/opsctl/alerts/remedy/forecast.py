"""What the policy will say of an order, as far as it is known before it is built: freezes, windows, and its risk."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.remedy.child import service
from opsctl.alerts.remedy.judge import Policies
from opsctl.alerts.rules.rule import Rule
from opsctl.clock import now, uuid7
from opsctl.errors import OpsctlError
from opsctl.orders.spec import Spec
from opsctl.policy.decide import case_of, decide
from opsctl.policy.finding import rank, worst
from opsctl.policy.grants import Policy
from opsctl.policy.load import load
from opsctl.runs.request import RunRequest, Targets
from opsctl.settings import Settings


class Forecast:
    """One home's policy. Asking costs little while it says nothing."""

    def __init__(self, home: Path, settings: Settings) -> None:
        """Nothing is read yet."""
        self._home = home
        self._settings = settings

    def __call__(self) -> Policies:
        """As the policy stands now. One that cannot be used is said when the run is asked for: nobody may do it."""
        try:
            policy = load(self._home)
        except OpsctlError:
            return lambda _order, _alert, _rule: {}
        return lambda order, alert, rule: self._known(policy, order, alert, rule)

    def _known(self, policy: Policy, order: Spec, alert: Alert, rule: Rule) -> Mapping[str, Any]:
        known: dict[str, Any] = {}
        if policy.calendar.freezes or policy.calendar.windows:
            decision = decide(self._request(order, alert), self._home.stat().st_uid, policy)
            if decision.calendar:
                known["frozen"] = f"{decision.rule.partition(':')[2]}: {decision.text}"
        if rule.guards.approval == "risky":
            # A playbook is read for it.
            findings = case_of(self._request(order, alert)).findings
            if findings is not None:
                known["risky"] = rank(worst(findings)) >= rank("high")
        return known

    def _request(self, order: Spec, alert: Alert) -> RunRequest:
        hosts = tuple(part for part in order.pattern.split(",") if part)
        stack = str(order.parameters.get("stack_name") or alert.stack) if order.kind == "scenario" else ""
        return RunRequest(
            id=uuid7(),
            kind=order.kind,
            content=shlex.join(order.words) if order.kind == "command" else order.content,
            action=order.action,
            playbook=order.content if order.kind == "playbook" else "",
            cloud=order.cloud or self._settings.cloud,
            requester=service(),
            created=now(),
            targets=Targets(stack=stack, limit=order.pattern) if stack else Targets(hosts=hosts),
        )
