# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ros_stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ros_stack
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Create, update and delete stacks of the Alibaba Cloud orchestration service
description:
  - Makes a stack of the Resource Orchestration Service (ROS) of Alibaba Cloud what the options say, waits for the end,
    and tells which resource failed and why if it ends badly.
  - An operation that is already under way on the stack is waited for before anything is done.
  - Options that are not set leave what they stand for as it is.
extends_documentation_fragment:
  - opsctl.cloud.alicloud
attributes:
  check_mode:
    description: Can run in check mode and tell what would be changed.
    support: full
    details: What would be done with each resource comes from the service's preview, which writes nothing.
  diff_mode:
    description: Can show what was changed.
    support: full
    details: Secret parameters are masked.
options:
  name:
    description:
      - The name of the stack.
    type: str
    required: true
  state:
    description:
      - V(present) creates the stack or updates it.
      - V(absent) deletes it with its resources.
    type: str
    choices: [present, absent]
    default: present
  template:
    description:
      - The path of the template, in JSON or YAML, on the host where the module runs.
      - One of O(template), O(template_body) and O(template_url) is needed to create a stack. An update without them
        keeps the stack's template.
    type: path
  template_body:
    description:
      - The template itself, as text or as a mapping.
    type: raw
  template_url:
    description:
      - A URL where the service finds the template, beginning with C(https://), C(http://) or C(oss://).
      - What is there cannot be compared, so the service is asked for an update each time; it tells whether there was
        anything to do.
    type: str
  parameters:
    description:
      - Values of the template's parameters.
      - Booleans, numbers, lists and mappings are turned into the text that the parameter's type asks for. V(null) is
        the same as leaving the parameter out.
      - A parameter that is left out keeps its value, or has the template's default in a new stack.
      - Values of parameters with C(NoEcho) are masked in all that the module prints. The service does not tell them, so
        with such a parameter it is asked for an update each time; it tells whether there was anything to do.
    type: dict
    default: {}
  secret_parameters:
    description:
      - More values of parameters, which are masked whatever the template says about them, and also where a failure
        comes before the template is known. Passwords belong here.
    type: dict
    default: {}
  tags:
    description:
      - Tags of the stack. They are passed on to the resources that can have tags.
    type: dict
  purge_tags:
    description:
      - Remove tags that O(tags) does not have.
    type: bool
    default: false
  timeout_in_minutes:
    description:
      - How long the service may work on the operation, from 10 to 1440 minutes. The service's default is 60.
    type: int
  disable_rollback:
    description:
      - Keep what was created when the creation fails, to look into it. Otherwise it is removed again.
    type: bool
  replacement:
    description:
      - Whether an update may replace a resource that cannot be changed in place. The service's default is V(Disabled),
        with which such an update fails.
    type: str
    choices: [Disabled, Enabled]
  deletion_protection:
    description:
      - Whether the stack is protected from being deleted. With O(state=absent), V(false) lifts the protection first.
    type: bool
  recreate_failed:
    description:
      - Delete a stack that can only be deleted, as after a failed creation, and create it again.
    type: bool
    default: false
  retain_resources:
    description:
      - The logical ids of resources that stay when the stack is deleted.
    type: list
    elements: str
    default: []
  retain_all_resources:
    description:
      - Delete the stack only; all of its resources stay.
    type: bool
    default: false
  wait:
    description:
      - Wait for the end of the operation.
    type: bool
    default: true
  wait_timeout:
    description:
      - How many seconds to wait for the end of each operation.
    type: int
    default: 3600
seealso:
  - module: opsctl.cloud.ros_stack_info
  - name: Templates
    description: The template language of the service.
    link: https://www.alibabacloud.com/help/en/ros/user-guide/template-structure
"""

EXAMPLES = r"""
- name: Create or update a stack
  opsctl.cloud.ros_stack:
    name: cache
    region: cn-hangzhou
    template: "{{ playbook_dir }}/stack.ros.yml"
    parameters:
      Nodes: 3
      AllowFrom: [192.0.2.0/24, 198.51.100.7]
    secret_parameters:
      Password: "{{ cache_password }}"
    tags:
      team: cache
  register: made

- name: Show where the service is
  ansible.builtin.debug:
    msg: "{{ made.stack.outputs.Endpoint }}"

- name: Change one parameter and keep all else
  opsctl.cloud.ros_stack:
    name: cache
    parameters:
      Nodes: 5

- name: Delete a stack, but not its disk
  opsctl.cloud.ros_stack:
    name: cache
    state: absent
    retain_resources: [Data]
"""

RETURN = r"""
stack:
  description: The stack as it is now, with the same keys as in RV(opsctl.cloud.ros_stack_info#module:stacks).
  returned: always; in check mode, and after it was deleted, as it was before
  type: dict
  sample:
    outputs: {Endpoint: "192.168.0.4:6379"}
    parameters: {Nodes: "3", Password: "******"}
    stack_id: 4a6c9851-3b0f-4f5f-b4ca-a14bf691c0ff
    stack_name: cache
    status: CREATE_COMPLETE
resources:
  description: What the operation does with each resource, by the service's preview.
  returned: in check mode and in diff mode, otherwise empty
  type: list
  elements: dict
  sample:
    - action: Modify
      logical_id: Nodes
      physical_id: i-bp1
      replacement: "False"
      type: ALIYUN::ECS::InstanceGroup
events:
  description: The events of the operation, the oldest first.
  returned: when it failed
  type: list
  elements: dict
  sample:
    - logical_id: Vpc
      physical_id: ""
      reason: "VPCResourceException: resources.Vpc: quota exceeded"
      status: CREATE_FAILED
      time: "2026-08-01T05:16:31"
      type: ALIYUN::ECS::VPC
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import operate, plan, records, template
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import connect
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.spec import CONNECTION
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError
from ansible_collections.opsctl.cloud.plugins.module_utils.module import hide, looking, main

SPEC = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "template": {"type": "path"},
    "template_body": {"type": "raw"},
    "template_url": {"type": "str"},
    "parameters": {"type": "dict", "default": {}},
    "secret_parameters": {"type": "dict", "default": {}, "no_log": True},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": False},
    "timeout_in_minutes": {"type": "int"},
    "disable_rollback": {"type": "bool"},
    "replacement": {"type": "str", "choices": ["Disabled", "Enabled"]},
    "deletion_protection": {"type": "bool"},
    "recreate_failed": {"type": "bool", "default": False},
    "retain_resources": {"type": "list", "elements": "str", "default": []},
    "retain_all_resources": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 3600},
    **CONNECTION,
}
SOURCES = ("template", "template_body", "template_url")
OPTIONS: dict[str, Any] = {"argument_spec": SPEC, "mutually_exclusive": [SOURCES]}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Find, plan, and carry out."""
    params = module.params
    given = {**params["parameters"], **params["secret_parameters"]}
    # which of them are secret is only known with the template: until then a failure shows none
    params["parameters"] = dict.fromkeys(params["parameters"], template.MASK)
    stacks = Stacks(connect(params))
    operator = operate.Operator(stacks, operate.options(params))
    found = operator.settled(params["name"])
    if params["state"] == "absent":
        wanted = _basics(params)
        change = plan.absent(found, wanted)
    else:
        text = None if found is None else stacks.template(str(found["StackId"]))
        wanted = _values(module, stacks, _basics(params, text), given)
        change = plan.present(found, text, wanted)
    resources: list[dict[str, Any]] = []
    if change and looking(module):
        resources = operator.preview(change, wanted, found)
        change = plan.previewed(change, resources)
    changed, stack = bool(change), found
    if change and not module.check_mode:
        changed = operator.apply(change, wanted, found)
        stack = stacks.find(params["name"]) or found
    return {
        "changed": changed,
        "diff": change.diff,
        "stack": records.stack(stack or {"StackName": params["name"]}),
        "resources": resources,
    }


def _basics(params: dict[str, Any], text: str | None = None) -> plan.Wanted:
    """What is wanted but for parameters; ``text`` is the template to keep where the options give none."""
    tags = params["tags"]
    return plan.Wanted(
        name=params["name"],
        template=template.load(*(params[name] for name in SOURCES)) or (template.Template(text) if text else None),
        secret=frozenset(params["secret_parameters"]),
        tags=None if tags is None else {key: template.text_of(value) for key, value in tags.items()},
        purge_tags=params["purge_tags"],
        deletion_protection=params["deletion_protection"],
        recreate_failed=params["recreate_failed"],
    )


def _values(module: AnsibleModule, stacks: Stacks, wanted: plan.Wanted, given: dict[str, Any]) -> plan.Wanted:
    """What is wanted with the parameters as the template types them, and what is secret of them hidden."""
    source = wanted.source
    try:
        wanted = replace(wanted, known=template.described(stacks.validate(source)))
    except CloudError as error:
        raise error.during(f"Cannot use template {source.name}") from None
    secret = {name: value for name, value in given.items() if wanted.hidden(name)}
    hide(module, *(text for value in secret.values() for text in template.texts(value)))
    shown = module.params["parameters"]
    shown.update({name: given[name] for name in shown if name not in secret})
    return replace(wanted, parameters=template.values(given, wanted.known))


if __name__ == "__main__":
    main(run, **OPTIONS)
