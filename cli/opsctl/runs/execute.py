"""Runs Ansible: the only file that imports ansible_runner.

A job's events come to a callback of the caller's in order; the callback must return at once (a slow one kills the run:
https://github.com/ansible/ansible-runner/issues/1343).
"""

from __future__ import annotations

import glob
import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from opsctl import inside
from opsctl import judged as judging
from opsctl.errors import ContentError
from opsctl.events.veil import VARIABLE as VEIL
from opsctl.runs import guard
from opsctl.runs.process import RUN_VARIABLE, sweep
from opsctl.runs.workspace import write

Why = Literal["", "canceled", "timeout", "broken", "errors", "batch", "matched", "unanswered"]

_LARGEST_RESULT = 1024 * 1024 * 1024
"""Characters of one task's result; Ansible-runner drops whole results that are larger (its own default: 700,000)."""
_SHARE = 4
"""Bytes of memory, in all processes together, for a character of a result: measured."""


@dataclass(frozen=True, slots=True)
class Job:
    """One execution of ansible-playbook."""

    id: str
    space: Path
    """The private directory."""
    playbook: str = ""
    """Its name or path; see `task` for one that has a single module."""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    inventories: Sequence[Path] = ()
    limit: str = ""
    check: bool = False
    diff: bool = False
    mark: bool = True
    """Whether hosts are told the run's id."""
    begin: str = ""
    """The name of the task to begin with."""
    forks: int = 20
    timeout: int = 4 * 3600
    grace: int = 10
    limits: Mapping[str, Any] | None = field(default=None, repr=False)
    """What policy lets its tasks do; None = no task needs to be judged."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: Ansible's exit status, and who stopped it if it did not end by itself."""

    status: int
    why: Why
    seconds: float
    text: str = ""
    """Why, for people, where the one who stopped it said so."""


def task(space: Path, title: str, module: str, arguments: Mapping[str, Any]) -> str:
    """Write a playbook of one task on this machine; its path. (`ansible -m` would show the arguments to everybody.)"""
    play = {
        "name": title,
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [{"name": title, module: dict(arguments)}],
    }
    path = space / "project" / "task.yml"
    write(path, json.dumps([play]))
    return str(path)


def warm() -> None:
    """Load now what an execution would load: for processes that conduct many."""
    import ansible_runner  # type: ignore[import-untyped]  # noqa: F401

    import opsctl.runs.terminal  # noqa: F401


class Execution:
    """A job while it runs. `stop` may be called from a signal handler or another thread, at any time."""

    def __init__(self, job: Job) -> None:
        """Prepares the leash; nothing runs yet."""
        self.job = job
        self.why: Why = ""
        self._path = job.space / "leash"
        os.mkfifo(self._path, 0o600)
        # Both ends, so that the guard finds it open whenever it comes.
        self._leash = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        self._over = False

    def stop(self, why: Why) -> None:
        """Ask Ansible to stop; the second time, end it by force."""
        if not self._over:
            os.write(self._leash, b"k" if self.why else b"i")
        self.why = self.why or why

    def run(self, on_event: Callable[[dict[str, Any]], None]) -> Outcome:
        """Run to the end. `on_event` is called in this thread.

        Raises:
            ContentError: Ansible cannot be started.
        """
        began = time.monotonic()
        timer = threading.Timer(self.job.timeout, self.stop, ("timeout",))
        timer.daemon = True
        timer.start()
        try:
            status = self._run(on_event)
        finally:
            timer.cancel()
            self._over = True
            os.close(self._leash)
        if self.why or status == KILLED:
            sweep(self.job.id)
        return Outcome(status, self.why, time.monotonic() - began)

    def _run(self, on_event: Callable[[dict[str, Any]], None]) -> int:
        import ansible_runner

        from opsctl.runs.terminal import patient

        job = self.job
        if job.extra:
            write(job.space / "env" / "extravars", json.dumps(job.extra))
        if job.limits is not None:
            write(job.space / _LIMITS, json.dumps(job.limits))
        write(job.space / "env" / "settings", json.dumps({"pexpect_timeout": 1, "suppress_output_file": True}))
        config = ansible_runner.RunnerConfig(
            private_data_dir=str(job.space),
            ident=job.id,
            playbook=job.playbook,
            inventory=[str(path) for path in job.inventories] or None,
            limit=job.limit or None,
            forks=job.forks,
            cmdline=_flags(job) or None,
            envvars=environment(job),
            quiet=True,
            suppress_env_files=True,
        )
        try:
            config.prepare()
        except ansible_runner.exceptions.ConfigurationError as error:
            raise ContentError(f"Cannot run {job.playbook}: {error}") from error
        config.command = self._guarded(config.command)
        # Its own cancelling would kill at once, and would take our signal handlers.
        runner = ansible_runner.Runner(
            config, event_handler=_never_kept(on_event), cancel_callback=lambda: False, remove_partials=True
        )
        with patient():
            runner.run()
        return KILLED if runner.rc is None else int(runner.rc)

    def _guarded(self, command: list[str]) -> list[str]:
        beside = Path(sys.executable).with_name(command[0])
        program = str(beside) if beside.exists() else command[0]
        script = [sys.executable, "-I", "-S", guard.__file__, str(self._path), str(self.job.grace), "--"]
        # A program that judges tasks, and not a plug-in that Ansible would go on without.
        judged = [sys.executable, "-P", "-m", judging.__name__]
        return [*script, *([program] if self.job.limits is None else judged), *command[1:]]


KILLED = -1
"""In place of an exit status: there is none, something killed Ansible's guard."""


_LIMITS = "limits.json"

_INSIDE = str(Path(inside.__file__).parent)
"""Plug-ins of ours in Ansible's process; each minds its own variable of the environment and else does nothing."""


def _flags(job: Job) -> str:
    # Ansible takes a pattern here; a name is to mean itself.
    begin = [f"--start-at-task={glob.escape(job.begin)}"] if job.begin else []
    return shlex.join(["--check"] * job.check + ["--diff"] * job.diff + begin)


_MARK = "OPSCTL_MARK"
"""What `inside/opsctl_mark.py` tells hosts."""


def environment(job: Job) -> dict[str, str]:
    """What Ansible's environment has besides ours."""
    given = os.environ
    tools = str(Path(sys.executable).parent)
    return {
        "PATH": f"{tools}:{given.get('PATH', os.defpath)}",
        "ANSIBLE_LOCAL_TEMP": str(job.space / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(job.space / "cp"),
        # Ansible-runner would turn it off.
        "ANSIBLE_HOST_KEY_CHECKING": given.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
        "ANSIBLE_NOCOLOR": "True",
        # Before its first deploy a scenario has no hosts, and need not hear of it.
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "MAX_EVENT_RES": str(_largest()),
        "ANSIBLE_CALLBACK_PLUGINS": ":".join(filter(None, (given.get("ANSIBLE_CALLBACK_PLUGINS"), _INSIDE))),
        **({"ANSIBLE_TARGET_LOG_INFO": f"run={job.id}", _MARK: job.id} if job.mark else {}),
        RUN_VARIABLE: job.id,
        VEIL: str(job.space / "veil"),
        **job.environment,
        **({} if job.limits is None else {judging.VARIABLE: str(job.space / _LIMITS)}),
    }


def _largest() -> int:
    """What the memory that is free now has room for."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return _LARGEST_RESULT // 16
    return max(_LARGEST_RESULT // 64, min(_LARGEST_RESULT, free // _SHARE))


def _never_kept(on_event: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], bool]:
    def handle(event: dict[str, Any]) -> bool:
        on_event(event)
        return False

    return handle
