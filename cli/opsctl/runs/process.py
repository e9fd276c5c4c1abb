"""Processes by identity, not by number: a number is given again after a crash, start time and boot are not."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RUN_VARIABLE = "OPSCTL_RUN_ID"
"""In the environment of every process of a run, on this machine and, where it is passed on, on hosts."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One process of one boot of one machine."""

    host: str
    boot: str
    pid: int
    start: int
    """Clock ticks after boot, field 22 of /proc/PID/stat."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def gone(self) -> bool:
        """Whether it has surely ended. A process of another machine cannot be judged from here."""
        if self.host != os.uname().nodename:
            return False
        return self.boot != _boot() or _start(self.pid) != self.start


def myself() -> Owner:
    """This process."""
    return Owner(os.uname().nodename, _boot(), os.getpid(), _start(os.getpid()) or 0)


def members(run_id: str) -> list[int]:
    """Processes on this machine that belong to a run, whatever session or parent they have by now."""
    wanted = f"{RUN_VARIABLE}={run_id}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if wanted in Path("/proc", entry.name, "environ").read_bytes().split(b"\0") and _running(
                    int(entry.name)
                ):
                    found.append(int(entry.name))
    return found


def sweep(run_id: str, seconds: float = 5) -> list[int]:
    """End by force whatever of a run still runs; what was found. Looks again until nothing is left or time is up."""
    ended: list[int] = []
    limit = time.monotonic() + seconds
    while (left := members(run_id)) and time.monotonic() < limit:
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        ended += [pid for pid in left if pid not in ended]
        time.sleep(0.02)
    return ended


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    # The second field, the name, is in parentheses and may hold anything, also spaces and parentheses.
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()


def _start(pid: int) -> int | None:
    try:
        fields = _stat(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _running(pid: int) -> bool:
    return _start(pid) is not None
