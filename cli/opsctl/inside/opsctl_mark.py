"""Tells hosts which run touches them: OPSCTL_RUN_ID in the environment of every task.

Ansible writes a task's environment into the command it sends, so sudo's log of that command shows the id as well; the
syslog lines of modules get it from ANSIBLE_TARGET_LOG_INFO (`runs.execute.environment`).
"""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader

VARIABLE = "OPSCTL_RUN_ID"


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Works once, before the first play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "opsctl_mark"
    CALLBACK_NEEDS_ENABLED = False

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Add the variable to every play: these are the objects that are executed."""
        run = os.environ.get("OPSCTL_MARK")
        if not run:
            return
        for play in playbook.get_plays():
            given = play.environment or []
            play.environment = [*(given if isinstance(given, list) else [given]), {VARIABLE: run}]
        _spare_raw()


def _spare_raw() -> None:
    """`raw` cannot have an environment and warns of each it is given: ours is none the user could do without."""
    raw = action_loader.get("ansible.builtin.raw", class_only=True)
    run = raw.run

    def without(self: Any, tmp: Any = None, task_vars: Any = None) -> Any:
        self._task.environment = [
            {name: value for name, value in each.items() if name != VARIABLE} if isinstance(each, dict) else each
            for each in self._task.environment or []
        ]
        return run(self, tmp, task_vars)

    raw.run = without
