# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module zabbix_problem_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zabbix_problem_info
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Tell the open problems of Zabbix
description:
  - Reads the problems of triggers that are open now, with their tags and hosts, in three calls however many there are.
extends_documentation_fragment:
  - opsctl.cloud.zabbix
  - opsctl.cloud.zabbix.choice
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details: It changes nothing.
  diff_mode:
    description: Can show what was changed.
    support: none
    details: It changes nothing.
options:
  within:
    description:
      - Only problems that began within this many seconds, by the clock of the host that runs the module.
    type: int
  limit:
    description:
      - At most this many, the newest ones.
    type: int
seealso:
  - module: opsctl.cloud.zabbix_problem_wait
  - module: opsctl.cloud.zabbix_problem_update
"""

EXAMPLES = r"""
- name: Look at what is wrong with a stack
  opsctl.cloud.zabbix_problem_info:
    zabbix_url: https://zabbix.example.com
    zabbix_token: "{{ zabbix_token }}"
    tags:
      opsctl_stack: cache
    min_severity: average
  delegate_to: localhost
  register: found

- name: Stop if something is
  ansible.builtin.assert:
    that: found.problems == []
    fail_msg: "{{ found.problems | map(attribute='name') | join(', ') }}"

- name: Look whether Redis is down on this host, with address and token from the environment
  opsctl.cloud.zabbix_problem_info:
    hosts: ["{{ inventory_hostname }}"]
    tags:
      opsctl_problem: redis-process-down
  delegate_to: localhost
"""

RETURN = r"""
problems:
  description: The problems, the newest first.
  returned: always
  type: list
  elements: dict
  contains:
    event_id:
      description: The id of the event.
      type: str
      returned: always
      sample: "4711"
    trigger_id:
      description: The id of the trigger.
      type: str
      returned: always
      sample: "23456"
    name:
      description: What is wrong, in the words of the trigger.
      type: str
      returned: always
      sample: Redis is down
    severity:
      description: The severity.
      type: str
      returned: always
      sample: high
    started:
      description: When it began, in seconds since 1970 by the clock of the Zabbix server.
      type: float
      returned: always
      sample: 1795282632.5
    resolved:
      description: When it ended; null for what is open.
      type: float
      returned: always
      sample: null
    acknowledged:
      description: Whether somebody acknowledged it.
      type: bool
      returned: always
      sample: false
    suppressed:
      description: Whether a maintenance hides it.
      type: bool
      returned: always
      sample: false
    tags:
      description: The tags of trigger, host and templates.
      type: list
      elements: dict
      returned: always
      sample:
        - tag: opsctl_problem
          value: redis-process-down
    opdata:
      description: Operational data of the trigger.
      type: str
      returned: always
      sample: 0 processes
    hosts:
      description: The hosts, each with C(host_id), C(host), C(name), C(groups) and C(address).
      type: list
      elements: dict
      returned: always
      sample:
        - address: 10.0.0.7
          groups: [opsctl/cache/redis]
          host: cache-node-001
          host_id: "10583"
          name: cache-node-001
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.options import (
    CHOICE,
    CONNECTION,
    choose,
    connect,
    told,
)

OPTIONS: dict[str, Any] = {
    "argument_spec": {**CONNECTION, **CHOICE, "within": {"type": "int"}, "limit": {"type": "int"}}
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Read what is asked for."""
    params = module.params
    with connect(params) as zabbix:
        found = choose(zabbix, params, within=params["within"], limit=params["limit"] or 0)
    return {"changed": False, "problems": [told(one) for one in found]}


if __name__ == "__main__":
    main(run, **OPTIONS)
