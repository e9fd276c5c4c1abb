# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation shared by the Redis modules; the options themselves are in module_utils/redis_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that talks to the nodes of a Redis cluster."""

    DOCUMENTATION = r"""
options:
  nodes:
    description:
      - The nodes of the cluster, and no others. The host that runs the module must reach all of them.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The address by which the nodes reach each other.
        type: str
        required: true
      port:
        description: The port for clients. The port of the cluster bus is 10000 higher.
        type: int
        default: 6379
      zone:
        description: What fails together, such as an availability zone. Without it each host is a zone of its own.
        type: str
      name:
        description: How messages and results call the node. Without it, its address and port.
        type: str
  password:
    description:
      - The password of the default user of every node. It is sent over the connection only.
    type: str
"""
