# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: prove that a Redis cluster serves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_verify
short_description: Prove that a Redis cluster serves all slots
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Waits until nothing is wrong with the cluster, and fails with what is wrong otherwise.
  - Then writes one key for every slot, reads all of them back from the masters and from the replicas, and removes them.
    The keys begin with C(opsctl:verify:) and expire after two minutes should they not be removed. Other keys are not
    touched, and a master without memory to spare is left alone.
extends_documentation_fragment:
  - opsctl.cloud.redis
attributes:
  check_mode:
    description: Looks at the health only, and writes no key.
    support: full
  diff_mode:
    description: Leaves nothing changed.
    support: none
options:
  masters:
    description: How many masters there should be.
    type: int
    required: true
  replicas:
    description: How many replicas each master should have at least.
    type: int
    required: true
  timeout:
    description: Seconds to wait until nothing is wrong.
    type: float
    default: 30
"""

EXAMPLES = r"""
- name: Prove that the cluster serves
  opsctl.cloud.redis_cluster_verify:
    nodes: "{{ nodes }}"
    password: "{{ redis_password }}"
    masters: 3
    replicas: 1
"""

RETURN = r"""
cluster:
  description: The health, as in RV(opsctl.cloud.redis_cluster_info#module:cluster).
  returned: success
  type: dict
  sample: {findings: [], healthy: true, masters: 3, replicas: 3, slots: 16384}
verified:
  description:
    - How many keys were written, read from masters, and read from replicas; C(full) names the masters that
      had no memory to spare.
  returned: success, not in check mode
  type: dict
  sample: {full: [], read: 16384, read_from_replicas: 16384, slots: 16384, written: 16384}
table:
  description: The nodes as lines of text in columns.
  returned: success
  type: list
  elements: str
  sample: ["name              zone  role    of  slots"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Failed
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_options import nodes, options
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_probe import watch
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_verify import verify

SPEC = options(
    masters={"type": "int", "required": True},
    replicas={"type": "int", "required": True},
    timeout={"type": "float", "default": 30},
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Wait for health, then write and read."""
    params = module.params
    with Cluster(nodes(params), params["password"], params["timeout"]) as cluster:
        patience = 0 if module.check_mode else params["timeout"]
        seen = watch(cluster, params["masters"], params["replicas"], patience)
        if seen.findings:
            raise Failed(f"The cluster is not well: {'; '.join(seen.findings)}", table=seen.table())
        verified = {} if module.check_mode else {"verified": verify(cluster)}
    return {"changed": False, "cluster": seen.plain(), "table": seen.table(), **verified}


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
