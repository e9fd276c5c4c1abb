"""Many hosts that go down together are one incident: one alert stands for all. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Incident
from opsctl.alerts.guards.verdict import Verdict
from opsctl.alerts.guards.world import World
from opsctl.alerts.rules.match import heard
from opsctl.alerts.rules.part import fits
from opsctl.alerts.rules.rule import Rule

Common = tuple[str, str]
"""What they have in common: `zone`, `stack` or `group`, and its name."""


def incident(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict | None:
    """The first alert of an incident is proposed to a person, the others are suppressed in its favour."""
    bounds = world.bounds.incident
    found = largest(alert, world)
    if found is None:
        return None
    (kind, name), members = found
    hosts = sorted({member.host for member in members})
    again = now + timedelta(seconds=bounds.within)
    shown = ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else "")
    what = f"{len(hosts)} hosts of {kind} {name} are down together ({shown})"
    parent = members[0]
    if parent.id == alert.id:
        if rule.do.kind == "notify":
            return None
        return Verdict("propose", "incident", f"{what}: one incident, which a person must look at", again)
    return Verdict("suppress", "incident", f"{what}: part of the incident of {parent.host}", again, parent.id)


def largest(alert: Alert, world: World) -> tuple[Common, list[Alert]] | None:
    """The incident with most hosts that this alert is part of, with all its alerts in order; None: it is alone."""
    bounds = world.bounds.incident
    if not _down(alert, bounds):
        return None
    kin = {other.id: other for other in (*world.firing, alert) if other.firing and _down(other, bounds)}
    best: tuple[Common, list[Alert]] | None = None
    for common in commons(alert, world):
        together = [other for other in kin.values() if common in commons(other, world)]
        members = _near(alert, together, bounds.within)
        count = len({member.host for member in members})
        if count >= bounds.at_least and (best is None or count > len({member.host for member in best[1]})):
            best = common, members
    return best


def commons(alert: Alert, world: World) -> list[Common]:
    """What a host can have in common with others, as far as it matters here."""
    zone = world.zones.get(alert.host) or alert.tags.get("zone", "")
    values = {"zone": (zone,), "stack": (alert.stack,), "group": alert.groups}
    return [(kind, name) for kind in world.bounds.incident.by for name in values[kind] if name]


def _down(alert: Alert, bounds: Incident) -> bool:
    return bool(alert.host) and fits(bounds.problems, alert.problem)


def _near(alert: Alert, others: list[Alert], within: float) -> list[Alert]:
    """Those that came one after the other without a pause, this one among them: the same for each of them."""
    members: list[Alert] = []
    for other in sorted(others, key=lambda one: (heard(one), one.id)):
        if members and (heard(other) - heard(members[-1])).total_seconds() > within:
            if any(member.id == alert.id for member in members):
                return members
            members = []
        members.append(other)
    return members
