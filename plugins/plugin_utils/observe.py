# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback plugin journal says about a run, a play and a task. Pure, but for the place of its file."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

CENSORED = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"

_SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|TOKEN|PRIVATE_KEY|API_KEY", re.IGNORECASE)
_VARIABLES = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|token|private_?key|secret_?key|api_?key|become_pass|ssh_pass)$",
    re.IGNORECASE,
)


def place(home: str | None) -> str:
    """The path of a new run's file, in a directory that is made when there is none.

    Raises:
        OSError: it cannot be.
    """
    base = home or os.path.join(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "opsctl")
    folder = os.path.join(os.path.abspath(os.path.expanduser(base)), "observed")
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return os.path.join(folder, f"{uuid7()}.ndjson")


def secrets(environment: Mapping[str, str]) -> set[str]:
    """Values of environment variables that are secret by their name."""
    return {value for name, value in environment.items() if _SECRET.search(name) and len(value) >= 6}


def header(playbook: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for: the shape of a run that `opsctl` conducts, and which process it is."""
    names = [str(name) for name in arguments.get("args") or ()]
    own = str(getattr(playbook, "_file_name", "") or "")
    playbooks = names if own and own != "__adhoc_playbook__" else ["ansible", *names]
    return {
        "kind": "playbook",
        "content": " ".join(playbooks) or own,
        "targets": {"limit": str(arguments.get("subset") or "")},
        "options": {"check": bool(arguments.get("check")), "diff": bool(arguments.get("diff"))},
        "owner": _myself(),
    }


def task(task: Any) -> dict[str, Any]:
    """What is said of a task with each of its events."""
    found = {"task": str(task.name or task.action), "action": str(task.action)}
    path = task.get_path() if hasattr(task, "get_path") else ""
    if path:
        found["path"] = str(path)
    if getattr(task, "_role", None):
        found["role"] = str(task._role._role_name)
    return found


def hidden(play: Any) -> set[str]:
    """Values of extra variables that are secret by their name."""
    manager = play.get_variable_manager()
    found: set[str] = set()
    for name, value in (getattr(manager, "extra_vars", None) or {}).items():
        if isinstance(value, str) and value and _VARIABLES.search(str(name)):
            found.add(str(value))
    return found


def censored(result: dict[str, Any]) -> dict[str, Any]:
    """The result without what `no_log` hides."""
    if result.get("_ansible_no_log"):
        return {"censored": CENSORED}
    items = result.get("results")
    if isinstance(items, list) and any(isinstance(item, dict) and item.get("_ansible_no_log") for item in items):
        hidden = {"censored": CENSORED}
        shown = [hidden if isinstance(item, dict) and item.get("_ansible_no_log") else item for item in items]
        return {**result, "results": shown}
    return result


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): sorts by creation."""
    tick = time.time_ns() * 4096 // 1_000_000
    milliseconds, fraction = divmod(tick, 4096)
    tail = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail))


def _myself() -> dict[str, Any]:
    """This process by identity: host, boot, number, start."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        with open(f"/proc/{os.getpid()}/stat") as file:
            start = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        boot, start = "", 0
    return {"host": os.uname().nodename, "boot": boot, "pid": os.getpid(), "start": start}
