"""Many hosts that go down together are one incident: one alert stands for all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Together:
    """Alerts of hosts with something in common that came one after the other without a pause."""

    common: Common
    alerts: tuple[Alert, ...]
    """In the order they were heard of; the first stands for all."""
    hosts: tuple[str, ...]
    """Sorted, each once."""


def incident(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict | None:
    """The first alert of an incident is proposed to a person, the others are suppressed in its favour."""
    found = largest(alert, world)
    if found is None:
        return None
    kind, name = found.common
    again = now + timedelta(seconds=world.bounds.incident.within)
    more = f" and {len(found.hosts) - 5} more" if len(found.hosts) > 5 else ""
    what = f"{len(found.hosts)} hosts of {kind} {name} are down together ({', '.join(found.hosts[:5])}{more})"
    parent = found.alerts[0]
    if parent.id != alert.id:
        return Verdict("suppress", "incident", f"{what}: part of the incident of {parent.host}", again, parent.id)
    if rule.do.kind == "notify":
        return None
    return Verdict("propose", "incident", f"{what}: one incident, which a person must look at", again)


def largest(alert: Alert, world: World) -> Together | None:
    """The incident with most hosts that this alert is part of; None = it is alone."""
    bounds = world.bounds.incident
    if not _down(alert, bounds):
        return None
    known = _remembered(world)
    if alert.id not in known:
        known = _found((*world.firing, alert), world)
    many = [together for together in known.get(alert.id, ()) if len(together.hosts) >= bounds.at_least]
    return max(many, key=lambda together: len(together.hosts), default=None)


_Known = dict[str, list[Together]]
"""The id of an alert -> what it is part of, in the order of `Incident.by`."""
_last: tuple[tuple[Alert, ...], Mapping[str, str], Incident, _Known] = ((), {}, Incident(), {})
"""Many alerts are decided with one picture of the world: what belongs together is found once for all of them."""


def _remembered(world: World) -> _Known:
    global _last  # noqa: PLW0603 - a memory of one entry; only for the very same objects, so the answer is the same
    firing, zones, bounds, known = _last
    if firing is not world.firing or zones is not world.zones or bounds is not world.bounds.incident:
        known = _found(world.firing, world)
        _last = (world.firing, world.zones, world.bounds.incident, known)
    return known


def _found(alerts: Iterable[Alert], world: World) -> _Known:
    """What belongs together among these."""
    bounds = world.bounds.incident
    down = [(heard(alert), alert) for alert in alerts if alert.firing and _down(alert, bounds)]
    open_: dict[Common, list[tuple[datetime, Alert]]] = {}
    known: _Known = {}
    for when, alert in sorted(down, key=lambda one: (one[0], one[1].id)):
        for common in commons(alert, world):
            members = open_.setdefault(common, [])
            if members and (when - members[-1][0]).total_seconds() > bounds.within:
                _close(common, open_.pop(common), known)
                members = open_.setdefault(common, [])
            members.append((when, alert))
    for common, members in open_.items():
        _close(common, members, known)
    order: dict[str, int] = {kind: number for number, kind in enumerate(bounds.by)}
    for parts in known.values():
        parts.sort(key=lambda together: (order[together.common[0]], together.common))
    return known


def _close(common: Common, members: list[tuple[datetime, Alert]], known: _Known) -> None:
    alerts = tuple(alert for _when, alert in members)
    together = Together(common, alerts, tuple(sorted({alert.host for alert in alerts})))
    for alert in alerts:
        known.setdefault(alert.id, []).append(together)


def commons(alert: Alert, world: World) -> list[Common]:
    """What a host can have in common with others, as far as it matters here."""
    zone = world.zones.get(alert.host) or alert.tags.get("zone", "")
    values = {"zone": (zone,), "stack": (alert.stack,), "group": alert.groups}
    return [(kind, name) for kind in world.bounds.incident.by for name in values[kind] if name]


def _down(alert: Alert, bounds: Incident) -> bool:
    return bool(alert.host) and fits(bounds.problems, alert.problem)
