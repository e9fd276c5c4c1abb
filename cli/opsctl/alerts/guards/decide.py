"""Whether a remedy may be applied now: the guards in their order, the first that objects decides. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.budget import budget
from opsctl.alerts.guards.incident import incident
from opsctl.alerts.guards.loop import tries
from opsctl.alerts.guards.subject import about, groups, named, works
from opsctl.alerts.guards.verdict import GO, Verdict
from opsctl.alerts.guards.world import World
from opsctl.alerts.rules.rule import Rule
from opsctl.alerts.rules.units import length

Guard = Callable[[Rule, Alert, World, datetime], Verdict | None]
_RECHECK = timedelta(seconds=30)
"""When to look again at what ends without anybody saying so."""


def decide(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict:
    """What to do about an alert that this rule is for. `now` is aware.

    A rule in mode `shadow` is judged as if it were active: whoever asks must not act on it. A proposal that a person
    accepts is decided by `accepted`.
    """
    return _first(_NOTICE if rule.do.kind == "notify" else _CHANGE, rule, alert, world, now)


def accepted(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict:
    """The same after a person has said yes: what only wanted a person no longer objects, the bounds still hold."""
    guards = (gone, named_group, maintenance, freeze, busy, concurrent, budget)
    found = _first(guards, rule, alert, world, now)
    # More hosts than the budget ever allows is what the person has said yes to.
    return GO if found.verdict == "propose" else found


def _first(guards: tuple[Guard, ...], rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict:
    for guard in guards:
        found = guard(rule, alert, world, now)
        if found is not None:
            return found
    return GO


def gone(rule: Rule, alert: Alert, _world: World, _now: datetime) -> Verdict | None:
    """There is nothing to do any more."""
    if not alert.firing:
        return Verdict("suppress", "resolved", "the problem is over")
    return Verdict("suppress", "mode", f"rule {rule.name} is switched off") if rule.mode == "off" else None


def named_group(_rule: Rule, alert: Alert, world: World, _now: datetime) -> Verdict | None:
    """A host that is called as a group would stand for all hosts of it."""
    if alert.host not in world.members and world.inventoried(alert.host):
        return Verdict("escalate", "host", f"{alert.host} is a group of the inventory, not a host")
    return None


def acknowledged(_rule: Rule, alert: Alert, world: World, _now: datetime) -> Verdict | None:
    """Somebody is at it; what was acknowledged by a remediation of ours does not count."""
    if alert.acknowledged and not any(work.alert == alert.id for work in works(world)):
        return Verdict("suppress", "acknowledged", "somebody has acknowledged it and is at it")
    return None


def maintenance(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict | None:
    """The host is being worked on by people."""
    if alert.host in world.maintenance:
        until = world.maintenance[alert.host]
        return Verdict("hold", "maintenance", f"{alert.host} is in maintenance", until or now + _RECHECK)
    ours = rule.guards.silence and any(work.alert == alert.id for work in works(world))
    if alert.suppressed and not ours:
        return Verdict("hold", "maintenance", f"{alert.source} keeps quiet about it", now + _RECHECK)
    return None


def freeze(_rule: Rule, _alert: Alert, world: World, now: datetime) -> Verdict | None:
    """Nothing may be changed at this time."""
    if world.frozen:
        return Verdict("hold", "freeze", f"freeze {world.frozen}", world.thaw or now + _RECHECK)
    return None


def busy(_rule: Rule, alert: Alert, world: World, _now: datetime) -> Verdict | None:
    """Two remediations never change one host at once."""
    wanted = world.wanted(alert)
    for work in world.running:
        if work.busy and (both := wanted & work.touched):
            return Verdict("hold", "busy", f"remediation {work.id} of rule {work.rule} is changing {sorted(both)[0]}")
    return None


def cooldown(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict | None:
    """What was just mended is left in peace; another try for the same alert is not a matter of this."""
    found: list[tuple[datetime, str]] = []
    others = [
        work
        for work in works(world)
        if work.rule == rule.name and work.alert != alert.id and work.began is not None and work.ended
    ]
    for work in about(rule, alert, others):
        found.append((_until(work.ended, rule.guards.cooldown), named(alert)))
    for work in others if rule.guards.group_cooldown else ():
        if both := sorted(groups(alert) & work.groups):
            found.append((_until(work.ended, rule.guards.group_cooldown), f"group {both[0]}"))
    if not found:
        return None
    until, what = max(found)
    if until <= now:
        return None
    return Verdict("hold", "cooldown", f"{what} was just mended; again in {length(_whole(until - now))}", until)


def concurrent(rule: Rule, _alert: Alert, world: World, _now: datetime) -> Verdict | None:
    """Not too many at once."""
    all_ = [work for work in world.running if work.busy]
    mine = [work for work in all_ if work.rule == rule.name]
    if len(mine) >= rule.guards.max_concurrent:
        return Verdict("hold", "max_concurrent", f"{_many(len(mine))} of rule {rule.name}")
    if len(all_) >= world.bounds.max_concurrent:
        return Verdict("hold", "max_concurrent", _many(len(all_)))
    return None


def storm(rule: Rule, _alert: Alert, world: World, now: datetime) -> Verdict | None:
    """Too many alerts for any of them to be what it looks like; nobody wants thousands of notices either."""
    if world.storm is None or world.storm <= now:
        return None
    if rule.do.kind == "notify":
        return Verdict("suppress", "storm", "a storm of alerts: no notice of each until it is calm", world.storm)
    return Verdict("propose", "storm", "a storm of alerts: rules only propose until it is calm", world.storm)


def mode(rule: Rule, _alert: Alert, _world: World, _now: datetime) -> Verdict | None:
    """The rule is not meant to act by itself."""
    return Verdict("propose", "mode", f"rule {rule.name} only proposes") if rule.mode == "propose" else None


def approval(rule: Rule, _alert: Alert, world: World, _now: datetime) -> Verdict | None:
    """The rule wants a person."""
    if rule.guards.approval == "always":
        return Verdict("propose", "approval", f"rule {rule.name} wants an approval always")
    if rule.guards.approval == "risky" and world.risky is not False:
        why = "it is risky" if world.risky else "whether it is risky cannot be told beforehand"
        return Verdict("propose", "approval", f"rule {rule.name} wants an approval: {why}")
    return None


def _until(ended: datetime | None, seconds: int) -> datetime:
    assert ended is not None  # noqa: S101 - only what has ended is asked about
    return ended + timedelta(seconds=seconds)


def _many(number: int) -> str:
    return "1 remediation is running" if number == 1 else f"{number} remediations are running"


def _whole(left: timedelta) -> int:
    return max(1, int(left.total_seconds() + 0.999))


_BEFORE: tuple[Guard, ...] = (gone, acknowledged, maintenance, incident)
_AFTER: tuple[Guard, ...] = (storm, mode, approval)
_CHANGE: tuple[Guard, ...] = (*_BEFORE, named_group, busy, tries, cooldown, freeze, concurrent, budget, *_AFTER)
_NOTICE: tuple[Guard, ...] = (*_BEFORE, tries, cooldown, *_AFTER)
"""A notice changes no host."""
