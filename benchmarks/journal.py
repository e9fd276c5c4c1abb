#!/usr/bin/env python3
"""The journal: events as ansible-runner gives them, translated, redacted, numbered, appended, made durable.

    python benchmarks/journal.py [EVENTS]

The peers write the same events with none of that: `json.dumps` and `write`, a line each; and Python's own logging with
a formatter that makes JSON lines. Ours knows 20 secrets, some of them an SSH key, and syncs as in real use.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from common import figure, header, row, timed

from opsctl.events.journal import Journal, read
from opsctl.events.redact import Redactor
from opsctl.runs.progress import Progress
from opsctl.runs.recorder import Recorder

ROUNDS = 5
HOSTS = 50
KINDS = ("runner_on_start", "runner_on_ok")


class Blind:
    """A view that shows nothing."""

    def stopping(self, *, again: bool) -> None: ...

    def show(self, record: dict[str, Any], progress: Progress) -> None: ...


def event(number: int, chance: random.Random) -> dict[str, Any]:
    """As of a real run: two a host and task; a task begins every 100; every 500th fails."""
    task = number // (2 * HOSTS)
    host = f"web{number // 2 % HOSTS}"
    data: dict[str, Any] = {
        "playbook": "site.yml",
        "playbook_uuid": "2f0f1c5e-8f0a-4b8c-9d8e-0c6c4be3e9a1",
        "play": "Configure the nodes",
        "play_uuid": "525400ae-3a4b-b4b7-1f3d-00000000000a",
        "task": f"Write the configuration {task}",
        "task_uuid": f"525400ae-3a4b-b4b7-1f3d-{task:012d}",
        "task_action": "ansible.builtin.template",
        "resolved_action": "ansible.builtin.template",
        "task_path": "/srv/roles/redis/tasks/main.yml:42",
        "host": host,
    }
    made = {"uuid": str(uuid4()), "counter": number, "pid": 4242, "created": datetime.now(UTC).isoformat()}
    made |= {"event": KINDS[number % 2], "event_data": data, "stdout": "", "start_line": number, "end_line": number}
    if number % (2 * HOSTS) == 0:
        return made | {"event": "playbook_on_task_start", "event_data": data | {"name": data["task"]}}
    if number % 2:
        made["event"] = "runner_on_failed" if number % 500 == 1 else "runner_on_ok"
        made["stdout"] = f"changed: [{host}]"
        arguments = {name: chance.choice(("present", "/etc/redis/redis.conf", None, True)) for name in "abcdefghij"}
        data["res"] = {
            "changed": True,
            "dest": "/etc/redis/redis.conf",
            "checksum": f"{chance.getrandbits(160):040x}",
            "md5sum": f"{chance.getrandbits(128):032x}",
            "owner": "redis",
            "mode": "0640",
            "size": chance.getrandbits(16),
            "invocation": {"module_args": arguments},
            "_ansible_no_log": False,
        }
        data |= {"start": "2026-11-21T10:00:00", "end": "2026-11-21T10:00:01", "duration": 0.4, "event_loop": None}
    return made


def secrets() -> list[str]:
    chance = random.Random(2)  # noqa: S311
    key = "\n".join("".join(chance.choices("abcdefghijklmnop0123456789+/", k=70)) for _ in range(6))
    return [f"-----BEGIN OPENSSH PRIVATE KEY-----\n{key}\n-----END OPENSSH PRIVATE KEY-----"] + [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789!$%", k=chance.randint(8, 40))) for _ in range(19)
    ]


def ours(path: Path, events: list[dict[str, Any]]) -> None:
    journal = Journal(path)
    recorder = Recorder(journal, Redactor(secrets()), Blind(), on_error=lambda: None)
    for each in events:
        recorder.put(each)
    recorder.finish()
    journal.close()


def plain(path: Path, events: list[dict[str, Any]]) -> None:
    with path.open("w") as file:
        for each in events:
            file.write(json.dumps(each) + "\n")
            file.flush()
        os.fsync(file.fileno())


def logged(path: Path, events: list[dict[str, Any]]) -> None:
    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return json.dumps({"time": self.formatTime(record), "level": record.levelname, "event": record.msg})

    log = logging.getLogger(str(path))
    log.propagate, log.level = False, logging.INFO
    handler = logging.FileHandler(path)
    handler.setFormatter(Lines())
    log.addHandler(handler)
    for each in events:
        log.info(each)
    log.removeHandler(handler)
    handler.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    chance = random.Random(1)  # noqa: S311
    events = [event(number, chance) for number in range(count)]
    taken: dict[str, list[float]] = {"ours": [], "plain": [], "logged": []}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for number in range(ROUNDS):
            path = folder / f"{number}.ndjson"
            taken["ours"].append(timed(partial(ours, path, events))[0])
            assert sum(1 for _ in read(path)) == count
            taken["plain"].append(timed(partial(plain, folder / "plain", events))[0])
            taken["logged"].append(timed(partial(logged, folder / "logged", events))[0])
    header("journal", "peer")
    row(f"{count:,} events; peer: json.dumps + write", taken["ours"], taken["plain"], "-")
    row(f"{count:,} events; peer: logging, JSON lines", taken["ours"], taken["logged"], "-")
    figure("translated, redacted, appended", f"{count / sorted(taken['ours'])[ROUNDS // 2]:,.0f} /s", ">= 20,000 /s")


if __name__ == "__main__":
    main()
