"""How many hosts of a group may be in change at once. Pure."""

from __future__ import annotations

from datetime import datetime

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.subject import groups
from opsctl.alerts.guards.verdict import Verdict
from opsctl.alerts.guards.world import World
from opsctl.alerts.rules.part import allowed
from opsctl.alerts.rules.rule import Rule


def budget(rule: Rule, alert: Alert, world: World, _now: datetime) -> Verdict | None:
    """Holds while others use up what any group of the host can bear; proposes what never fits."""
    share = rule.guards.budget or world.bounds.budget
    if share is None:
        return None
    known = {group: world.sizes[group] for group in groups(alert) if world.sizes.get(group)}
    if not known:
        if not share.endswith("%"):
            known = {"": 0}
        elif rule.guards.budget is None:
            # Only the general bound, and nothing it could be a share of: one host at a time is what it always allows.
            return None
        else:
            return Verdict("propose", "budget", f"{share} of what cannot be told: the size of no group of it is known")
    own = world.wanted(alert)
    for group, size in sorted(known.items()):
        most = allowed(share, size)
        mine = frozenset(
            host
            for host in own
            if not group or _within(world, host, group, told=host == alert.host or host not in world.members)
        )
        others = in_change(world, group)
        of = f"of the {size} hosts of {group}" if group else "hosts"
        if len(mine) > most:
            return Verdict("propose", "budget", f"it would change {len(mine)} {of}; {share} allows {most} at once")
        if mine and len(others | mine) > most:
            names, be = ", ".join(sorted(others)[:5]), "is" if len(others) == 1 else "are"
            return Verdict("hold", "budget", f"{len(others)} {of} {be} being changed ({names}); {share} allows {most}")
    return None


def in_change(world: World, group: str) -> frozenset[str]:
    """Hosts that remediations change now: of this group, or of all where it is empty."""
    return frozenset(
        host
        for work in world.running
        if work.busy
        for host in work.touched
        if not group or _within(world, host, group, told=group in work.groups)
    )


def _within(world: World, host: str, group: str, *, told: bool) -> bool:
    """Whether a host is in a group: so the inventory says; of hosts and groups it does not know, what was told."""
    known = world.members.get(host)
    if known is not None and (group in known or world.inventoried(group)):
        return group in known
    return told
