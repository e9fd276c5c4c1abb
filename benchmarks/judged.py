"""What judging every task costs: shell and debug tasks on local hosts, plain and judged in turn.

python benchmarks/judged.py [--rounds N] [--hosts N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import figure, header, row

from opsctl.judged import VARIABLE
from opsctl.policy.limit import Limit, Limits, Place, Task

_TASKS = 20
_SHELL = "for name in a b c; do test -f /etc/$name || true; done | sort > /dev/null # {0}"
_LIMITS = Limits(
    "bench",
    False,
    [
        Limit("calm", "allow", "medium", groups=["bench"]),
        Limit("never", "deny", "critical"),
        Limit("no-reboot", "deny", commands=["reboot", "shutdown *"]),
    ],
)


def _content(folder: Path, hosts: int) -> tuple[str, str]:
    inventory, play = folder / "hosts", folder / "play.yml"
    variables = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    inventory.write_text("[bench]\n" + "".join(f"host-{number} {variables}\n" for number in range(hosts)))
    tasks = [{"ansible.builtin.debug": {"msg": number}} for number in range(_TASKS)]
    tasks += [{"ansible.builtin.shell": _SHELL.format(number)} for number in range(_TASKS)]
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    return str(inventory), str(play)


def _run(command: list[str], **environment: str) -> float:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "OPSCTL_"))}
    began = time.perf_counter()
    done = subprocess.run(command, env={**bare, **environment}, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def _alone(rounds: int) -> float:
    """Seconds for one shell task, in this process."""
    place = Place("host-1", frozenset({"all", "bench"}))
    began = time.perf_counter()
    for number in range(rounds):
        _LIMITS.refusal(Task("ansible.builtin.shell", {"_raw_params": _SHELL.format(number)}, place))
    return (time.perf_counter() - began) / rounds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hosts", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory, play = _content(folder, given.hosts)
        (folder / "limits.json").write_text(json.dumps(_LIMITS.plain()))
        arguments = ["-f", "5", "-i", inventory, play]
        tool = str(Path(sys.executable).with_name("ansible-playbook"))
        took: dict[str, list[float]] = {"plain": [], "judged": []}
        for _round in range(given.rounds):
            took["plain"].append(_run([tool, *arguments]))
            judged = [sys.executable, "-P", "-m", "opsctl.judged", *arguments]
            took["judged"].append(_run(judged, **{VARIABLE: str(folder / "limits.json")}))
    header("judged", "plain")
    row(f"{given.hosts} hosts x {2 * _TASKS} tasks", took["judged"], took["plain"], "<= 1.05 x")
    figure("judging one shell task", f"{_alone(2000) * 1e6:.0f} us", "a task takes 50 ms at least")


if __name__ == "__main__":
    main()
