# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play says of its hosts' connections: the only file that knows where Ansible keeps that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleActionFail
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection, Foreign, Rest, connection

_PREFIX = "ansible_"
_PASSWORDS = ("ansible_password", "ansible_ssh_password", "ansible_ssh_pass")
_BECOME_PASSWORDS = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")


class Play:
    """The play of one task."""

    def __init__(self, task: Any, play_context: Any, templar: Any, variables: Mapping[str, Any]) -> None:
        """All of the action."""
        self.context, self._context = play_context.copy(), play_context
        self._task, self._templar, self._vars = task, templar, variables
        # These are the first host's own where it has its own; no other host must be told them.
        if self._own(_PASSWORDS):
            self.context.password = ""
        if self._own(_BECOME_PASSWORDS):
            self.context.become_pass = ""

    @cached_property
    def hosts(self) -> list[str]:
        """Those of this batch that have not failed, in the order of the play."""
        left = set(self._vars["ansible_play_hosts"])
        return [host for host in self._vars["ansible_play_batch"] if host in left]

    def variables(self, host: str) -> dict[str, Any]:
        """Those that may speak of connections, without templates. What the play sets wins over the inventory."""
        theirs = self._vars["hostvars"][host]
        found = {name: theirs[name] for name in self._names if name in theirs}
        return found | self._set

    def connection(self, host: str) -> Connection:
        """How to reach a host.

        Raises:
            Foreign: not in our way.
        """
        task = self._task
        variables = self.variables(host)
        variables.setdefault("ansible_connection", task.connection or "ssh")
        become = bool(task.become) and "ansible_become" not in variables
        if become and (task.become_flags or task.become_exe):
            raise Foreign("the play sets how sudo is called")
        variables.setdefault("ansible_become_method", task.become_method or "sudo")
        return connection(host, variables, "", become, self._rest)

    def environment(self) -> dict[str, str]:
        """Of the task and of all it is in; the nearest wins.

        Raises:
            AnsibleActionFail: it is no dictionary.
        """
        given = self._task.environment or []
        found: dict[str, str] = {}
        for each in given if isinstance(given, list) else [given]:
            values = self._templar.template(each) if each else {}
            if not isinstance(values, Mapping):
                raise AnsibleActionFail(f"environment must be a dictionary, not {type(values).__name__}")
            found.update({str(name): str(value) for name, value in values.items()})
        return found

    @cached_property
    def _rest(self) -> Rest:
        ask, task = self._configured, self._task
        options = " ".join(str(ask(name) or "") for name in ("ssh_common_args", "ssh_extra_args", "ssh_args"))
        return Rest(
            checking="yes" if ask("host_key_checking") else "no",
            user=task.remote_user or "",
            port=int(task.port or ask("port") or 22),
            key_file=context.CLIARGS.get("private_key_file") or constants.DEFAULT_PRIVATE_KEY_FILE or "",
            password=self.context.password or "",
            options=options,
            connect_timeout=int(context.CLIARGS.get("timeout") or constants.DEFAULT_TIMEOUT),
            become_user=task.become_user or "root",
            become_password=self.context.become_pass or "",
        )

    @cached_property
    def _names(self) -> list[str]:
        """Of variables that say something of connections."""
        kinds = {"connection": "ssh", "shell": "sh", "become": "sudo"}
        names = {name for kind, plugin in kinds.items() for name in constants.config.get_plugin_vars(kind, plugin)}
        names |= {name for names in constants.MAGIC_VARIABLE_MAPPING.values() for name in names}
        names |= {"ansible_connection", "ansible_become", "ansible_become_method", *_PASSWORDS, *_BECOME_PASSWORDS}
        theirs = self._vars["hostvars"][self.hosts[0]] if self.hosts else {}
        return sorted(names | {name for name in theirs if name.startswith("ansible_docker_")})

    @cached_property
    def _set(self) -> dict[str, Any]:
        """Variables of connections that the play or the task sets: for all hosts the same.

        Raises:
            AnsibleActionFail: one is a template, which means something else for each host.
        """
        if not self.hosts:
            return {}
        first, added, found = self._vars["hostvars"][self.hosts[0]], self._added, {}
        for name in self._names:
            if name not in self._vars:
                continue
            value = self._templar.template(self._vars[name])
            if name in first and first[name] == value:
                continue
            if "{{" in str(self._vars[name]):
                raise AnsibleActionFail(f"the play sets {name} by a template: set it in the inventory, host by host")
            if name not in added or value not in added[name]:
                found[name] = value
        return found

    @property
    def _added(self) -> dict[str, tuple[Any, ...]]:
        """What Ansible adds to a task's variables by itself, under every name it has: keywords, and what the first
        host's own variables say.
        """
        task, context_ = self._task, self._context
        known = {
            "connection": (task.connection, context_.connection, "ssh"),
            "remote_user": (task.remote_user, None),
            "port": (task.port, 22, None),
            "password": ("", self.context.password),
            "private_key_file": (context.CLIARGS.get("private_key_file"), constants.DEFAULT_PRIVATE_KEY_FILE),
        }
        first = self._vars["hostvars"][self.hosts[0]]
        return {
            name: (*known.get(prop, (getattr(context_, prop, None),)), *(first[of] for of in names if of in first))
            for prop, names in constants.MAGIC_VARIABLE_MAPPING.items()
            if "become" not in prop
            for name in names
        }

    def _own(self, names: tuple[str, ...]) -> bool:
        theirs = self._vars["hostvars"][self.hosts[0]] if self.hosts else {}
        return any(name in theirs for name in names)

    @staticmethod
    def _configured(name: str) -> Any:
        return constants.config.get_config_value(name, plugin_type="connection", plugin_name="ssh")
