"""What a grant or an entry of the calendar is about, and where."""

from __future__ import annotations

from opsctl.policy.finding import Level
from opsctl.policy.part import Many, Part


class What(Part):
    """What is run: any of the named contents; then the action and the risk, where they are given."""

    scenario: Many = ()
    playbook: Many = ()
    module: Many = ()
    command: Many = ()
    action: Many = ()
    risk: Level | None = None


class Where(Part):
    """Where: all that are given must fit."""

    cloud: Many = ()
    stack: Many = ()
    group: Many = ()
    host: Many = ()
