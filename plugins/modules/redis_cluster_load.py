# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: write to a Redis cluster while something happens to it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_load
short_description: Write to a Redis cluster while something happens to it
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Writes to all shards without a pause until the file O(stop) appears, then looks for every write that its master had
    answered with OK, and removes its keys and its files.
  - Tells how long each shard took no writes, and how many writes are lost, apart for those that replicas had
    acknowledged (by the command C(WAIT)) and the others.
  - Runs on a host that is not itself put to the test, as an asynchronous task.
  - The keys begin with C(opsctl:drill:) and expire after half an hour should they not be removed.
extends_documentation_fragment:
  - opsctl.cloud.redis
attributes:
  check_mode:
    description: Writes nothing and tells nothing.
    support: full
  diff_mode:
    description: Leaves nothing changed.
    support: none
options:
  replicas:
    description: How many replicas must have a write for it to count as acknowledged.
    type: int
    default: 1
  ready:
    description: A file that is made when all shards take writes.
    type: path
    required: true
  stop:
    description: The file whose appearance ends the writing.
    type: path
    required: true
  seconds:
    description: How long to write at most.
    type: float
    default: 180
"""

EXAMPLES = r"""
- name: Write to the cluster in the background
  opsctl.cloud.redis_cluster_load:
    nodes: "{{ nodes }}"
    password: "{{ redis_password }}"
    ready: /run/load.ready
    stop: /run/load.stop
  async: 300
  poll: 0
  register: load
"""

RETURN = r"""
shards:
  description: One entry for each master there was at the beginning.
  returned: success
  type: list
  elements: dict
  sample:
    - acknowledged: 5116
      lost_acknowledged: 0
      lost_other: 0
      refused: 12
      seconds_without_service: 6.1
      shard: cache-redis-a-01
      unanswered: 4
      written: 5120
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_load import Writer, load
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_options import nodes, options
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_verify import shards

SPEC = options(
    replicas={"type": "int", "default": 1},
    ready={"type": "path", "required": True},
    stop={"type": "path", "required": True},
    seconds={"type": "float", "default": 180},
)
SETTLE = 10.0  # seconds for the nodes to agree at the beginning


def run(module: AnsibleModule) -> dict[str, Any]:
    """Write until told to stop."""
    params = module.params
    if module.check_mode:
        return {"changed": False, "shards": []}
    listed, ready, stop = nodes(params), Path(params["ready"]), Path(params["stop"])
    with Cluster(listed, params["password"], SETTLE) as cluster:
        found = shards(cluster.settled())
    stop.unlink(missing_ok=True)  # of an earlier run that was killed
    end = time.monotonic() + params["seconds"]
    try:
        writers = [Writer(shard, listed, params["password"], params["replicas"]) for shard in found]
        tallies = load(writers, until=lambda: stop.exists() or time.monotonic() > end, ready=ready.touch)
    finally:
        ready.unlink(missing_ok=True)
        stop.unlink(missing_ok=True)
    return {"changed": False, "shards": [tally.plain() for tally in tallies]}


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
