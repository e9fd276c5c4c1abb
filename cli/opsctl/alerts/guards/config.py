"""The bounds that hold for all rules together: a part of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsctl.alerts.rules.units import Seconds, Share, Texts
from opsctl.policy.part import Part


class Storm(Part):
    """When many alerts come at once, something larger is wrong than any rule knows of: rules only propose then."""

    alerts: Annotated[int, Field(ge=2, le=1_000_000)] = 50
    """More than so many new alerts ..."""
    within: Seconds = 60
    """... in so long are a storm."""
    calm: Seconds = 120
    """It is over when they were fewer for so long."""


class Incident(Part):
    """When many hosts of one zone, stack or group go down together, that is one incident."""

    problems: Texts = ("host-down", "agent-down")
    """Patterns of `opsctl_problem`."""
    at_least: Annotated[int, Field(ge=2, le=10_000)] = 3
    """Hosts."""
    within: Seconds = 60
    """Between the first and the last of them."""
    by: tuple[Literal["zone", "stack", "group"], ...] = ("zone", "stack")
    """What they have in common."""


class Bounds(Part):
    """All of them."""

    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 10
    """Remediations at the same time, of all rules."""
    budget: Share | None = "50%"
    """Hosts of any group that remediations change at once, for rules that say nothing themselves."""
    settle: Seconds = 60
    """An alert that begins on a host during a remediation, or so soon after it, is taken for its doing."""
    storm: Storm = Storm()
    incident: Incident = Incident()
