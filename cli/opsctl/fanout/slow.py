"""The same through Ansible, for hosts that need another way in."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsctl.fanout.batch import Batch
from opsctl.pace.rate import Rate
from opsctl.runs.execute import Execution, Job, Outcome, Why
from opsctl.runs.workspace import write


class Group:
    """Some hosts, in one execution of Ansible of their own."""

    def __init__(self, job: Job, batch: Batch, hosts: Sequence[str], rate: Rate, number: int) -> None:
        """`number`: which of the run's executions this is; each has a directory of its own."""
        self.hosts = tuple(hosts)
        self.good: set[str] = set()
        space = job.space / f"group-{number}"
        for path in (space, *(space / name for name in ("inventory", "env", "project", "tmp"))):
            path.mkdir(mode=0o700)
        book = playbook(space, batch.title, hosts, batch, rate)
        extra = {"ansible_user": batch.user} if batch.user else {}
        environment = {**job.environment, **_passwords(space, batch)}
        self._execution = Execution(
            replace(job, space=space, playbook=book, extra=extra, environment=environment, limit="")
        )

    def stop(self, why: Why) -> None:
        """As an execution's."""
        self._execution.stop(why)

    def run(self, on_event: Callable[[dict[str, Any]], None]) -> Outcome:
        """To its end, in this thread; then `good` has the hosts where it worked."""

        def watch(event: dict[str, Any]) -> None:
            if (event.get("event_data") or {}).get("task") == _HANDED and event.get("event") not in _BAD:
                return
            if event.get("event") == "runner_on_ok":
                self.good.add(str((event.get("event_data") or {}).get("host", "")))
            on_event(event)

        return self._execution.run(watch)


def playbook(space: Path, title: str, hosts: Sequence[str], batch: Batch, rate: Rate) -> str:
    """Write a playbook that does it on these hosts; its path. It is private: the environment may hold secrets."""
    command = batch.command
    there = "" if command.stdin is None else f"/tmp/.opsctl-{os.urandom(16).hex()}"  # noqa: S108 - nobody can guess it
    words = list(command.argv)
    if there:
        words = ["/bin/sh", "-c", 'exec "$@" <"$0"', there, *words]
    arguments: dict[str, Any] = {"argv": [_literal(word) for word in words]}
    module = "ansible.builtin.command"
    if batch.script is not None:
        module = "ansible.builtin.script"
        line = shlex.join([str(batch.script), *command.argv[1:]])
        arguments = {"cmd": _literal(f"{line} <{there}" if there else line)}
    if command.directory:
        arguments["chdir"] = _literal(command.directory)
    task: dict[str, Any] = {"name": title, module: arguments, "timeout": max(1, round(batch.timeout))}
    if rate.retries:
        task |= {"register": "opsctl_said", "until": "opsctl_said is succeeded"}
        task |= {"retries": rate.retries, "delay": rate.retry_delay}
    play: dict[str, Any] = {"name": title, "hosts": list(hosts), "gather_facts": False, "tasks": [task]}
    if command.stdin is not None:
        play["tasks"] = _handed(space, command.stdin, there, task)
    if command.environment:
        play["environment"] = {name: _literal(value) for name, value in command.environment.items()}
    if batch.become:
        play["become"] = True
    path = space / "project" / "batch.yml"
    # JSON with the tag that keeps braces from being templates.
    write(path, json.dumps([play], ensure_ascii=False).replace(f'"{_MARK}', '!unsafe "'))
    return str(path)


def _handed(space: Path, data: bytes, there: str, task: dict[str, Any]) -> list[dict[str, Any]]:
    """The task between two that put what it reads into a file there, and take it away."""
    path = space / "input"
    path.touch(mode=0o600)
    path.write_bytes(data)
    put = {"name": _HANDED, "ansible.builtin.copy": {"src": str(path), "dest": there, "mode": "0600"}, "diff": False}
    take = {"name": _HANDED, "ansible.builtin.file": {"path": there, "state": "absent"}, "diff": False}
    return [{"name": _HANDED, "block": [put, task], "always": [take]}]


def _passwords(space: Path, batch: Batch) -> dict[str, str]:
    """Where Ansible finds them: not in its command line, not in its environment."""
    found = {}
    given = {"CONNECTION": batch.passwords.ssh, "BECOME": batch.passwords.become}
    for name, password in given.items():
        if password:
            path = space / name.lower()
            write(path, password)
            found[f"ANSIBLE_{name}_PASSWORD_FILE"] = str(path)
    return found


_HANDED = "Hand over what it reads"
_BAD = ("runner_on_failed", "runner_on_unreachable")
_MARK = "opsctl-unsafe:"


def _literal(text: str) -> str:
    # Only what could be a template: Ansible takes a marked "true" or "1" for a value of YAML, not for this text.
    return _MARK + text if "{" in text else text
