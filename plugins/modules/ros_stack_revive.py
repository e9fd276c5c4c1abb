# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ros_stack_revive."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ros_stack_revive
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Bring back the instances of a stack that are down, and tell which are gone
description:
  - Starts the instances of a stack that are stopped, reboots by force those that run and are named as not answering,
    and waits until they run.
  - Counts the instances of each resource that are there. One that was released outside of the stack is not made again
    by this module; a greater number in the stack's parameters does that.
  - An instance that cannot be started is told in RV(left), and the module does not fail because of it.
extends_documentation_fragment:
  - opsctl.cloud.alicloud
attributes:
  check_mode:
    description: Says what would be done.
    support: full
  diff_mode:
    description: Shows the state of the instances before and after.
    support: full
options:
  name:
    description:
      - The name of the stack.
    type: str
    required: true
  unresponsive:
    description:
      - Ids of instances that do not answer. Those of them that run are rebooted by force.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds to wait until the instances run.
    type: float
    default: 300
"""

EXAMPLES = r"""
- name: Bring back what is down
  opsctl.cloud.ros_stack_revive:
    name: cache
    unresponsive: [i-bp1mevh0ul8f1w2gbf9l]
  register: revived

- name: Show how many nodes are there
  ansible.builtin.debug:
    msg: "{{ revived.there.Nodes }}"
"""

RETURN = r"""
found:
  description: What was wrong, one line each.
  returned: success
  type: list
  elements: str
  sample: ["cache-redis-a-01 is stopped"]
did:
  description: What was done about it; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: ["cache-redis-a-01: started"]
left:
  description: What was left as it is, and why.
  returned: success
  type: list
  elements: str
  sample: []
back:
  description: Ids of the instances that were started or rebooted and run now; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: [i-bp1mevh0ul8f1w2gbf9l]
gone:
  description: Ids of instances that the stack knows and that are not there any more.
  returned: success
  type: list
  elements: str
  sample: []
there:
  description: How many instances each resource has that are there.
  returned: success
  type: dict
  sample: {RedisA: 3, RedisB: 3}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import hosts
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import connect
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.revive import Orders, Power, counted, name, orders
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.spec import CONNECTION
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main

SPEC = {
    "name": {"type": "str", "required": True},
    "unresponsive": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 300},
    **CONNECTION,
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look, and unless in check mode switch on."""
    params = module.params
    client = connect(params)
    stacks = Stacks(client)
    stack = stacks.find(params["name"])
    if stack is None:
        raise Invalid(f"There is no stack {params['name']} here")
    logical = hosts.members(stacks, str(stack["StackId"]))
    power = Power(client, list(logical), params["timeout"])
    before = power.look()
    wanted = orders(before, params["unresponsive"])
    wrong = power.carry_out(wanted) if wanted and not module.check_mode else {}
    after = power.look() if wanted and not module.check_mode else before
    back = [one for one in (*wanted.start, *wanted.reboot) if one in after and one not in wrong]
    change = Change({one: _was(wanted, one) for one in back}, dict.fromkeys(back, "running"))
    return {
        "changed": bool(change),
        "diff": change.diff,
        "found": [f"{name(before, one)} {_was(wanted, one)}" for one in (*wanted.start, *wanted.reboot)],
        "did": [f"{name(before, one)}: {'started' if one in wanted.start else 'rebooted by force'}" for one in back],
        "left": [f"{name(before, one)}: {why}" for one, why in wrong.items() if one in after],
        "back": back,
        "gone": [one for one in logical if one not in after],
        "there": counted(logical, after),
    }


def _was(wanted: Orders, instance_id: str) -> str:
    return "is stopped" if instance_id in wanted.start else "runs and does not answer"


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
