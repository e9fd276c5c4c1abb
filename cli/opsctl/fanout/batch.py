"""What is to be done on which hosts, and how each of them is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opsctl.fanout.given import Passwords
from opsctl.fanout.ssh import Command, Connection


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be done where."""

    title: str
    command: Command = field(repr=False)
    fast: Sequence[Connection] = field(default=(), repr=False)
    slow: Mapping[str, str] = field(default_factory=dict)
    """Hosts that Ansible must reach, with the reason."""
    timeout: float = 3600
    """Seconds on one host."""
    user: str = ""
    become: bool = False
    script: Path | None = None
    passwords: Passwords = field(default_factory=Passwords, repr=False)
    """For hosts that have none of their own."""
    note: str = ""
    """What the hosts' syslog is told besides the run's id, without secrets; empty = hosts are told nothing."""

    @property
    def hidden(self) -> frozenset[str]:
        """Passwords that could turn up in what hosts say."""
        found = {value for to in self.fast for value in (to.password, to.become_password)}
        return frozenset({*found, self.passwords.ssh, self.passwords.become} - {""})
