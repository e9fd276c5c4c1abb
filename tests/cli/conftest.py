"""A home of its own for each test, scenarios made of small playbooks, and opsctl as a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60

HELLO = """
---
# Says hello on this machine.
- name: Say hello
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Greet
      ansible.builtin.debug:
        msg: "hello {{ stack_name }}"
    - name: Tell the result
      ansible.builtin.set_stats:
        data:
          opsctl_result:
            greeted: "{{ stack_name }}"
"""

NODES = """
- name: Make the hosts known
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Add hosts
      ansible.builtin.add_host:
        name: "{{ item }}"
        groups: nodes
        ansible_connection: local
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
      loop: [node-1, node-2]
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The only line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@dataclass
class Cli:
    """opsctl with one home."""

    home: Path
    scenarios: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, env: dict[str, str] | None = None, stdin: str = "") -> Result:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environ(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Run it beside the test."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "opsctl", *arguments]

    def environ(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, **self.environment, **(more or {})}

    def scenario(self, name: str, **actions: str) -> Path:
        """Make one."""
        folder = self.scenarios / name.replace("-", "_")
        folder.mkdir(exist_ok=True)
        for action, text in actions.items():
            (folder / f"{action}.yml").write_text(textwrap.dedent(text))
        return folder

    def role(self, name: str, options: str, tasks: str) -> None:
        """Make a role beside the scenarios."""
        folder = self.scenarios / "roles" / name
        for part, text in (("meta/argument_specs.yml", options), ("tasks/main.yml", tasks)):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_text(textwrap.dedent(text))

    def run_id(self) -> str:
        return str(self("runs", "show", "last", "-o", "json").json["id"])


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    home, scenarios = tmp_path / "home", tmp_path / "scenarios"
    home.mkdir(mode=0o700)
    scenarios.mkdir()
    (tmp_path / "hosts").write_text("")
    (home / "config.toml").write_text(
        f'cloud = "here"\n[clouds.here]\nkind = "hosts"\ninventory = "{tmp_path / "hosts"}"\n'
    )
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    made = Cli(home, scenarios)
    made.environment = {
        "OPSCTL_HOME": str(home),
        "OPSCTL_SCENARIO_PATH": str(scenarios),
        "XDG_RUNTIME_DIR": str(runtime),
        "HOME": str(tmp_path),
        "COLUMNS": "200",
    }
    return made


@pytest.fixture
def background(cli: Cli) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts opsctl beside the test; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        started.append(cli.start(*arguments, **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of `what`."""
    limit = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < limit, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return answer


def processes_with(text: str) -> list[int]:
    """Processes that have this in their command line or environment."""
    wanted, found = text.encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "cmdline").read_bytes() or wanted in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
