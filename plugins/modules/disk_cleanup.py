# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: make room on a file system by a policy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_cleanup
short_description: Make room on a file system by a policy
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Does nothing where at most O(percent) of the file system is used. Else it empties the cache of packages, shrinks the
    journal of systemd, and then removes old files below O(folders), the oldest first, until there is room enough.
  - Never removes anything outside of O(folders), follows no links, stays on the file system of each folder, and leaves
    alone what is no regular file. Folders that hold more than logs or temporary files are refused, as C(/var) or
    C(/etc).
  - What could not be made room for is told in RV(left), and the module does not fail because of it.
attributes:
  check_mode:
    description: Says what would be removed.
    support: full
  diff_mode:
    description: Lists the files.
    support: full
options:
  filesystem:
    description: Any path on the file system that is full.
    type: path
    default: /
  percent:
    description: How much of it may be used.
    type: float
    default: 80
  package_cache:
    description: Whether the cache of downloaded packages is emptied.
    type: bool
    default: true
  journal_mb:
    description: MiB that the journal of systemd may keep. 0 leaves it alone.
    type: int
    default: 100
  folders:
    description: Where old files may be removed.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The folder, with all below it.
        type: str
        required: true
      patterns:
        description: Names of files, with C(*) and C(?).
        type: list
        elements: str
        required: true
      days:
        description: Files that were written later than so many days ago are kept.
        type: float
        default: 7
"""

EXAMPLES = r"""
- name: Make room
  opsctl.cloud.disk_cleanup:
    percent: 80
    folders:
      - path: /var/log
        patterns: ["*.gz", "*.1", "*.old"]
        days: 7
"""

RETURN = r"""
found:
  description: What was wrong, one line each.
  returned: success
  type: list
  elements: str
  sample: ["/ is used to 96 %, 80 % are wanted"]
did:
  description: What was done about it; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: ["removed 3 files of 812 MiB below /var/log"]
left:
  description: What was left as it is, and why.
  returned: success
  type: list
  elements: str
  sample: []
removed:
  description: The files that were removed; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: [/var/log/app.log.7.gz]
"""

import glob
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.room import Old, enough, found, lacking, policy, remove

FOLDER = {
    "path": {"type": "str", "required": True},
    "patterns": {"type": "list", "elements": "str", "required": True},
    "days": {"type": "float", "default": 7},
}
SPEC: dict[str, Any] = {
    "filesystem": {"type": "path", "default": "/"},
    "percent": {"type": "float", "default": 80},
    "package_cache": {"type": "bool", "default": True},
    "journal_mb": {"type": "int", "default": 100},
    "folders": {"type": "list", "elements": "dict", "default": [], "options": FOLDER},
}
MIB = 1 << 20
CACHE = "/var/cache/apt/archives/*.deb"


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look, and unless in check mode make room, the harmless first."""
    params = module.params
    if not 0 < params["percent"] <= 100:
        raise Invalid(f"{params['percent']:g} is no share of a file system: 1 to 100 percent")
    policies = [policy(one["path"], one["patterns"], one["days"]) for one in params["folders"]]
    used = _used(params["filesystem"])
    lacks = _lacks(module)
    if not lacks:
        return {"changed": False, "diff": {}, "found": [], "did": [], "left": [], "removed": []}
    did = [line for line in (_cache(module), _journal(module)) if line]
    lacks = lacks if module.check_mode else _lacks(module)
    device = os.stat(params["filesystem"]).st_dev
    files = {old.path: old for one in policies for old in found(one, time.time()) if _on(old, device)}
    chosen = enough(files.values(), lacks)
    kept = [] if module.check_mode else [old.path for old in chosen if not remove(old)]
    removed = [old.path for old in chosen if old.path not in kept]
    if removed:
        size = sum(old.size for old in chosen if old.path not in kept)
        did.append(f"removed {len(removed)} old files of {size // MIB} MiB")
    change = Change({"files": removed, "steps": []}, {"files": [], "steps": did})
    return {
        "changed": bool(change),
        "diff": change.diff,
        "found": [f"{params['filesystem']} is used to {used:.0f} %, {params['percent']:g} % are wanted"],
        "did": did,
        "left": [f"{path}: it could not be removed" for path in kept] + _rest(module),
        "removed": removed,
    }


def _lacks(module: AnsibleModule) -> int:
    seen = os.statvfs(module.params["filesystem"])
    # Blocks that only root may use count as used, as df has it.
    total = (seen.f_blocks - seen.f_bfree + seen.f_bavail) * seen.f_frsize
    return lacking(total, seen.f_bavail * seen.f_frsize, module.params["percent"])


def _used(path: str) -> float:
    seen = os.statvfs(path)
    used = seen.f_blocks - seen.f_bfree
    return 100 * used / max(1, used + seen.f_bavail)


def _cache(module: AnsibleModule) -> str:
    size = sum(os.lstat(path).st_size for path in glob.glob(CACHE))
    if not module.params["package_cache"] or size < MIB or not module.get_bin_path("apt-get"):
        return ""
    if not module.check_mode and module.run_command(["apt-get", "clean"])[0]:
        return ""
    return f"emptied the cache of packages, {size // MIB} MiB"


def _journal(module: AnsibleModule) -> str:
    most = module.params["journal_mb"]
    size = sum(os.lstat(path).st_size for path in glob.glob("/var/log/journal/*/*.journal")) // MIB
    if not most or size <= most or not module.get_bin_path("journalctl"):
        return ""
    # The file that is being written is not shrunk, so it is closed first.
    words = ["journalctl", "--rotate", f"--vacuum-size={most}M"]
    if not module.check_mode and module.run_command(words)[0]:
        return ""
    return f"shrank the journal from {size} MiB to {most} MiB"


def _on(old: Old, device: int) -> bool:
    try:
        return os.lstat(old.path).st_dev == device
    except OSError:
        return False


def _rest(module: AnsibleModule) -> list[str]:
    if module.check_mode or not _lacks(module):
        return []
    path, now = module.params["filesystem"], _used(module.params["filesystem"])
    return [f"{path} is still used to {now:.0f} %: nothing else may be removed by the policy"]


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
