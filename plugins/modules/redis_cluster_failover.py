# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: hand the slots of a Redis node to its replica."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_failover
short_description: Hand the slots of a Redis node to one of its replicas
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Makes sure that a node is not a master with slots, so that it can be restarted or taken away without loss.
  - The replica takes over when it has all of the master's data, and clients are told to go there (C(CLUSTER FAILOVER)).
  - Does nothing with a node that is a replica, or that has no slots. Warns when a master has no replica in step.
extends_documentation_fragment:
  - opsctl.cloud.redis
attributes:
  check_mode:
    description: Says whether slots would be handed over.
    support: full
  diff_mode:
    description: Shows who is the master.
    support: full
options:
  away_from:
    description: The name of the node that is not to be master.
    type: str
    required: true
  timeout:
    description: Seconds to wait until the replica has taken over.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Free a node for a restart
  opsctl.cloud.redis_cluster_failover:
    nodes: "{{ nodes }}"
    password: "{{ redis_password }}"
    away_from: cache-redis-a-01
"""

RETURN = r"""
master:
  description: The name of the node that serves the slots afterwards; empty when O(away_from) served none.
  returned: success
  type: str
  sample: cache-redis-b-03
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_options import nodes, options

SPEC = options(away_from={"type": "str", "required": True}, timeout={"type": "float", "default": 60})


def run(module: AnsibleModule) -> dict[str, Any]:
    """Find the replica, and let it take over."""
    params = module.params
    listed = nodes(params)
    node = next((one for one in listed if one.name == params["away_from"]), None)
    if node is None:
        raise Invalid(f"{params['away_from']} is not among the nodes given: {', '.join(one.name for one in listed)}")
    with Cluster(listed, params["password"], params["timeout"]) as cluster:
        serves, heir = cluster.heir(node)
        if serves and heir is None:
            module.warn(f"{node.name} is a master without a replica in step: it keeps its slots")
        change = Change({"master": node.name}, {"master": heir.name if heir else node.name})
        if heir is not None and not module.check_mode:
            cluster.hand_over(node, heir)
    return {
        "changed": bool(change),
        "diff": change.diff,
        "master": (heir or node).name if serves else "",
    }


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
