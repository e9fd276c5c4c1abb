# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module zabbix_sender."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zabbix_sender
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Send values to a Zabbix server
description:
  - Sends values of trapper items to a Zabbix server or proxy, as the command zabbix_sender does.
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details: Nothing is sent, so that it is not known what the server would refuse.
  diff_mode:
    description: Can show what was changed.
    support: none
    details: Values have no earlier state.
options:
  server:
    description:
      - The server or proxy, as V(HOST) or V(HOST:PORT). The port is 10051 if unset.
    type: str
    required: true
  values:
    description:
      - The values.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The technical name of the host.
        type: str
        required: true
      key:
        description: The key of the item.
        type: str
        required: true
      value:
        description: The value.
        type: str
        required: true
      clock:
        description: When it was so, in seconds since 1970. The server's own time if unset.
        type: float
  accept_refused:
    description:
      - Values of hosts and items that the server does not know, or not yet, make the module fail; V(true) tells them
        in the result only.
    type: bool
    default: false
  timeout:
    description:
      - Seconds for one connection.
    type: float
    default: 10.0
requirements:
  - zabbix-utils >= 2.0.3 (Python package)
notes:
  - Up to 100 values are sent one by one, so that those that the server refuses are known. More are sent by the
    thousand, and only counted.
  - The server learns about new items after up to C(CacheUpdateFrequency) seconds, 60 unless set otherwise.
seealso:
  - module: opsctl.cloud.zabbix_hosts_sync
"""

EXAMPLES = r"""
- name: Tell Zabbix that the backup went well
  opsctl.cloud.zabbix_sender:
    server: zabbix.example.com
    values:
      - host: "{{ inventory_hostname }}"
        key: backup.age
        value: "0"
  delegate_to: localhost
"""

RETURN = r"""
processed:
  description: How many values the server took.
  returned: always
  type: int
  sample: 1
failed:
  description: How many it refused.
  returned: always
  type: int
  sample: 0
refused:
  description: Those that it refused, each with C(host) and C(key), where they are known.
  returned: always
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Failed
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.push import Value, address, push

VALUE = {
    "host": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": False},
    "value": {"type": "str", "required": True},
    "clock": {"type": "float"},
}
OPTIONS: dict[str, Any] = {
    "argument_spec": {
        "server": {"type": "str", "required": True},
        "values": {"type": "list", "elements": "dict", "required": True, "options": VALUE},
        "accept_refused": {"type": "bool", "default": False},
        "timeout": {"type": "float", "default": 10.0},
    }
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Send all values."""
    params = module.params
    server, values = params["server"], [Value(**one) for one in params["values"]]
    address(server)
    if module.check_mode:
        return {"changed": bool(values), "processed": 0, "failed": 0, "refused": []}
    sent = push(server, values, timeout=params["timeout"])
    refused = [{"host": one.host, "key": one.key} for one in sent.refused]
    result = {"processed": sent.processed, "failed": sent.failed, "refused": refused}
    if sent.failed and not params["accept_refused"]:
        names = ", ".join(f"{one.key} of {one.host}" for one in sent.refused[:3])
        which = f": it knows no {names}{' ...' * (len(refused) > 3)}" if names else ""
        raise Failed(f"The Zabbix server {server} refused {sent.failed} of {len(values)} values{which}", **result)
    return {"changed": sent.processed > 0, **result}


if __name__ == "__main__":
    main(run, **OPTIONS)
