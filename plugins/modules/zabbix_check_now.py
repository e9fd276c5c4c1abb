# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module zabbix_check_now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zabbix_check_now
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Have Zabbix check at once what its problems are about
description:
  - Asks the Zabbix server to check the items of triggers now, and not when their interval is over. It does so within a
    few seconds.
  - Items that the server does not ask for by itself (trapper, active agent) are left out; for an item that depends on
    another one, that one is checked.
extends_documentation_fragment:
  - opsctl.cloud.zabbix
  - opsctl.cloud.zabbix.choice
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Can show what was changed.
    support: none
    details: It makes the server look, and changes nothing that lasts.
options:
  trigger_ids:
    description:
      - The ids of triggers, whether they have a problem or not.
    type: list
    elements: str
notes:
  - One of O(trigger_ids), O(event_ids), O(hosts), O(groups) and O(tags) is needed.
seealso:
  - module: opsctl.cloud.zabbix_problem_wait
"""

EXAMPLES = r"""
- name: Look again at all that is wrong with a host
  opsctl.cloud.zabbix_check_now:
    hosts: ["{{ inventory_hostname }}"]
  delegate_to: localhost

- name: Look at one trigger
  opsctl.cloud.zabbix_check_now:
    zabbix_url: https://zabbix.example.com
    zabbix_token: "{{ zabbix_token }}"
    trigger_ids: ["23456"]
  delegate_to: localhost
"""

RETURN = r"""
item_ids:
  description: The ids of the items that the server checks.
  returned: always
  type: list
  elements: str
  sample: ["45678"]
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
)
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import check_now, checkable

OPTIONS: dict[str, Any] = {
    "argument_spec": {**CONNECTION, **CHOICE, "trigger_ids": {"type": "list", "elements": "str"}},
    "required_one_of": [("trigger_ids", *CHOSEN)],
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Check what is asked for."""
    params = module.params
    with connect(params) as zabbix:
        triggers = list(params["trigger_ids"] or [])
        if any(params[one] for one in CHOSEN):
            triggers += [one.trigger_id for one in choose(zabbix, params)]
        items = (checkable if module.check_mode else check_now)(zabbix, triggers)
    return {"changed": bool(items), "item_ids": items}


if __name__ == "__main__":
    main(run, **OPTIONS)
