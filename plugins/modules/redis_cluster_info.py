# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the health of a Redis cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_info
short_description: Tell how a Redis cluster is
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Asks every node for its role, slots, memory, replication and persistence, and lists what is wrong.
  - A node that does not answer is one of the things that are wrong; the module does not fail because of it.
extends_documentation_fragment:
  - opsctl.cloud.redis
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  masters:
    description: How many masters there should be. Another number is reported.
    type: int
  replicas:
    description: How many replicas each master should have at least. Fewer are reported.
    type: int
  timeout:
    description: Seconds to wait until nothing is wrong. With 0 the module looks once.
    type: float
    default: 0
  known:
    description:
      - Findings that are known and do not count, word for word.
    type: list
    elements: str
    default: []
  promotion:
    description:
      - Names of nodes. The module then waits until one of them is a master with slots, whatever else is wrong, and not
        until nothing is wrong.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Look at the cluster
  opsctl.cloud.redis_cluster_info:
    nodes: "{{ nodes }}"
    password: "{{ redis_password }}"
    masters: 3
    replicas: 1
  register: seen

- name: Fail when something is wrong
  ansible.builtin.assert:
    that: seen.cluster.healthy
    fail_msg: "{{ seen.cluster.findings | join('; ') }}"
"""

RETURN = r"""
cluster:
  description: What the nodes say.
  returned: success
  type: dict
  contains:
    healthy:
      description: Whether nothing is wrong.
      type: bool
      returned: always
      sample: true
    findings:
      description: What is wrong, one line each.
      type: list
      elements: str
      returned: always
      sample: ["cache-redis-b-02 has lost its master cache-redis-a-01"]
    slots:
      description: How many of the 16384 slots are served.
      type: int
      returned: always
      sample: 16384
    masters:
      description: How many masters serve slots.
      type: int
      returned: always
      sample: 3
    replicas:
      description: How many replicas there are.
      type: int
      returned: always
      sample: 3
    nodes:
      description: One entry for each node.
      type: list
      elements: dict
      returned: always
      sample:
        - address: 192.168.0.11:6379
          appendonly: true
          copying: false
          keys: 12
          lag_bytes: null
          link: null
          memory_bytes: 2097152
          memory_limit_bytes: 4294967296
          name: cache-redis-a-01
          of: null
          of_zone: null
          persistence_ok: true
          role: master
          slot_count: 5461
          slots: 0-5460
          unsaved_changes: 0
          uptime_seconds: 3600
          version: 7.0.15
          zone: a
table:
  description: The nodes as lines of text in columns.
  returned: success
  type: list
  elements: str
  sample: ["name              zone  role    of  slots"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_options import nodes, options
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_probe import watch

SPEC = options(
    masters={"type": "int"},
    replicas={"type": "int"},
    timeout={"type": "float", "default": 0},
    known={"type": "list", "elements": "str", "default": []},
    promotion={"type": "list", "elements": "str"},
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look, once or until what is waited for is there."""
    params = module.params
    heirs = params["promotion"]
    known = frozenset(params["known"])
    done = (lambda seen: seen.serving(heirs)) if heirs else (lambda seen: known.issuperset(seen.findings))
    with Cluster(nodes(params), params["password"], params["timeout"]) as cluster:
        seen = watch(cluster, params["masters"], params["replicas"], params["timeout"], done)
    return {"changed": False, "cluster": seen.plain(), "table": seen.table()}


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
