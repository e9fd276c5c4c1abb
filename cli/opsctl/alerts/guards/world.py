"""What is known about the world when a decision is taken: one frozen picture. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Bounds

_NONE = frozenset({"", "localhost"})


@dataclass(frozen=True, slots=True)
class Work:
    """A remediation, now or in the past."""

    id: str
    rule: str
    alert: str
    """The alert's id."""
    host: str
    began: datetime | None = None
    """When its run was started; None = it never was: proposed, escalated or suppressed without one."""
    ended: datetime | None = None
    """When it was over, verification included; None = it is not. Of what never began: when that was decided."""
    hosts: frozenset[str] = frozenset()
    """All that it may change, besides its host."""
    groups: frozenset[str] = frozenset()
    """The groups its hosts are in, with their stack: those that `World.sizes` knows."""
    stack: str = ""
    escalated: bool = False
    """A person was told to take over."""

    @property
    def busy(self) -> bool:
        """Whether it changes hosts now, or may."""
        return self.began is not None and self.ended is None

    @property
    def touched(self) -> frozenset[str]:
        """Every host it may change, but this machine, on which each of them works."""
        return (self.hosts | {self.host}) - _NONE


@dataclass(frozen=True)
class World:
    """The moment of a decision; a verdict is as good as this picture: take it under the lock that also starts."""

    running: tuple[Work, ...] = ()
    """Remediations that were started and are not over, by any rule."""
    recent: tuple[Work, ...] = ()
    """Those that are over, and what was escalated: of at least as long as the longest of the rules' times."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Group, or stack -> how many hosts it has."""
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Host -> its groups and stack, where that is known."""
    hosts: frozenset[str] = frozenset()
    """What this remediation would change; empty = the alert's host alone."""
    firing: tuple[Alert, ...] = ()
    """Alerts that fire now, this one or not: to see what belongs together."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """Host -> its zone, where that is known."""
    storm: datetime | None = None
    """Until when it is a storm, as `Storms` says; None = it is none."""
    maintenance: Mapping[str, datetime | None] = field(default_factory=dict)
    """Host -> until when it is in maintenance (None: not known). Without what remediations themselves silenced."""
    frozen: str = ""
    """The freeze that holds for such a change now; empty = none."""
    thaw: datetime | None = None
    """When the freeze ends, where that is known."""
    risky: bool | None = None
    """Whether the policy rates what is done high or above; None = that cannot be known beforehand."""
    bounds: Bounds = field(default_factory=Bounds)

    def inventoried(self, name: str) -> bool:
        """Whether the inventory knows a group of this name."""
        return name in self._groups

    def wanted(self, alert: Alert) -> frozenset[str]:
        """The hosts that it is about to change; the name of a group stands for the hosts that are known to be in it."""
        found: set[str] = set()
        for name in self.hosts or {alert.host}:
            found |= self.inside(name) or {name}
        return frozenset(found) - _NONE

    def inside(self, name: str) -> frozenset[str]:
        """The hosts that are known to be in a group; none for the name of a host."""
        if name in self.members:
            return frozenset()
        return frozenset(self.members) if name == "all" else self._groups.get(name, frozenset())

    @cached_property
    def _groups(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for host, groups in self.members.items():
            for group in groups:
                found.setdefault(group, set()).add(host)
        return {group: frozenset(hosts) for group, hosts in found.items()}
