# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module zabbix_problem_wait."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zabbix_problem_wait
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Wait until problems of Zabbix are gone
description:
  - Waits until Zabbix itself says that problems ended, which proves that a remedy worked.
  - Meanwhile it has the items of their triggers checked at once, so that an item that is checked each 10 minutes does
    not make it wait for 10 minutes.
  - A Zabbix that does not answer for a while is waited for too.
extends_documentation_fragment:
  - opsctl.cloud.zabbix
  - opsctl.cloud.zabbix.choice
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details: It changes nothing. In check mode it does not wait, as nothing was mended.
  diff_mode:
    description: Can show what was changed.
    support: none
    details: It changes nothing.
options:
  wait_timeout:
    description:
      - Seconds after which the module fails, naming what is still open.
    type: float
    default: 60.0
  every:
    description:
      - Seconds between two looks.
    type: float
    default: 0.5
  check_now:
    description:
      - Have the items checked at once. It is left if Zabbix does not allow the user to do so.
    type: bool
    default: true
notes:
  - One of O(event_ids), O(hosts), O(groups) and O(tags) is needed.
  - With O(event_ids) it waits for those events alone, else also for problems that begin meanwhile.
seealso:
  - module: opsctl.cloud.zabbix_problem_info
  - module: opsctl.cloud.zabbix_check_now
"""

EXAMPLES = r"""
- name: Wait until Zabbix sees that Redis is back
  opsctl.cloud.zabbix_problem_wait:
    hosts: ["{{ inventory_hostname }}"]
    tags:
      opsctl_problem: redis-process-down
    wait_timeout: 30
  delegate_to: localhost

- name: Wait for the end of one problem
  opsctl.cloud.zabbix_problem_wait:
    zabbix_url: https://zabbix.example.com
    zabbix_token: "{{ zabbix_token }}"
    event_ids: ["{{ alert.key }}"]
  delegate_to: localhost
"""

RETURN = r"""
ended:
  description:
    - When each problem ended, in seconds since 1970 by the clock of the Zabbix server, by the id of its event.
    - V(0.0) for an event that Zabbix does not show any more, because its trigger or host was deleted.
  returned: always
  type: dict
  sample: {"4711": 1795282640.0}
open:
  description: The ids of the events of the problems that are still open.
  returned: always
  type: list
  elements: str
  sample: []
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.options import (
    CHOICE,
    CHOSEN,
    CONNECTION,
    choose,
    connect,
    some,
)
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import gone, wait

OPTIONS: dict[str, Any] = {
    "argument_spec": {
        **CONNECTION,
        **CHOICE,
        "wait_timeout": {"type": "float", "default": 60.0},
        "every": {"type": "float", "default": 0.5},
        "check_now": {"type": "bool", "default": True},
    },
    "required_one_of": [CHOSEN],
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Wait for what is open, and for what begins meanwhile."""
    params = module.params
    some(params)
    end = time.monotonic() + params["wait_timeout"]
    ended: dict[str, float] = {}
    with connect(params) as zabbix:
        todo = params["event_ids"] or [one.event_id for one in choose(zabbix, params)]
        if module.check_mode:
            ended = gone(zabbix, todo)
            return {"changed": False, "ended": ended, "open": [one for one in todo if one not in ended]}
        while todo:
            left = max(0.0, end - time.monotonic())
            ended |= wait(zabbix, todo, timeout=left, every=params["every"], check_now=params["check_now"])
            todo = [] if params["event_ids"] else [one.event_id for one in choose(zabbix, params)]
    return {"changed": False, "ended": ended, "open": []}


if __name__ == "__main__":
    main(run, **OPTIONS)
