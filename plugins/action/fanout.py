# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action fanout: see the module of that name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh import connection as ssh
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.foreign import Foreign
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.library import MISSING
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.play import Play
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.spread import Answer, spread

_OPTIONS: dict[str, dict[str, Any]] = {
    "cmd": {"type": "str"},
    "argv": {"type": "list", "elements": "str"},
    "script": {"type": "path"},
    "chdir": {"type": "str"},
    "stdin": {"type": "str"},
    "stdin_file": {"type": "path"},
    "timeout": {"type": "float", "default": 600.0},
    "forks": {"type": "int", "default": 50},
    "on_failure": {"type": "str", "choices": ["stop", "report"], "default": "stop"},
}
_RULES: dict[str, Any] = {
    "mutually_exclusive": [("cmd", "argv"), ("stdin", "stdin_file")],
    "required_one_of": [("cmd", "argv", "script")],
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs once, for all hosts that the play has left in this batch."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """The result of the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(_OPTIONS, **_RULES)
        play = Play(self._task, self._play_context, self._templar, task_vars)
        command = self._command(options, play)
        if self._task.check_mode:
            return result | {"skipped": True, "msg": "it would have run", "changed": False}
        if self._task.delegate_to:
            raise AnsibleActionFail("delegate_to makes no sense here: it runs on all hosts of the play")
        return result | _told(self._answers(play, command, options), options["on_failure"])

    def _answers(self, play: Play, command: Command, options: Mapping[str, Any]) -> dict[str, Answer]:
        fast: list[ssh.Connection] = []
        slow: dict[str, str] = {}
        for host in play.hosts:
            try:
                if MISSING:
                    raise ssh.Foreign(f"asyncssh cannot be loaded: {MISSING}")
                fast.append(play.connection(host))
            except ssh.Foreign as reason:
                slow[host] = str(reason)
        if slow:
            first = next(iter(slow))
            text = f"{len(slow)} of {len(play.hosts)} hosts are reached through Ansible ({first}: {slow[first]})"
            self._display.warning(text)
        limit, forks = options["timeout"], options["forks"]
        found = spread(fast, command, limit, forks) if fast else {}
        if slow:
            foreign = Foreign(self._task, play.context, self._templar)
            found |= foreign.run({host: play.variables(host) for host in slow}, command, limit, forks)
        return {host: found[host] for host in play.hosts}

    def _command(self, options: Mapping[str, Any], play: Play) -> Command:
        words = list(options["argv"] or ())
        if options["cmd"] is not None:
            try:
                words = shlex.split(options["cmd"])
            except ValueError as error:
                raise AnsibleActionFail(f"cmd cannot be read: {error}") from error
        script = None
        if options["script"]:
            script = self._file("files", options["script"])
            words.insert(0, Path(options["script"]).name)
        if not words:
            raise AnsibleActionFail("there is nothing to run: cmd or argv is empty")
        stdin = None if options["stdin"] is None else options["stdin"].encode("utf-8", "surrogateescape")
        if options["stdin_file"]:
            stdin = self._file("files", options["stdin_file"])
        return Command(words, play.environment(), options["chdir"] or "", script, stdin)

    def _file(self, folder: str, name: str) -> bytes:
        """A file of this machine, found where Ansible looks for files, decrypted if it is a vault."""
        found = self._find_needle(folder, name)
        try:
            return Path(self._loader.get_real_file(found)).read_bytes()
        except OSError as error:
            raise AnsibleActionFail(f"cannot read {found}: {error.strerror}") from error


def _told(answers: Mapping[str, Answer], on_failure: str) -> dict[str, Any]:
    hosts = {host: _host(answer) for host, answer in answers.items()}
    bad = [host for host, found in hosts.items() if found["failed"] or found["unreachable"]]
    told: dict[str, Any] = {
        "changed": len(bad) < len(hosts),
        "hosts": hosts,
        "failed_hosts": [host for host in bad if hosts[host]["failed"]],
        "unreachable_hosts": [host for host in bad if hosts[host]["unreachable"]],
    }
    if bad:
        told["msg"] = f"{len(bad)} of {len(hosts)} hosts failed: {bad[0]}: {hosts[bad[0]]['msg']}"
        told["failed"] = on_failure == "stop"
    return told


def _host(answer: Answer) -> dict[str, Any]:
    ending = answer.ending
    return {
        "rc": ending.rc,
        "stdout": answer.stdout.decode("utf-8", "replace"),
        "stderr": answer.stderr.decode("utf-8", "replace"),
        "truncated": answer.cut,
        "seconds": ending.seconds,
        "failed": ending.how not in ("ok", "unreachable"),
        "unreachable": ending.how == "unreachable",
        "msg": ending.error,
    }
