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
    own = world.hosts or frozenset({alert.host})
    for group, size in sorted(known.items()):
        most = allowed(share, size)
        others = in_change(world, group)
        of = f"of the {size} hosts of {group}" if group else "hosts"
        if len(own) > most:
            return Verdict("propose", "budget", f"it would change {len(own)} {of}; {share} allows {most} at once")
        if len(others | own) > most:
            names = ", ".join(sorted(others)[:5])
            return Verdict("hold", "budget", f"{len(others)} {of} are being changed ({names}); {share} allows {most}")
    return None


def in_change(world: World, group: str) -> frozenset[str]:
    """Hosts that remediations change now: of this group, or of all where it is empty."""
    found: set[str] = set()
    for work in world.running:
        if work.busy and (not group or group in work.groups):
            found |= work.touched
    return frozenset(found)
