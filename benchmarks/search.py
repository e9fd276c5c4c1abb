#!/usr/bin/env python3
"""Search of all journals: the whole command, from its start to its last line, against grep over the same files.

    python benchmarks/search.py [EVENTS]

grep counts the lines that have the words, which is less than what search does (newest first, fields, times, excerpts).
Where ripgrep is installed it is a peer too. The index is made once; so is the time for that, and its size, told.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from common import figure, header, row, timed

from opsctl.clock import stamp
from opsctl.events.journal import Journal

ROUNDS = 3
HOSTS, TASKS = 100, 50
WORDS = tuple(
    "server started port connection timeout disk full error warning reload config changed package installed service "  # noqa: SIM905
    "restart memory load average replica master slot cluster node failover backup restore snapshot volume mount".split()
)
QUERIES = (
    ("one event among all", ['"needle in the journals"'], "needle in the journals"),
    ("two words, many events", ["connection", "timeout"], "connection.*timeout|timeout.*connection"),
    ("a word that is everywhere", ["changed"], "changed"),
    ("a host and a state", ["host:web7", "status:failed"], '"event":"host_failed".*"host":"web7"'),
)


def fill(home: Path, events: int) -> None:
    """Runs of 100 hosts and 50 tasks, one an hour."""
    chance = random.Random(1)  # noqa: S311
    runs = max(1, events // (HOSTS * TASKS))
    began = time.time() - runs * 3600
    for number in range(runs):
        start = began + number * 3600
        run = UUID(int=int(start * 1000) << 80 | 7 << 76 | 2 << 62 | chance.getrandbits(62))
        journal = Journal(home / "journal" / f"{run}.ndjson")
        journal.append({"time": stamp(start), "event": "run_start", "data": {"kind": "scenario"}})
        for task in range(TASKS):
            for host in range(HOSTS):
                said = " ".join(chance.choices(WORDS, k=12)) + f" id {chance.getrandbits(30)}"
                if (number, task, host) == (runs // 3, 7, 7):
                    said += " needle in the journals"
                failed = chance.random() < 0.01
                result = {"changed": not failed, "rc": int(failed), "stdout": said, "stdout_lines": [said]}
                record = {
                    "time": stamp(start + task + host / 1000),
                    "event": "host_failed" if failed else "host_ok",
                    "play": "Configure the nodes",
                    "task": f"Do the work {task}",
                    "action": "ansible.builtin.command",
                    "host": f"web{host}",
                    "stdout": f"changed: [web{host}]",
                    "data": {"res": result, "duration": 0.1},
                }
                journal.append(record)
        journal.close()


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        home = Path(name)
        (home / "journal").mkdir()
        fill(home, events)
        size = sum(path.stat().st_size for path in (home / "journal").iterdir())
        environment = {**os.environ, "OPSCTL_HOME": str(home)}

        def ours(words: list[str]) -> str:
            argv = [sys.executable, "-m", "opsctl", "logs", "search", *words, "-n", "50"]
            return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout

        # Not to /dev/null: grep would stop at the first line it finds.
        def grep(program: list[str], pattern: str) -> None:
            subprocess.run([*program, pattern, str(home / "journal")], stdout=subprocess.PIPE, check=True)

        peers = {"grep": ["grep", "-r", "-i", "-c", "-E"]}
        peers |= {"rg": ["rg", "-i", "-c"]} if shutil.which("rg") else {}
        made = timed(lambda: ours(["needle"]))[0]
        figure(f"index of {events:,} events, {size / 1e6:.0f} MB, made", f"{made:.1f} s", "once")
        figure("size of the index over the journals", f"{(home / 'search.db').stat().st_size / size:.2f}", "-")
        for peer, program in peers.items():
            header("search", peer)
            for title, words, pattern in QUERIES:
                assert ours(words), title
                left = [timed(lambda words=words: ours(words))[0] for _ in range(ROUNDS)]  # type: ignore[misc]
                right = [timed(lambda pattern=pattern: grep(program, pattern))[0] for _ in range(ROUNDS)]  # type: ignore[misc] # noqa: B023
                row(title, left, right, "< 2 s")


if __name__ == "__main__":
    main()
