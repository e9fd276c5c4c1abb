# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Redis node on its own host: from what its service and its port say to what brings it back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

YOUNG = 10.0  # seconds in which a process may still be on its way to its port


@dataclass(frozen=True)
class Unit:
    """What the service manager says. ``age``: seconds that the main process has lived, None when there is none."""

    load: str  # loaded, masked, not-found, ...
    active: str  # active, inactive, failed, activating, ...
    result: str  # success, signal, exit-code, oom-kill, ...
    age: float | None = None


@dataclass(frozen=True)
class Verdict:
    """``order`` for the service manager: ``start``, ``replace`` (kill, then start), or nothing.

    ``wait``: it must be waited for. ``found`` and ``left`` are lines for people; a line in ``left`` says that nothing
    is done, and why.
    """

    order: str = ""
    wait: bool = False
    found: str = ""
    left: str = ""


def unit(text: str, clock: float) -> Unit:
    """``systemctl show``'s properties; ``clock`` is the steady clock of the same host in seconds."""
    said: Mapping[str, str] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    started = said.get("ExecMainStartTimestampMonotonic", "0")
    runs = said.get("MainPID", "0") != "0" and started.isdigit()
    return Unit(
        load=said.get("LoadState", ""),
        active=said.get("ActiveState", ""),
        result=said.get("Result", ""),
        age=max(0.0, clock - int(started) / 1e6) if runs else None,
    )


def judge(answer: str, seen: Unit, drill: bool) -> Verdict:
    """What is to be done.

    ``answer``: ``ready``, ``loading``, or ``none`` where it did not answer for as long as it was given. ``drill``: a
    drill has stopped the node and will bring it back.
    """
    if answer == "ready":
        return Verdict()
    if answer == "loading":
        return Verdict(wait=True, found="it is reading its data")
    if why := _stopped(seen, drill):
        return Verdict(found="it does not run", left=why)
    if seen.age is None:
        return Verdict("start", True, f"its process is dead ({_end(seen)})")
    if seen.age < YOUNG:
        return Verdict(wait=True, found="it has just been started")
    return Verdict("replace", True, "its process runs and does not answer")


def _stopped(seen: Unit, drill: bool) -> str:
    """Why nothing is done."""
    if drill:
        return "a drill has stopped it, and will bring it back"
    if seen.load == "masked":
        return "the service is masked: somebody wants it stopped"
    return "" if seen.load == "loaded" else f"the service is {seen.load or 'unknown'} on this host"


def _end(seen: Unit) -> str:
    if seen.result in ("", "success"):
        return "stopped" if seen.active in ("inactive", "deactivating") else seen.active
    return {"signal": "killed", "oom-kill": "killed for want of memory"}.get(seen.result, seen.result)
