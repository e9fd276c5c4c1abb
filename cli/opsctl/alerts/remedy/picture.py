"""The world as the guards see it, put together from what is stored, and kept right while decisions fall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.world import Work, World
from opsctl.alerts.machine import ACTED, BUSY
from opsctl.alerts.remedy.store import Remedy


@dataclass(frozen=True, slots=True)
class Hosts:
    """What the inventory says, where it could be asked."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)


def work(remedy: Remedy, alert: Alert | None, hosts: Hosts) -> Work:
    """A remediation as the guards see it."""
    touched = frozenset(remedy.result.get("hosts") or ())
    own = {alert.host, alert.stack, *alert.groups} if alert else set()
    groups = set(own) - {alert.host if alert else ""} - {""}
    for host in touched:
        groups |= hosts.members.get(host, frozenset())
    began = remedy.result.get("began", "")
    over = remedy.state not in BUSY
    escalated = remedy.state == "escalated"
    return Work(
        id=remedy.id,
        rule=remedy.rule,
        alert=remedy.alert_id,
        host=alert.host if alert else "",
        began=moment(began) if began else None,
        ended=moment(remedy.result.get("ended") or remedy.updated) if (began or escalated) and over else None,
        hosts=touched,
        groups=frozenset(groups),
        stack=alert.stack if alert else "",
        escalated=escalated,
    )


def moment(text: str) -> datetime:
    """A stored time."""
    return datetime.fromisoformat(text)


class Picture:
    """All remediations of late with their alerts, what fires, and what the inventory says."""

    def __init__(
        self,
        remedies: Iterable[Remedy],
        alerts: Mapping[str, Alert],
        firing: Iterable[Alert],
        hosts: Hosts,
        base: World,
    ) -> None:
        """`alerts`: those of the remediations, by id. `base`: what does not come from here, such as bounds."""
        self._hosts = hosts
        self._works: dict[str, Work] = {}
        self._firing = tuple(firing)
        self._base = replace(base, sizes=hosts.sizes, members=hosts.members, zones=hosts.zones, firing=self._firing)
        self._world: World | None = None
        for remedy in remedies:
            self.take(remedy, alerts.get(remedy.alert_id))

    @property
    def members(self) -> Mapping[str, frozenset[str]]:
        """Host -> its groups and stack."""
        return self._hosts.members

    def take(self, remedy: Remedy, alert: Alert | None) -> None:
        """A remediation that was made or moved since."""
        if remedy.state in ACTED or remedy.result.get("began") or remedy.state == "escalated":
            self._works[remedy.id] = work(remedy, alert, self._hosts)
            self._world = None

    def world(self, hosts: frozenset[str] = frozenset(), **known: Any) -> World:
        """For a decision about a change of these hosts; without any, of the alert's own. `known`: what holds for it."""
        if self._world is None:
            running = tuple(one for one in self._works.values() if one.busy)
            recent = tuple(one for one in self._works.values() if not one.busy)
            self._world = replace(self._base, running=running, recent=recent)
        return replace(self._world, hosts=hosts, **known)


def at(seconds: float) -> datetime:
    """Seconds since the epoch as the guards want them."""
    return datetime.fromtimestamp(seconds, UTC)
