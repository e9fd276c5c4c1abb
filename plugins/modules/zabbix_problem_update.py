# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module zabbix_problem_update."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zabbix_problem_update
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Acknowledge, close or comment problems of Zabbix
description:
  - Makes problems acknowledged, closed or of another severity, and leaves a message.
  - What is so already is not done again; a message that an event has is not repeated.
extends_documentation_fragment:
  - opsctl.cloud.zabbix
  - opsctl.cloud.zabbix.choice
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Can show what was changed.
    support: full
options:
  comment:
    description:
      - A message for the problem's page, of up to 2,048 characters.
    type: str
    default: ""
  acknowledge:
    description:
      - Acknowledge them.
    type: bool
    default: false
  close:
    description:
      - Close them. The triggers must allow it, and the user must be allowed to write to the hosts.
    type: bool
    default: false
  severity:
    description:
      - Give them this severity.
    type: str
    choices: [not_classified, information, warning, average, high, disaster]
notes:
  - One of O(event_ids), O(hosts), O(groups) and O(tags) is needed. Events that ended are found by O(event_ids) only,
    and can be acknowledged and get a message, no more.
  - Zabbix can put no tag on an event that exists; a message is the way to leave a trace.
seealso:
  - module: opsctl.cloud.zabbix_problem_info
"""

EXAMPLES = r"""
- name: Say who mends it
  opsctl.cloud.zabbix_problem_update:
    event_ids: ["{{ alert.key }}"]
    comment: "opsctl run {{ run_id }}"
    acknowledge: true
  delegate_to: localhost

- name: Close what a test left behind
  opsctl.cloud.zabbix_problem_update:
    zabbix_url: https://zabbix.example.com
    zabbix_token: "{{ zabbix_token }}"
    groups: [opsctl/drill]
    close: true
  delegate_to: localhost
"""

RETURN = r"""
event_ids:
  description: The ids of the events that were changed.
  returned: always
  type: list
  elements: str
  sample: ["4711"]
"""

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
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import SEVERITIES
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.stories import Wish, fulfil, stories

OPTIONS: dict[str, Any] = {
    "argument_spec": {
        **CONNECTION,
        **CHOICE,
        "comment": {"type": "str", "default": ""},
        "acknowledge": {"type": "bool", "default": False},
        "close": {"type": "bool", "default": False},
        "severity": {"type": "str", "choices": list(SEVERITIES)},
    },
    "required_one_of": [CHOSEN],
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do what is not so yet."""
    params = module.params
    some(params)
    severity = params["severity"]
    wish = Wish(
        message=params["comment"],
        acknowledge=params["acknowledge"],
        close=params["close"],
        severity=None if severity is None else SEVERITIES.index(severity),
    )
    with connect(params) as zabbix:
        ids = params["event_ids"] or [one.event_id for one in choose(zabbix, params)]
        change = fulfil(zabbix, stories(zabbix, ids), wish, module.check_mode)
    return {"changed": bool(change), "diff": change.diff, "event_ids": sorted(change.after or {})}


if __name__ == "__main__":
    main(run, **OPTIONS)
