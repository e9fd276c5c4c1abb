# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback plugin journal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: journal
type: notification
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Records what plain ansible-playbook does
description:
  - Writes each run of C(ansible-playbook) to a file of its own, one line of JSON an event, in the format of the journal
    that C(opsctl) keeps of the runs it conducts.
  - The next C(opsctl) command takes the file into its journal, its list of runs and its ledger, marked as observed.
    C(opsctl runs list), C(opsctl runs logs) and C(opsctl logs search) then show it beside the others.
  - Secrets are masked before anything is written. Those are values of variables and keys that are named like one, what
    Ansible Vault has decrypted, passwords of connections, and what looks like a key or a token.
  - A run is never slowed down or failed by its recording. When the disk takes nothing, records are left out, and the
    last line says how many.
  - Does nothing in a run that C(opsctl) conducts, which is recorded anyway.
requirements:
  - enable in configuration, with C(callbacks_enabled = opsctl.cloud.journal)
options:
  home:
    description:
      - The directory of C(opsctl). Files are written to C(observed) in it.
      - Without it, the directory where C(opsctl) looks by default, C($XDG_DATA_HOME/opsctl) or
        C(~/.local/share/opsctl).
    type: path
    env:
      - name: OPSCTL_HOME
    ini:
      - section: callback_journal
        key: home
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = opsctl.cloud.journal

  [callback_journal]
  home = ~/ops
"""

import atexit
import os
import time
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.opsctl.cloud.plugins.plugin_utils import observe, veil
from ansible_collections.opsctl.cloud.plugins.plugin_utils.scribe import Scribe

_VARIABLE = "OPSCTL_RUN_ID"
_FACTS = ("setup", "gather_facts", "ansible.builtin.setup", "ansible.builtin.gather_facts")


class CallbackModule(CallbackBase):
    """Hands what Ansible tells to a thread that writes it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "opsctl.cloud.journal"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        """Listen to Vault from here on; nothing is written yet."""
        super().__init__(display=display, options=options)
        self._scribe: Scribe | None = None
        self._pid = os.getpid()
        self._play = ""
        self._begun: dict[str, float] = {}
        self._tasks: dict[str, dict[str, Any]] = {}
        self._left = 0
        self._broken: set[str] = set()
        if os.environ.get(_VARIABLE):
            self.disabled = True
            return
        self._shared = veil.Shared()
        veil.watch(self._shared.add)

    def set_play_context(self, play_context: Any) -> None:
        """Learn the passwords that were asked for."""
        if self.disabled:
            return
        found = {getattr(play_context, name, None) for name in ("password", "become_pass")}
        if found - {None, ""}:
            self._shared.add({str(value) for value in found if value})

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if self._scribe is None:
            self._begin(playbook)
        self._left += 1
        self._put("playbook_start", task=None)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        hosts = play.hosts
        self._play = play.get_name().strip() or (",".join(map(str, hosts)) if isinstance(hosts, list) else str(hosts))
        self._shared.add(observe.hidden(play))
        self._put("play_start", task=None)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: Any) -> None:
        self._put("task_start", task, {"task": task.get_name(), "uuid": str(task._uuid)})

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, True)

    v2_playbook_on_cleanup_task_start = v2_playbook_on_handler_task_start

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._put("no_hosts", task=None)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._put("no_hosts_left", task=None)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        self._put("include", task=None)

    def v2_playbook_on_notify(self, handler: Any, host: Any) -> None:
        self._put("notify", None, {"host": host.get_name()}, {"handler": handler.get_name()})

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._begun[host.get_name()] = time.monotonic()
        self._put("host_start", task, {"host": host.get_name()})

    def v2_runner_on_ok(self, result: Any) -> None:
        self._tell("host_ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._broken.add(result._host.get_name())
        self._tell("host_failed", result, {"ignore_errors": True} if ignore_errors else {})

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._tell("host_unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._tell("host_skipped", result, told=False)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        self._tell("async_poll", result)

    def v2_runner_on_async_ok(self, result: Any) -> None:
        self._tell("async_ok", result)

    def v2_runner_on_async_failed(self, result: Any) -> None:
        self._tell("async_failed", result)

    def v2_runner_retry(self, result: Any) -> None:
        self._tell("host_retry", result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._tell("item_ok", result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._tell("item_failed", result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._tell("item_skipped", result)

    def v2_on_file_diff(self, result: Any) -> None:
        if result._result.get("diff"):
            self._put("diff", result._task, {"host": result._host.get_name()}, {"diff": result._result["diff"]})

    def v2_playbook_on_stats(self, stats: Any) -> None:
        names = ("ok", "changed", "dark", "failures", "skipped", "rescued", "ignored", "processed")
        data = {name: dict(getattr(stats, name, None) or {}) for name in names}
        custom = getattr(stats, "custom", {}).get("_run", {})
        self._left -= 1
        self._play = ""
        self._put("stats", None, {}, {**data, "custom": custom})
        if self._scribe is not None and self._scribe.complaint:
            self._display.warning(f"This run is not recorded whole: {self._scribe.complaint}")

    def _begin(self, playbook: Any) -> None:
        try:
            path = observe.place(self.get_option("home"))
            secrets = observe.secrets(os.environ)
            self._scribe = Scribe(path, secrets, self._shared.take)
        except OSError as error:
            self.disabled = True
            self._display.warning(f"This run is not recorded: cannot write {error.filename}: {error.strerror}")
            return
        self._put("run_start", None, {}, observe.header(playbook, context.CLIARGS))
        atexit.register(self._end)

    def _end(self) -> None:
        if self._scribe is not None and os.getpid() == self._pid:
            self._scribe.close({"status": "error" if self._left else "complete", "message": ""})

    def _tell(self, event: str, result: Any, data: dict[str, Any] | None = None, told: bool = True) -> None:
        """Record a result. Ansible gave this plugin a copy of its own."""
        host, task, data = result._host.get_name(), result._task, dict(data or {})
        if told or event.startswith("item_"):
            res = observe.censored(result._result)
            if task.action in _FACTS and isinstance(res.get("ansible_facts"), dict):
                res["ansible_facts"].pop("ansible_env", None)
            data = {"res": res, **data} if res else data
        if event.startswith("host_") and host in self._begun and event != "host_retry":
            data["duration"] = time.monotonic() - self._begun[host]
        self._put(event, task, {"host": host}, {**data, "task_uuid": str(task._uuid)})

    def _put(
        self, event: str, task: Any, fields: dict[str, Any] | None = None, data: dict[str, Any] | None = None
    ) -> None:
        if self._scribe is None:
            return
        record: dict[str, Any] = {"time": time.time(), "event": event}
        if self._play:
            record["play"] = self._play
        if task is not None:
            record.update(self._known(task))
        record.update(fields or {})
        if data:
            record["data"] = data
        self._scribe.put(record)

    def _known(self, task: Any) -> dict[str, Any]:
        """What is said of a task with each of its events; found out once."""
        uuid = str(task._uuid)
        if uuid not in self._tasks:
            self._tasks[uuid] = observe.task(task)
        return self._tasks[uuid]
