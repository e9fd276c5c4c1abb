# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: make a Redis cluster of running nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster
short_description: Make a Redis cluster of running Redis nodes
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Introduces nodes to each other, gives out all 16384 slots, and lets replicas follow masters such that no replica is
    in the zone of its master.
  - On a cluster that exists it adds nodes that are new as replicas, lets the others forget nodes that have failed and
    are no longer listed, and moves replicas that are in the zone of their master. Masters stay who they are, after a
    failover too, unless their replicas can else not be in another zone. Slots are never cut anew, and never given away
    when the node that served them is lost.
  - Needs Python on the host that runs it, and no Redis library.
extends_documentation_fragment:
  - opsctl.cloud.redis
attributes:
  check_mode:
    description: Says what would be done, from what the nodes say now.
    support: full
  diff_mode:
    description: Shows the role, slots and master of the nodes that change.
    support: full
options:
  masters:
    description: Number of masters, at least 3.
    type: int
    default: 3
  replicas:
    description: Number of replicas of each master. The number of O(nodes) must be O(masters) times one more than this.
    type: int
    default: 1
  timeout:
    description: Seconds to wait for the nodes, for each of the steps they have to agree on.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Make a cluster of six nodes in two zones
  opsctl.cloud.redis_cluster:
    nodes:
      - {host: 192.168.0.11, zone: a}
      - {host: 192.168.0.12, zone: a}
      - {host: 192.168.0.13, zone: a}
      - {host: 192.168.1.11, zone: b}
      - {host: 192.168.1.12, zone: b}
      - {host: 192.168.1.13, zone: b}
    masters: 3
    replicas: 1
    password: "{{ redis_password }}"
"""

RETURN = r"""
cluster:
  description: The role of each node by its address, as it is after the module has run (would be, in check mode).
  returned: success
  type: dict
  sample:
    192.168.0.11:6379: {role: master, slots: 0-5460, zone: a}
    192.168.1.11:6379: {role: replica, of: "192.168.0.11:6379", zone: b}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_options import nodes, options
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_plan import plan

SPEC = options(
    masters={"type": "int", "default": 3},
    replicas={"type": "int", "default": 1},
    timeout={"type": "float", "default": 60},
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Find, plan, and unless in check mode apply."""
    params = module.params
    with Cluster(nodes(params), params["password"], params["timeout"]) as cluster:
        cluster.ready()
        todo = plan(cluster.settled(), params["masters"], params["replicas"])
        if todo.change and not module.check_mode:
            cluster.apply(todo)
    for warning in todo.warnings:
        module.warn(warning)
    return {"changed": bool(todo.change), "diff": todo.change.diff, "cluster": todo.change.after}


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
