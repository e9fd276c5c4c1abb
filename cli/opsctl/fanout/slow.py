"""The same through Ansible, for hosts that need another way in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.runs.workspace import write

if TYPE_CHECKING:
    from opsctl.fanout.execute import Batch


def playbook(space: Path, title: str, hosts: Sequence[str], batch: Batch) -> str:
    """Write a playbook that does it on these hosts; its path. It is private: the environment may hold secrets."""
    command = batch.command
    arguments: dict[str, Any] = {"argv": [_literal(word) for word in command.argv]}
    module = "ansible.builtin.command"
    if batch.script is not None:
        import shlex

        module = "ansible.builtin.script"
        arguments = {"cmd": _literal(shlex.join([str(batch.script), *command.argv[1:]]))}
    if command.directory:
        arguments["chdir"] = _literal(command.directory)
    play: dict[str, Any] = {
        "name": title,
        "hosts": list(hosts),
        "gather_facts": False,
        "tasks": [{"name": title, module: arguments, "timeout": max(1, round(batch.timeout))}],
    }
    if command.environment:
        play["environment"] = {name: _literal(value) for name, value in command.environment.items()}
    if batch.become:
        play["become"] = True
    path = space / "project" / "batch.yml"
    # JSON with the tag that keeps braces from being templates.
    write(path, json.dumps([play], ensure_ascii=False).replace(f'"{_MARK}', '!unsafe "'))
    return str(path)


_MARK = "opsctl-unsafe:"


def _literal(text: str) -> str:
    return _MARK + text
