# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter group_name."""

from __future__ import annotations

DOCUMENTATION = r"""
name: group_name
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Turn text into a valid group name
description:
  - Replaces every character that Ansible does not accept in the name of a group by an underscore, in the same way as
    the inventory plugin P(opsctl.cloud.stacks#inventory) names its groups.
positional: _input
options:
  _input:
    description: Any text, such as the name of a stack.
    type: string
    required: true
seealso:
  - plugin: opsctl.cloud.stacks
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Configure the cache nodes of a stack
  hosts: "{{ stack_name | opsctl.cloud.group_name }}_redis"
  tasks:
    - name: Say hello
      ansible.builtin.ping:
"""

RETURN = r"""
_value:
  description: The name of the group.
  type: string
  sample: my_cache
"""

from collections.abc import Callable

from ansible_collections.opsctl.cloud.plugins.module_utils.names import group_name


class FilterModule:
    """Filters for names."""

    def filters(self) -> dict[str, Callable[[object], str]]:
        return {"group_name": group_name}
