# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: end processes that run away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: process_heal
short_description: End processes that run away
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Watches processes whose name or command line matches O(pattern), and ends those that use more of a processor or of
    memory than is allowed. They are asked to end, and killed where they do not within O(grace) seconds.
  - Never ends the first process, processes of the kernel, those that logins, services and monitoring need (as C(sshd)
    and agents), and those that the module itself runs below.
attributes:
  check_mode:
    description: Says what would be ended.
    support: full
  diff_mode:
    description: Lists the processes.
    support: full
options:
  pattern:
    description: A regular expression that the name or the command line must match.
    type: str
    required: true
  cpu_percent:
    description: Percent of one processor over O(seconds) that are too much. 0 does not look at it.
    type: float
    default: 90
  memory_mb:
    description: MiB of memory that are too much. 0 does not look at it.
    type: float
    default: 0
  seconds:
    description: How long the use of processors is measured.
    type: float
    default: 5
  grace:
    description: Seconds that a process has to end by itself.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: End workers that spin
  opsctl.cloud.process_heal:
    pattern: ^report-worker
    cpu_percent: 95
    seconds: 10
"""

RETURN = r"""
found:
  description: What was wrong, one line each.
  returned: success
  type: list
  elements: str
  sample: ["report-worker (4711): 100 % of a processor, 80 MiB"]
did:
  description: What was done about it; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: ["ended report-worker (4711)"]
left:
  description: What was left as it is, and why.
  returned: success
  type: list
  elements: str
  sample: ["sshd (812): 99 % of a processor, 9 MiB: a host cannot do without it"]
"""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.runaway import Limits, Process, ancestors, choose, parse
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until

SPEC: dict[str, Any] = {
    "pattern": {"type": "str", "required": True},
    "cpu_percent": {"type": "float", "default": 90},
    "memory_mb": {"type": "float", "default": 0},
    "seconds": {"type": "float", "default": 5},
    "grace": {"type": "float", "default": 10},
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Watch, and unless in check mode end."""
    params = module.params
    limits = Limits(params["cpu_percent"], params["memory_mb"])
    if not limits.cpu and not limits.memory:
        raise Invalid("Give cpu_percent or memory_mb: without a threshold every process would run away")
    _checked(params["pattern"])
    processes = _watched(params["seconds"] if limits.cpu else 0.0)
    own = ancestors(os.getpid(), {one.pid: one.parent for one in processes})
    chosen, left = choose(processes, params["pattern"], limits, own)
    stayed = [] if module.check_mode else [one for one in chosen if not _ended(one, params["grace"])]
    gone = [one for one in chosen if one not in stayed]
    change = Change({"processes": [one.text for one in gone]}, {"processes": []})
    return {
        "changed": bool(change),
        "diff": change.diff,
        "found": [one.text for one in chosen],
        "did": [f"ended {one.name} ({one.pid})" for one in gone],
        "left": left + [f"{one.text}: it cannot be ended" for one in stayed],
    }


def _checked(pattern: str) -> None:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise Invalid(f"{pattern} is no regular expression: {error}") from error
    if expression.search(""):
        raise Invalid(f"The pattern {pattern!r} matches every process: say which are meant")


def _watched(seconds: float) -> list[Process]:
    """All processes that were there at both ends of the time."""
    before = _ticks()
    start = time.monotonic()
    time.sleep(seconds)
    took, per_second = max(time.monotonic() - start, 0.001), os.sysconf("SC_CLK_TCK")
    found = []
    for pid in _pids():
        seen = _read(pid)
        if seen is None:
            continue
        _pid, parent, name, started, ticks, memory, command = seen
        used = ticks - before.get((pid, started), ticks)
        found.append(Process(pid, parent, started, name, command, 100 * used / per_second / took, memory))
    return found


def _ticks() -> dict[tuple[int, int], int]:
    return {(seen[0], seen[3]): seen[4] for pid in _pids() if (seen := _read(pid)) is not None}


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int) -> tuple[int, int, str, int, int, float, str] | None:
    folder = Path("/proc", str(pid))
    try:
        return parse((folder / "stat").read_text(), (folder / "status").read_text(), (folder / "cmdline").read_bytes())
    except (OSError, ValueError, IndexError):
        return None


def _there(one: Process) -> bool:
    """The same process, and not only its number; one that nobody has waited for yet does no harm any more."""
    seen = _read(one.pid)
    if seen is None or seen[3] != one.start:
        return False
    return ") Z " not in Path(f"/proc/{one.pid}/stat").read_text()


def _ended(one: Process, grace: float) -> bool:
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        try:
            if not _there(one):
                return True
            os.kill(one.pid, number)
            wait_until(lambda: _there(one), lambda there: not there, "it to end", patience)
        except Timeout:
            continue
        except OSError:
            return not Path(f"/proc/{one.pid}").exists()
        return True
    return False


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
