# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same over Ansible's own connection plugins, for hosts that need one: what a task's executor does for its host."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import become_loader, connection_loader
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command, plain
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.session import Ending
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.spread import Answer


class Foreign:
    """Runs a command on hosts of any connection plugin, for one task."""

    def __init__(self, task: Any, play_context: Any, templar: Any) -> None:
        """All three of the action."""
        self._task, self._context, self._templar = task, play_context, templar

    def run(
        self, hosts: Mapping[str, Mapping[str, Any]], command: Command, limit: float, forks: int
    ) -> dict[str, Answer]:
        """On these hosts, given with their variables; by name."""
        # Plug-ins are loaded and told their options in one thread; only the waiting is done in many.
        ready = {name: self._prepared(name, variables, command, limit) for name, variables in hosts.items()}
        with ThreadPoolExecutor(max(1, min(forks, len(ready)))) as pool:
            return dict(zip(ready, pool.map(lambda work: work(), ready.values()), strict=True))

    def _prepared(self, name: str, variables: Mapping[str, Any], command: Command, limit: float) -> Any:
        try:
            connection = self._connection(name, variables)
            line, given = plain(command, limit)
            if connection.become is not None:
                line = connection.become.build_become_command(line, connection._shell)
        except (AnsibleError, KeyError) as error:
            failed = Answer(Ending("unreachable", 0.0, error=_line(error)))
            return lambda: failed
        return lambda: _run(connection, line, given, limit)

    def _connection(self, name: str, variables: Mapping[str, Any]) -> Any:
        kind = variables.get("ansible_connection") or self._task.connection
        context = self._context.copy()
        context.remote_addr = variables.get("ansible_host") or name
        context.connection = kind
        connection = connection_loader.get(kind, context, task_uuid=self._task._uuid)
        if connection is None:
            raise AnsibleError(f"the connection plugin {kind} was not found")
        keys = self._task.dump_attrs()
        keys["timeout"] = context.timeout
        keys.pop("retries", None)
        connection.set_become_plugin(self._become(variables))
        known = {**variables, "inventory_hostname": name}
        self._tell(connection, "connection", connection._load_name, known, keys)
        self._tell(connection._shell, "shell", connection._shell._load_name, known, keys)
        if connection.become is not None:
            if context.become_pass:
                keys["become_pass"] = context.become_pass
            self._tell(connection.become, "become", connection.become._load_name, known, keys)
        return connection

    def _become(self, variables: Mapping[str, Any]) -> Any:
        wanted = variables.get("ansible_become")
        if not (self._task.become if wanted is None else boolean(wanted)):
            return None
        method = variables.get("ansible_become_method") or self._task.become_method
        plugin = become_loader.get(method)
        if plugin is None:
            raise AnsibleError(f"the become plugin {method} was not found")
        return plugin

    def _tell(self, plugin: Any, kind: str, name: str, variables: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
        wanted = constants.config.get_plugin_vars(kind, name)
        plugin.set_options(task_keys=keys, var_options={key: variables[key] for key in wanted if key in variables})


def _run(connection: Any, line: str, given: bytes, limit: float) -> Answer:
    began = time.monotonic()

    def ended(how: Any, rc: int | None = None, error: str = "") -> Ending:
        return Ending(how, round(time.monotonic() - began, 3), rc, error)

    try:
        connection._connect()
        rc, out, err = connection.exec_command(line, in_data=given, sudoable=True)
    except AnsibleConnectionFailure as error:
        return Answer(ended("unreachable", error=_line(error)))
    except (AnsibleError, OSError) as error:
        return Answer(ended("failed", error=_line(error)))
    finally:
        connection.close()
    if rc in (124, 137) and time.monotonic() - began >= limit:
        return Answer(ended("timeout", error=f"timed out after {limit:g} s"), bytearray(out), bytearray(err))
    last = _last(err)
    text = f"exit status {rc}: {last}" if rc and last else f"exit status {rc}" if rc else ""
    return Answer(ended("failed" if rc else "ok", rc, text), bytearray(out), bytearray(err))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _last(data: bytes) -> str:
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
