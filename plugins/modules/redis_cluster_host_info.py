# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: what a host is like that is to run Redis."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_host_info
short_description: Tell what a host is like that is to run Redis
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Tells in one go, and much faster than by gathering facts, what the role P(opsctl.cloud.redis_cluster#role) needs to
    know of a host.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  package:
    description: The package to look for.
    type: str
    default: redis-server
  unit:
    description: The service of systemd to look for.
    type: str
    default: redis-server
  settings:
    description: The files that the service reads when it starts.
    type: list
    elements: path
    default: []
  password_file:
    description: The file to look for.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Look at the host
  opsctl.cloud.redis_cluster_host_info:
    password_file: /etc/redis/opsctl-auth.conf
  register: seen
"""

RETURN = r"""
host:
  description: What the host is like.
  returned: success
  type: dict
  contains:
    container:
      description: The kind of container the host is, or empty when it is a machine.
      type: str
      returned: always
      sample: docker
    installed:
      description: Whether the package is installed.
      type: bool
      returned: always
      sample: true
    memory_mb:
      description: MiB of memory that processes can have, limits of control groups included.
      type: int
      returned: always
      sample: 7936
    stale:
      description: Whether the service has been running since before one of its settings was written.
      type: bool
      returned: always
      sample: false
    secured:
      description: Whether the password file is there and not empty.
      type: bool
      returned: always
      sample: true
    systems:
      description: The names the system goes by, its own first.
      type: list
      elements: str
      returned: always
      sample: [ubuntu, debian]
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_host import memory_mb, systems

SPEC: dict[str, Any] = {
    "package": {"type": "str", "default": "redis-server"},
    "unit": {"type": "str", "default": "redis-server"},
    "settings": {"type": "list", "elements": "path", "default": []},
    "password_file": {"type": "path", "required": True},
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Read a few files and ask two programs."""
    status = _said(module, "dpkg-query", "--show", "--showformat=${db:Status-Status}", module.params["package"])
    container = _said(module, "systemd-detect-virt", "--container")
    secret = Path(module.params["password_file"])
    host = {
        "systems": systems(_read("/etc/os-release")),
        "memory_mb": memory_mb(_read),
        "container": "" if container == "none" else container,
        "installed": status == "installed",
        "secured": secret.is_file() and secret.stat().st_size > 0,
        "stale": _stale(module),
    }
    return {"changed": False, "host": host}


def _stale(module: AnsibleModule) -> bool:
    """The service manager tells on its steady clock when it started the service, files are dated on the other one."""
    started = _said(
        module, "systemctl", "show", "--property=ExecMainStartTimestampMonotonic,MainPID", module.params["unit"]
    )
    said = dict(line.split("=", 1) for line in started.splitlines() if "=" in line)
    if said.get("MainPID", "0") == "0":
        return False
    begun = time.time() - time.monotonic() + int(said["ExecMainStartTimestampMonotonic"]) / 1e6
    written = [Path(path).stat().st_mtime for path in module.params["settings"] if Path(path).exists()]
    return max(written, default=0) > begun


def _said(module: AnsibleModule, *argv: str) -> str:
    """What a program prints; nothing where there is no such program or it fails."""
    if module.get_bin_path(argv[0]) is None:
        return ""
    code, out, _err = module.run_command(list(argv))
    return out.strip() if code == 0 or argv[0] == "systemd-detect-virt" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
