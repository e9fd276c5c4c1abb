"""That nothing is tried for ever: not on one host, not by two rules that undo each other's work. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.subject import about, ago, named, works
from opsctl.alerts.guards.verdict import Verdict
from opsctl.alerts.guards.world import Work, World
from opsctl.alerts.rules.match import heard
from opsctl.alerts.rules.rule import Rule
from opsctl.alerts.rules.units import length


def tries(rule: Rule, alert: Alert, world: World, now: datetime) -> Verdict | None:
    """After so many tries a person must look; where one was told already, more of the same is suppressed."""
    bound = rule.guards.tries
    since = now - timedelta(seconds=bound.within)
    mine = [work for work in about(rule, alert, works(world)) if _since(work, since)]
    others = (work for work in works(world) if work.rule != rule.name and _since(work, since))
    blamed = [work for work in others if caused(work, alert, world)]
    done = sorted((*mine, *blamed), key=lambda work: work.began or since)
    if len(done) < bound.most:
        return None
    last = done[-1].began or now
    free = (done[-bound.most].began or now) + timedelta(seconds=bound.within)
    told = f"{len(done)} tries on {named(alert)} within {length(bound.within)}, the last {ago(last, now)}"
    if blamed:
        names = ", ".join(sorted({work.rule for work in blamed}))
        told += f"; {len(blamed)} of them by {names}, during which this alert began"
    if _told(rule, alert, world, since):
        return Verdict("suppress", "tries", f"{told}; a person was told before", free)
    return Verdict("escalate", "tries", f"{told}; a person must look", free)


def caused(work: Work, alert: Alert, world: World) -> bool:
    """Whether an alert began while a remediation worked on its host, or so soon after that it may be its doing."""
    if work.began is None or not alert.host or alert.host not in work.touched or work.alert == alert.id:
        return False
    began = heard(alert)
    return began >= work.began and (work.ended is None or began <= work.ended + timedelta(seconds=world.bounds.settle))


def _since(work: Work, since: datetime) -> bool:
    return work.began is not None and work.began > since


def _told(rule: Rule, alert: Alert, world: World, since: datetime) -> bool:
    """Whether a person heard of another alert of the same kind within the time."""
    return any(
        work.escalated and work.alert != alert.id and (work.ended is None or work.ended > since)
        for work in about(rule, alert, world.recent)
    )
