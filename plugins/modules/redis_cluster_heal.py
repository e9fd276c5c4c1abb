# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: mend a Redis cluster whose nodes run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_heal
short_description: Mend a Redis cluster whose nodes run
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Finds what is wrong between the nodes of a cluster and does the least that mends it. What mends itself within
    O(settle) seconds is only waited for.
  - Where a master has failed and its replica has not taken over, the replica does. Without a vote of most of the other
    masters only when it is surely dead (O(complete)), because else two nodes could serve the same slots.
  - Slots that no node has are given to the node that holds their keys, else to the one that the others believe to have
    them, else to the one that has those beside them; never while a node that may have them does not answer.
  - Nodes that are in no cluster join it, failed nodes that are not listed are forgotten, and replicas follow a master
    in another zone, as with M(opsctl.cloud.redis_cluster).
  - Keys are never given up unless O(accept_loss=true). What could not be mended is told in RV(left) with the reason,
    and the module does not fail because of it.
extends_documentation_fragment:
  - opsctl.cloud.redis
attributes:
  check_mode:
    description: Says what would be done, from what the nodes say now.
    support: full
  diff_mode:
    description: Shows what was wrong, and the steps.
    support: full
options:
  masters:
    description: How many masters there should be.
    type: int
    default: 3
  replicas:
    description: How many replicas each master should have.
    type: int
    default: 1
  complete:
    description:
      - Whether O(nodes) are all the hosts there are, so that a member of the cluster that is not listed is surely dead.
    type: bool
    default: false
  accept_loss:
    description:
      - Serve slots again, empty, whose master and replicas are all surely dead. Their keys are lost then.
    type: bool
    default: false
  settle:
    description: Seconds to wait for what mends itself, before anything is done.
    type: float
    default: 15
  timeout:
    description: Seconds to wait for each of the steps that the nodes have to agree on.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Mend the cluster
  opsctl.cloud.redis_cluster_heal:
    nodes: "{{ nodes }}"
    password: "{{ redis_password }}"
    masters: 3
    replicas: 1
  register: healed

- name: Show what could not be mended
  ansible.builtin.debug:
    var: healed.left
"""

RETURN = r"""
found:
  description: What was wrong, one line each.
  returned: success
  type: list
  elements: str
  sample: ["cache-redis-b-02 has lost its master cache-redis-a-01"]
did:
  description: What was done about it; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: ["cache-redis-b-02 follows cache-redis-a-01"]
left:
  description: What was left as it is, and why.
  returned: success
  type: list
  elements: str
  sample: ["Who follows whom is left alone: cache-redis-a-03 does not answer"]
restart:
  description: Replicas that stay without a link to a master that answers. A restart makes them read their settings.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_heal import Wanted, heal
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_options import nodes, options

SPEC = options(
    masters={"type": "int", "default": 3},
    replicas={"type": "int", "default": 1},
    complete={"type": "bool", "default": False},
    accept_loss={"type": "bool", "default": False},
    settle={"type": "float", "default": 15},
    timeout={"type": "float", "default": 60},
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look, and unless in check mode mend."""
    params = module.params
    wanted = Wanted(params["masters"], params["replicas"], params["complete"], params["accept_loss"])
    with Cluster(nodes(params), params["password"], params["timeout"]) as cluster:
        told = heal(cluster, wanted, params["settle"], check=module.check_mode)
    change = Change({"wrong": told.found, "steps": []}, {"wrong": told.found, "steps": told.did})
    return {
        "changed": bool(change),
        "diff": change.diff,
        "found": told.found,
        "did": told.did,
        "left": told.left,
        "restart": told.restart,
    }


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
