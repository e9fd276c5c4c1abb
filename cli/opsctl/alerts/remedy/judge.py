"""What is to be done about one alert now: the rule that is for it, what the guards say, and the order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.decide import accepted, decide
from opsctl.alerts.guards.verdict import Verdict
from opsctl.alerts.machine import Event
from opsctl.alerts.remedy.picture import Picture
from opsctl.alerts.rules.render import Unrenderable, scope, spec
from opsctl.alerts.rules.rule import Rule
from opsctl.orders.spec import Spec

_EVENTS: dict[str, Event] = {"go": "go", "hold": "hold", "propose": "propose", "escalate": "escalate"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The event that follows, why, and until when it holds."""

    event: Event
    text: str
    until: datetime | None = None
    verdict: dict[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    """What would be changed."""


Policies = Callable[[Spec, Alert, Rule], Mapping[str, Any]]
"""What the policy says of an order beforehand: parts of the guards' world such as `frozen`."""


def judged(
    rule: Rule, alert: Alert, picture: Picture, now: datetime, policies: Policies, *, yes: bool = False
) -> Judgement:
    """What follows for an alert that this rule is for. `yes`: a person has agreed."""
    hosts: tuple[str, ...] = ()
    known: Mapping[str, Any] = {}
    try:
        # Asked first: what cannot be ordered need not be decided.
        if rule.do.kind != "notify":
            hosts = scope(rule, alert, picture.members)
            known = policies(spec(rule, alert), alert, rule)
    except Unrenderable as error:
        text = str(error)
        return Judgement("escalate", text, verdict={"verdict": "escalate", "guard": "order", "reason": text})
    world = picture.world(frozenset(hosts), **known)
    if hosts:
        hosts = tuple(sorted(world.wanted(alert)))
    verdict = (accepted if yes else decide)(rule, alert, world, now)
    said = verdict.plain()
    if rule.mode == "shadow":
        would = rule.do.text if verdict.verdict == "go" else f"{verdict.verdict}: {verdict.reason}"
        return Judgement("shadow", f"it would have been: {would}", None, said, hosts)
    return Judgement(_event(rule, verdict), verdict.reason or rule.do.text, verdict.until, said, hosts)


def _event(rule: Rule, verdict: Verdict) -> Event:
    if verdict.verdict == "go" and rule.do.kind == "notify":
        return "notice"
    if verdict.verdict == "suppress":
        # What is suppressed for a time only is asked about again.
        return "hold" if verdict.until else "suppress"
    return _EVENTS[verdict.verdict]
