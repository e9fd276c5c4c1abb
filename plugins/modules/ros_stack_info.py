# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ros_stack_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ros_stack_info
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Tell about stacks of the Alibaba Cloud orchestration service
description:
  - Reads the state, parameters, outputs, resources, events and hosts of stacks of the Resource Orchestration Service
    (ROS) of Alibaba Cloud.
  - Stacks that are gone are left out; a name or an id that nothing has gives an empty list.
extends_documentation_fragment:
  - opsctl.cloud.alicloud
  - opsctl.cloud.alicloud.hosts
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
  name:
    description:
      - The name of the stack; V(*) stands for any characters.
      - Without O(name) and O(stack_id), all stacks of the region are told about.
    type: str
  stack_id:
    description:
      - The id of the stack. Mutually exclusive with O(name).
    type: str
  filters:
    description:
      - What the stacks must have.
    type: dict
    suboptions:
      status:
        description:
          - One of these statuses, such as V(CREATE_COMPLETE).
        type: list
        elements: str
      tags:
        description:
          - All of these tags.
        type: dict
  gather_outputs:
    description:
      - Tell the parameters and the outputs.
    type: bool
    default: true
  gather_resources:
    description:
      - Tell the resources.
    type: bool
    default: false
  gather_events:
    description:
      - Tell the events, the newest first.
    type: bool
    default: false
  gather_hosts:
    description:
      - Tell the hosts, with the same names, groups and variables as the inventory plugin
        P(opsctl.cloud.stacks#inventory).
    type: bool
    default: false
seealso:
  - module: opsctl.cloud.ros_stack
  - plugin: opsctl.cloud.stacks
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Look at one stack
  opsctl.cloud.ros_stack_info:
    name: cache
    region: cn-hangzhou
  register: found

- name: Show where the service is
  ansible.builtin.debug:
    msg: "{{ found.stacks[0].outputs.Endpoint }}"
  when: found.stacks

- name: Find failed stacks of a team, with their events
  opsctl.cloud.ros_stack_info:
    name: team-*
    filters:
      status: [CREATE_FAILED, CREATE_ROLLBACK_COMPLETE]
      tags:
        team: cache
    gather_events: true

- name: Read the hosts of a stack
  opsctl.cloud.ros_stack_info:
    name: cache
    gather_hosts: true
  register: found

- name: Add them to the inventory
  ansible.builtin.add_host: "{{ item.vars | combine({'name': item.name, 'groups': item.groups}) }}"
  loop: "{{ found.stacks | map(attribute='hosts') | flatten }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
stacks:
  description: The stacks.
  returned: always
  type: list
  elements: dict
  contains:
    stack_id:
      description: The id.
      type: str
      returned: always
      sample: 4a6c9851-3b0f-4f5f-b4ca-a14bf691c0ff
    stack_name:
      description: The name.
      type: str
      returned: always
      sample: cache
    region_id:
      description: The region.
      type: str
      returned: always
      sample: cn-hangzhou
    status:
      description: The status.
      type: str
      returned: always
      sample: CREATE_COMPLETE
    status_reason:
      description: Why it has this status.
      type: str
      returned: always
      sample: Stack CREATE completed successfully
    description:
      description: The description in the template.
      type: str
      returned: always
      sample: A cache
    create_time:
      description: When it was created, in UTC.
      type: str
      returned: always
      sample: "2026-08-01T05:16:31"
    update_time:
      description: When it was updated, in UTC.
      type: str
      returned: always
      sample: "2026-08-01T05:20:31"
    deletion_protection:
      description: Whether it is protected from being deleted.
      type: bool
      returned: always
      sample: false
    disable_rollback:
      description: Whether what was created stays after a failed creation.
      type: bool
      returned: always
      sample: false
    timeout_in_minutes:
      description: How long an operation may last.
      type: int
      returned: always
      sample: 60
    parent_stack_id:
      description: The stack that this one is nested in, or an empty text.
      type: str
      returned: always
      sample: ""
    tags:
      description: The tags.
      type: dict
      returned: always
      sample: {team: cache}
    parameters:
      description: The parameters; the service masks secret ones.
      type: dict
      returned: when O(gather_outputs=true), otherwise empty
      sample: {Nodes: "3", Password: "******"}
    outputs:
      description: The outputs.
      type: dict
      returned: when O(gather_outputs=true), otherwise empty
      sample: {Endpoint: "192.168.0.4:6379"}
    resources:
      description: The resources.
      type: list
      elements: dict
      returned: when O(gather_resources=true)
      sample:
        - create_time: "2026-08-01T05:16:31"
          logical_id: Vpc
          physical_id: vpc-bp1mevh0ul8f1w2gbf9ls
          status: CREATE_COMPLETE
          status_reason: state changed
          type: ALIYUN::ECS::VPC
          update_time: "2026-08-01T05:16:33"
    events:
      description: The events, the newest first.
      type: list
      elements: dict
      returned: when O(gather_events=true)
      sample:
        - logical_id: Vpc
          physical_id: ""
          reason: state changed
          status: CREATE_IN_PROGRESS
          time: "2026-08-01T05:16:31"
          type: ALIYUN::ECS::VPC
    hosts:
      description: The hosts.
      type: list
      elements: dict
      returned: when O(gather_hosts=true)
      contains:
        name:
          description: The name in the inventory.
          type: str
          returned: always
          sample: cache-node-001
        groups:
          description: The groups it belongs to.
          type: list
          elements: str
          returned: always
          sample: [cache, cache_nodes, cache_redis]
        vars:
          description: The variables, with the API's record of the instance under C(ecs).
          type: dict
          returned: always
          sample: {ansible_host: 203.0.113.7, instance_id: i-bp1, private_ip: 192.168.0.4}
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import hosts, records
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import connect
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.spec import CONNECTION, HOSTS
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks, matches
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main

SPEC = {
    "name": {"type": "str"},
    "stack_id": {"type": "str"},
    "filters": {
        "type": "dict",
        "options": {"status": {"type": "list", "elements": "str"}, "tags": {"type": "dict"}},
    },
    "gather_outputs": {"type": "bool", "default": True},
    "gather_resources": {"type": "bool", "default": False},
    "gather_events": {"type": "bool", "default": False},
    "gather_hosts": {"type": "bool", "default": False},
    **CONNECTION,
    **HOSTS,
}
OPTIONS: dict[str, Any] = {"argument_spec": SPEC, "mutually_exclusive": [("name", "stack_id")]}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Read what is asked for."""
    params = module.params
    client = connect(params)
    stacks = Stacks(client)
    if params["stack_id"]:
        one = stacks.get(params["stack_id"])
        found = [] if one is None else [one]
    else:
        found = stacks.search([params["name"]] if params["name"] else [])
    filters = params["filters"] or {}
    names = [params["name"]] if params["name"] else []
    found = [one for one in found if matches(one, names, filters.get("status"), filters.get("tags"))]
    if params["gather_outputs"]:
        full = [stacks.get(str(one["StackId"])) for one in found]
        found = [one for one in full if one is not None]
    how = hosts.options(params, os.environ)
    told = [{**records.stack(one), **_more(stacks, one, params)} for one in found]
    if params["gather_hosts"]:
        logical = {str(one["StackId"]): hosts.members(stacks, str(one["StackId"])) for one in found}
        instances = hosts.describe(client, [one for ids in logical.values() for one in ids])
        for one, record in zip(found, told, strict=True):
            record["hosts"] = hosts.build(one, record["outputs"], logical[str(one["StackId"])], instances, how)
    return {"changed": False, "stacks": told}


def _more(stacks: Stacks, one: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    stack_id, found = str(one["StackId"]), {}
    if params["gather_resources"]:
        found["resources"] = [records.resource(row) for row in stacks.resources(stack_id)]
    if params["gather_events"]:
        found["events"] = [records.event(row) for row in stacks.events(stack_id)]
    return found


if __name__ == "__main__":
    main(run, **OPTIONS)
