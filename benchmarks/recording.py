"""What recording costs: ARA's own benchmark (debug tasks on local hosts), plain and recorded in turn.

    python benchmarks/recording.py [--rounds N] [--hosts N ...] [--ara BIN]

BIN is the bin directory of a virtual environment that has ara[server] and the same ansible-core.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from common import row, timed

from opsctl.scenarios import collections_path

_TASKS = 50
_FORKS = "20"
_TOOLS = Path(sys.executable).parent

Way = Callable[[], None]


def _content(folder: Path, hosts: int) -> tuple[str, str]:
    inventory, play = folder / "hosts", folder / "play.yml"
    variables = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    inventory.write_text("".join(f"host-{number} {variables}\n" for number in range(hosts)))
    text = (
        "    - name: Task {0}\n      ansible.builtin.debug:\n        msg: 'task {0} on {{{{ inventory_hostname }}}}'\n"
    )
    tasks = "".join(text.format(number) for number in range(_TASKS))
    play.write_text(f"- name: Say much\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
    return str(inventory), str(play)


def _run(command: list[str], **environment: str) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "OPSCTL_", "ARA_"))}
    done = subprocess.run(command, env={**bare, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _ways(folder: Path, hosts: int, ara: Path | None) -> dict[str, Way]:
    inventory, play = _content(folder, hosts)
    arguments = ["-f", _FORKS, "-i", inventory, play]
    home, own = str(folder / "home"), str(folder / "own")
    plain = [str(_TOOLS / "ansible-playbook"), *arguments]
    recorded = {"ANSIBLE_CALLBACKS_ENABLED": "opsctl.cloud.journal", "OPSCTL_HOME": home}
    recorded["ANSIBLE_COLLECTIONS_PATH"] = collections_path()
    conducted = [str(_TOOLS / "opsctl"), "run", "playbook", play, "-i", inventory, "-f", _FORKS, "--yes-all"]
    ways: dict[str, Way] = {
        "plain": lambda: _run(plain),
        "callback plug-in journal": lambda: _run(plain, **recorded),
        "opsctl run playbook": lambda: _run(conducted, OPSCTL_HOME=own),
    }
    if ara:
        found = subprocess.run(
            [ara / "python", "-m", "ara.setup.callback_plugins"], capture_output=True, text=True, check=True
        )
        peer = [str(ara / "ansible-playbook"), *arguments]
        there = {"ANSIBLE_CALLBACK_PLUGINS": found.stdout.strip(), "ARA_BASE_DIR": str(folder / "ara")}
        ways["plain in ARA's environment"] = lambda: _run(peer)
        ways["ARA, its callback and SQLite"] = lambda: _run(peer, **there)
    return ways


def _measure(hosts: int, rounds: int, ara: Path | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        ways = _ways(Path(name), hosts, ara)
        took: dict[str, list[float]] = {way: [] for way in ways}
        used: dict[str, list[float]] = {way: [] for way in ways}
        for way in ways.values():
            way()
        order = list(ways)
        for number in range(rounds):
            # Neither gains by always coming after the same other.
            for way in order if number % 2 else reversed(order):
                before = _used()
                took[way].append(timed(ways[way])[0])
                used[way].append(_used() - before)
        records = sum(len(path.read_bytes().splitlines()) for path in Path(name, "home", "observed").glob("*.ndjson"))
    print(f"{hosts} hosts x {_TASKS} tasks, {rounds} rounds, {records // (rounds + 1)} records a run", flush=True)
    row("callback plug-in journal / plain", took["callback plug-in journal"], took["plain"], "<= 1.05 x")
    row("opsctl run playbook / plain", took["opsctl run playbook"], took["plain"], "<= 1.05 x and 2 s")
    if ara:
        peer = took["plain in ARA's environment"]
        row("ARA / plain in its environment", took["ARA, its callback and SQLite"], peer, "(the peer)")
    for name, times in (("seconds", took), ("seconds of CPU", used)):
        shown = ", ".join(f"{way} {statistics.median(each):.1f} ({min(each):.1f})" for way, each in times.items())
        print(f"  {name}, median (least): {shown}", flush=True)


def _used() -> float:
    """Seconds of CPU of all commands so far: on a busy machine they say more than those of the clock."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def main() -> None:
    """Print both shapes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hosts", type=int, nargs="+", default=[25, 100])
    parser.add_argument("--ara", type=Path, metavar="BIN")
    given = parser.parse_args()
    print(f"{'':<44} {'recorded':>10} {'plain':>10} {'ratio':>8}", flush=True)
    for hosts in given.hosts:
        _measure(hosts, given.rounds, given.ara)


if __name__ == "__main__":
    main()
