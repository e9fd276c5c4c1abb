# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes run away: named by a pattern, above a threshold, and none that a host cannot do without. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

NEVER = re.compile(
    r"systemd(-.*)?|init|sshd(-.*)?|dbus-.*|agetty|login|cron|crond|rsyslogd|dockerd|containerd(-.*)?"
    r"|zabbix_.*|AliYunDun.*|aliyun-service|assist_daemon|opsctl.*"
)


@dataclass(frozen=True)
class Process:
    """``start`` tells two with the same number apart. ``cpu`` in percent of one processor, ``memory`` in MiB."""

    pid: int
    parent: int
    start: int
    name: str
    command: str
    cpu: float
    memory: float

    @property
    def text(self) -> str:
        """In a few words, for people; arguments are left out, as they may hold secrets."""
        return f"{self.name} ({self.pid}): {self.cpu:.0f} % of a processor, {self.memory:.0f} MiB"


@dataclass(frozen=True)
class Limits:
    """0 = not looked at."""

    cpu: float
    memory: float


def parse(stat: str, status: str, command: bytes) -> tuple[int, int, str, int, int, float, str]:
    """Pid, parent, name, start, ticks, MiB and command line, from three files of ``/proc/PID``."""
    pid, _open, rest = stat.partition(" (")
    name, _close, numbers = rest.rpartition(") ")
    words = numbers.split()
    resident = re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)
    text = command.replace(b"\0", b" ").decode(errors="replace").strip()
    ticks = int(words[11]) + int(words[12])
    return int(pid), int(words[1]), name, int(words[19]), ticks, int(resident[1]) / 1024 if resident else 0.0, text


def over(one: Process, limits: Limits) -> bool:
    """Whether it is above one of the thresholds."""
    return bool((limits.cpu and one.cpu >= limits.cpu) or (limits.memory and one.memory >= limits.memory))


def choose(
    processes: Sequence[Process], pattern: str, limits: Limits, own: Collection[int]
) -> tuple[list[Process], list[str]]:
    """Those to be ended, and why others that match and run away are left alone. ``own``: never these."""
    wanted = re.compile(pattern)
    chosen, left = [], []
    for one in processes:
        if not (wanted.search(one.name) or wanted.search(one.command)) or not over(one, limits):
            continue
        if reason := _kept(one, own):
            left.append(f"{one.text}: {reason}")
        else:
            chosen.append(one)
    return chosen, left


def ancestors(pid: int, parents: Mapping[int, int]) -> set[int]:
    """A process, its parent, the parent of that, and so on."""
    found: set[int] = set()
    while pid and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found


def _kept(one: Process, own: Collection[int]) -> str:
    if one.pid <= 1 or not one.command:
        return "it is the first process or one of the kernel"
    if one.pid in own:
        return "this very heal runs below it"
    return "a host cannot do without it" if NEVER.fullmatch(one.name) else ""
