"""What an alert is about, and which remediations were about the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.world import Work, World
from opsctl.alerts.rules.rule import Rule
from opsctl.alerts.rules.units import length


def works(world: World) -> Iterator[Work]:
    """All that is known, each once."""
    seen: set[str] = set()
    for work in (*world.running, *world.recent):
        if work.id not in seen:
            seen.add(work.id)
            yield work


def about(rule: Rule, alert: Alert, found: Iterable[Work]) -> list[Work]:
    """Remediations of this rule for the same host; where the alert names none, for the same stack without a host."""
    return [
        work
        for work in found
        if work.rule == rule.name
        and (_on(alert.host, work) if alert.host else not work.host and work.stack == alert.stack)
    ]


def _on(host: str, work: Work) -> bool:
    return host == work.host or host in work.hosts


def groups(alert: Alert) -> frozenset[str]:
    """The groups of the alert's host, with its stack."""
    return frozenset({*alert.groups, alert.stack} - {""})


def named(alert: Alert) -> str:
    """The host, or what else is known."""
    return alert.host or alert.stack or f'"{alert.name}"'


def ago(then: datetime, now: datetime) -> str:
    """How long since, for people."""
    seconds = max(0, int((now - then).total_seconds()))
    return f"{length(seconds if seconds < 120 else seconds - seconds % 60)} ago"
