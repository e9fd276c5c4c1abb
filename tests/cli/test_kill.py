"""Random kills at any moment: nothing that was acknowledged is lost or doubled, no run stays running, nothing is left.

OPSCTL_KILL_SECONDS says for how long (40), OPSCTL_KILL_SEED which of the stories (a new one each time).
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import Cli, processes_with, wait_for
from .sshd import SSHD, Server, sshd

SECONDS = float(os.environ.get("OPSCTL_KILL_SECONDS", "40"))
SEED = int(os.environ.get("OPSCTL_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)

PLAY = """
- hosts: HOSTS
  gather_facts: false
  tasks:
    - name: Say something
      ansible.builtin.debug:
        msg: "something {{ item }}"
      loop: [1, 2, 3]
    - name: Take a moment
      ansible.builtin.command: sleep 0.531637
    - name: Say more
      ansible.builtin.debug:
        msg: more
"""
SCRIPT = "#!/bin/sh\nfor n in 1 2 3 4 5; do echo line $n of $1; sleep 0.231637; done\n"
ENDS = {"succeeded", "failed", "unreachable", "timeout", "canceled", "lost", "error"}
LAST = ("finished", "canceled", "lost")
VICTIMS = ("opsctl", "opsctl", "guard", "ansible", "everything", "two at once")


@dataclass
class World:
    """One home, what it was seen to have acknowledged, and the dice."""

    cli: Cli
    inventory: Path
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    records: dict[int, str] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        folder = self.cli.home.parent
        hosts = ("-i", str(self.inventory), "--yes-all")
        words = self.dice.choice(
            (
                ("run", "command", *hosts, "--", "sh", "-c", "echo hello; sleep 0.731637; echo bye >&2"),
                ("run", "script", *hosts, str(folder / "script.sh"), "it"),
                ("run", "playbook", "-i", str(folder / "local"), "--yes-all", str(folder / "play.yml")),
                ("run", "scenario", "slow"),
            )
        )
        self.story.append(f"{words[1]}")
        return subprocess.Popen(
            self.cli.command(*words),
            env=self.cli.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def remember(self) -> None:
        """What can be read now was acknowledged: it must be there for ever."""
        for path in (self.cli.home / "journal").glob("*.ndjson"):
            lines = path.read_bytes().split(b"\n")[:-1]
            known = self.lines.get(path.name, [])
            assert lines[: len(known)] == known, (path, self.story)
            self.lines[path.name] = lines
        database = self.cli.home / "opsctl.db"
        if database.exists():
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
            with closing(connection), suppress(sqlite3.OperationalError):
                found = dict(connection.execute("SELECT seq, hash FROM ledger").fetchall())
                assert {seq: found.get(seq) for seq in self.records} == self.records, self.story
                self.records = found

    def kill(self, run: subprocess.Popen[str]) -> None:
        victim = self.dice.choice(VICTIMS)
        members = _descendants(run.pid)
        pids = {
            "opsctl": [run.pid],
            "guard": [pid for pid, line in members.items() if b"guard.py" in line],
            "ansible": [
                pid for pid, line in members.items() if b"ansible-playbook" in line and b"guard.py" not in line
            ],
            "everything": [run.pid, *members],
            "two at once": [run.pid, *(pid for pid, line in members.items() if b"guard.py" in line)],
        }[victim]
        self.story.append(f"kill {victim} ({len(pids)})")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def judge(self) -> None:
        """Everything that must hold once the dust has settled."""
        self.remember()
        listed = self.cli("runs", "list", "-n", "1000", "-o", "json")
        assert listed.code == 0, (listed.err, self.story)
        self.remember()
        runs = {row["id"]: row for row in listed.json}
        assert {row["status"] for row in runs.values()} <= ENDS, self.story
        verified = self.cli("audit", "verify", "-o", "json")
        assert verified.code == 0, (verified.out, self.story)
        records = [json.loads(line) for line in self._ledger()]
        kinds = Counter(
            (record["run_id"], record["kind"] if record["kind"] not in LAST else "end") for record in records
        )
        for run, row in runs.items():
            assert kinds[run, "asked"] == kinds[run, "end"] == 1, (run, row["status"], self.story)
            path = self.cli.home / "journal" / f"{run}.ndjson"
            if path.exists():
                events = [json.loads(line) for line in path.read_bytes().splitlines()]
                assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), (run, self.story)
                ends = [event for event in events if event["event"] == "run_end"]
                # Killed between the journal's last line and the ledger, a run is lost though its journal has an end.
                assert len(ends) == 1 or (len(ends) == 2 and row["status"] == "lost"), (run, self.story)
                assert events[-1]["event"] == "run_end", (run, self.story)
        private = self.cli.home.parent / "runtime" / "opsctl"
        assert not private.exists() or not list(private.iterdir()), self.story
        wait_for(lambda: not processes_with("31637"), 15)

    def _ledger(self) -> list[str]:
        with closing(sqlite3.connect(self.cli.home / "opsctl.db")) as connection:
            return [body for (body,) in connection.execute("SELECT body FROM ledger ORDER BY seq")]


def _descendants(pid: int) -> dict[int, bytes]:
    """Processes below this one, with their command lines."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: dict[int, bytes] = {}
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            with suppress(OSError):
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes()
            waiting.append(child)
    return found


def _world(cli: Cli, server: Server | None) -> World:
    folder = cli.home.parent
    (folder / "script.sh").write_text(SCRIPT)
    (folder / "play.yml").write_text(PLAY.replace("HOSTS", "all"))
    cli.scenario("slow", deploy=PLAY.replace("HOSTS", "localhost"))
    inventory = folder / "local"
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    inventory.write_text(f"one {local}\ntwo {local}\n")
    if server is not None:
        inventory = server.inventory(folder, f"ansible_python_interpreter={sys.executable}")
        text = inventory.read_text().splitlines()
        inventory.write_text(
            "\n".join(line for line in text if not line.startswith("web") or int(line[3:5]) <= 3) + "\n"
        )
    return World(cli, inventory)


def _stories(world: World) -> int:
    limit, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < limit:
        runs = [world.start() for _ in range(world.dice.choice((1, 1, 2)))]
        moment = world.dice.uniform(0, 6) ** 1.3
        world.story.append(f"after {moment:.2f} s")
        with suppress(subprocess.TimeoutExpired):
            runs[0].wait(moment)
        world.remember()
        world.kill(runs[0])
        for run in runs:
            run.wait(90)
        rounds += 1
        if world.dice.random() < 0.4:
            world.judge()
    world.judge()
    return rounds


@pytest.mark.timeout(int(SECONDS) + 400)
def test_kills_at_any_moment(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    print(f"OPSCTL_KILL_SEED={SEED}")
    if os.getuid() == 0 and Path(SSHD).exists():
        with sshd(tmp_path_factory.mktemp("sshd")) as server:
            rounds = _stories(_world(cli, server))
    else:
        rounds = _stories(_world(cli, None))
    print(f"{rounds} rounds")
    assert rounds >= 1
