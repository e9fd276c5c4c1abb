# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module zabbix_hosts_sync."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zabbix_hosts_sync
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Make the hosts of a stack known to Zabbix, many at a time
description:
  - Creates, changes and deletes hosts of Zabbix until those of a stack are the given ones, up to 100 in one call.
  - A stack's hosts are those with the tag O(owner_tag) and the value O(stack). Hosts of others are never touched.
  - A host that Zabbix refuses does not hold up the others; the module then fails at its end and names it.
  - Only one such task of a user talks to a Zabbix at a time, as Zabbix 6.0 makes two hosts of one name of two calls at
    once. Such duplicates of the stack's hosts are removed, except for the oldest.
extends_documentation_fragment:
  - opsctl.cloud.zabbix
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details: That a template is missing is only found out when it is used.
  diff_mode:
    description: Can show what was changed.
    support: full
    details: Secrets are not part of it.
options:
  stack:
    description:
      - The name of the stack.
    type: str
    required: true
  owner_tag:
    description:
      - The tag that tells whose a host is. Every host gets it, with O(stack) as its value.
    type: str
    default: opsctl_stack
  hosts:
    description:
      - The hosts. An empty list removes all that the stack has.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The technical name, mostly that of the inventory.
        type: str
        required: true
      name:
        description: The visible name. Unset, it is left as it is, which at first is the technical name.
        type: str
      groups:
        description: Host groups. Missing ones are created.
        type: list
        elements: str
        required: true
      address:
        description:
          - The address or DNS name of the agent. A host without one has no interface, and can have no template with
            items that the server asks for.
        type: str
      port:
        description: The port of the agent.
        type: int
        default: 10050
      templates:
        description: Templates, by technical name. They must exist.
        type: list
        elements: str
      tags:
        description: Tags of the host. Its problems get them too.
        type: dict
      macros:
        description: Macros, by names such as V({$REDIS.PORT}). Macros of other names stay.
        type: dict
      secrets:
        description: Macros whose values Zabbix shows to nobody.
        type: dict
      psk_identity:
        description:
          - The name of the key O(hosts[].psk). It is sent in the clear, so let it tell nothing.
          - Give a new key another one, as Zabbix holds one key for a name.
        type: str
      psk:
        description: A pre-shared key, 32 to 512 hexadecimal digits. With it only encrypted connections are allowed.
        type: str
      proxy:
        description: The name of the proxy that watches the host. Unset, it is left as it is.
        type: str
      enabled:
        description: Whether it is watched.
        type: bool
        default: true
  purge:
    description:
      - Remove groups, templates (with their items) and tags that are not given, whoever added them.
    type: bool
    default: true
  prune:
    description:
      - Remove hosts of the stack that are not given.
    type: bool
    default: true
  adopt:
    description:
      - Take over hosts that have a given name and are not the stack's. Without it they are an error.
    type: bool
    default: false
  lock_timeout:
    description:
      - Seconds to wait for another such task.
    type: float
    default: 120.0
notes:
  - Zabbix shows no secrets, so the macro C({$OPSCTL.SECRETS}) of the host holds a slow hash by which a changed one is
    noticed.
  - The server begins to watch a new host after up to C(CacheUpdateFrequency) seconds, 60 unless set otherwise.
  - The user needs the right to write to the host groups and to read the templates. Only a super admin creates groups.
seealso:
  - module: opsctl.cloud.zabbix_sender
"""

EXAMPLES = r"""
- name: Watch the nodes of the stack
  opsctl.cloud.zabbix_hosts_sync:
    zabbix_url: https://zabbix.example.com
    zabbix_token: "{{ zabbix_token }}"
    stack: "{{ stack_name }}"
    hosts:
      - host: cache-node-001
        groups: [opsctl/cache/redis]
        address: 10.0.0.7
        templates: [opsctl Linux, opsctl Redis]
        tags:
          opsctl_scenario: redis-cluster
          opsctl_group: redis
        macros:
          "{$REDIS.PORT}": "6379"
        psk_identity: cache-node-001
        psk: "{{ agent_key }}"
  delegate_to: localhost

- name: Stop watching them
  opsctl.cloud.zabbix_hosts_sync:
    stack: "{{ stack_name }}"
    hosts: []
  delegate_to: localhost
"""

RETURN = r"""
created:
  description: The hosts that were created.
  returned: always
  type: list
  elements: str
  sample: [cache-node-001]
updated:
  description: The hosts that were changed.
  returned: always
  type: list
  elements: str
  sample: []
deleted:
  description: The hosts that were deleted.
  returned: always
  type: list
  elements: str
  sample: []
unchanged:
  description: The hosts that were as they should be.
  returned: always
  type: list
  elements: str
  sample: []
duplicates:
  description: The ids of hosts that were removed because an older one of the stack has their name, by name.
  returned: always
  type: dict
  sample: {}
failed_hosts:
  description: What Zabbix says of each host that it refused.
  returned: always
  type: dict
  sample: {}
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Failed
from ansible_collections.opsctl.cloud.plugins.module_utils.module import hide, main
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hosts import LOCK, Wanted, sync
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.options import CONNECTION, connect

HOST = {
    "host": {"type": "str", "required": True},
    "name": {"type": "str"},
    "groups": {"type": "list", "elements": "str", "required": True},
    "address": {"type": "str"},
    "port": {"type": "int", "default": 10050},
    "templates": {"type": "list", "elements": "str"},
    "tags": {"type": "dict"},
    "macros": {"type": "dict"},
    "secrets": {"type": "dict", "no_log": True},
    "psk_identity": {"type": "str"},
    "psk": {"type": "str", "no_log": True},
    "proxy": {"type": "str"},
    "enabled": {"type": "bool", "default": True},
}
OPTIONS: dict[str, Any] = {
    "argument_spec": {
        **CONNECTION,
        "stack": {"type": "str", "required": True},
        "owner_tag": {"type": "str", "default": "opsctl_stack"},
        "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
        "purge": {"type": "bool", "default": True},
        "prune": {"type": "bool", "default": True},
        "adopt": {"type": "bool", "default": False},
        "lock_timeout": {"type": "float", "default": LOCK},
    }
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Synchronise, and fail at the end if some hosts were refused."""
    params = module.params
    wanted = [_wanted(one) for one in params["hosts"]]
    hide(module, *(value for one in wanted for value in one.secrets.values()))
    how = {key: params[key] for key in ("purge", "prune", "adopt", "lock_timeout")}
    with connect(params) as zabbix:
        done = sync(zabbix, wanted, (params["owner_tag"], params["stack"]), module.check_mode, **how)
    result = {
        "changed": done.changed,
        "created": list(done.created),
        "updated": list(done.updated),
        "deleted": list(done.deleted),
        "unchanged": list(done.unchanged),
        "duplicates": {host: list(ids) for host, ids in done.duplicates.items()},
        "failed_hosts": done.failed,
        "diff": done.diff,
    }
    if done.failed:
        host, reason = next(iter(done.failed.items()))
        raise Failed(f"Zabbix refused {len(done.failed)} of the hosts, the first one {host}: {reason}", **result)
    return result


def _wanted(one: Mapping[str, Any]) -> Wanted:
    given = {key: value for key, value in one.items() if value is not None}
    for key in ("groups", "templates"):
        given[key] = tuple(given.get(key, ()))
    given["tags"] = tuple((str(tag), _text(value)) for tag, value in given.get("tags", {}).items())
    for key in ("macros", "secrets"):
        given[key] = {str(macro): _text(value) for macro, value in given.get(key, {}).items()}
    return Wanted(**given)


def _text(value: object) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    main(run, **OPTIONS)
