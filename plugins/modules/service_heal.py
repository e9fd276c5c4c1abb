# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: bring a service back that is down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_heal
short_description: Bring a service back that is down
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Restarts services of systemd that do not run, each until it stays up for O(steady) seconds, with longer and longer
    pauses between the tries.
  - A service that is masked or that the host does not have is left alone, and so is one that runs, unless
    O(restart=true).
  - A service that does not stay up is told in RV(left), and the module does not fail because of it.
attributes:
  check_mode:
    description: Says what would be restarted.
    support: full
  diff_mode:
    description: Shows the state of the services before and after.
    support: full
options:
  units:
    description: The services. Of those that the host does not have, only the first is reported, where it has none.
    type: list
    elements: str
    required: true
  restart:
    description: Whether services that run are restarted too, because they hang.
    type: bool
    default: false
  tries:
    description: How often a service is restarted at most.
    type: int
    default: 3
  pause:
    description: Seconds before the second try. Before each further one it is twice as long.
    type: float
    default: 2
  steady:
    description: Seconds that a service must stay up.
    type: float
    default: 2
"""

EXAMPLES = r"""
- name: Bring the web server back
  opsctl.cloud.service_heal:
    units: [nginx]
"""

RETURN = r"""
found:
  description: What was wrong, one line each.
  returned: success
  type: list
  elements: str
  sample: ["nginx is failed (exit-code)"]
did:
  description: What was done about it; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: ["restarted nginx, which stays up after 1 try"]
left:
  description: What was left as it is, and why.
  returned: success
  type: list
  elements: str
  sample: ["nginx does not stay up after 3 tries: it is failed (exit-code)"]
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main

SPEC: dict[str, Any] = {
    "units": {"type": "list", "elements": "str", "required": True},
    "restart": {"type": "bool", "default": False},
    "tries": {"type": "int", "default": 3},
    "pause": {"type": "float", "default": 2},
    "steady": {"type": "float", "default": 2},
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look at each service, and unless in check mode bring it back."""
    units = module.params["units"]
    if not units or module.params["tries"] < 1:
        raise Invalid("Give at least one service, and at least one try")
    before = {unit: _state(module, unit) for unit in units}
    there = [unit for unit in units if before[unit]["LoadState"] != "not-found"]
    told: dict[str, list[str]] = {"found": [], "did": [], "left": []}
    after = {}
    for unit in there:
        state = before[unit]
        if state["ActiveState"] == "active" and not module.params["restart"]:
            continue
        told["found"].append(f"{unit} is {_text(state)}")
        if state["LoadState"] == "masked":
            told["left"].append(f"{unit} is masked: somebody wants it stopped")
        else:
            after[unit] = _brought_back(module, unit, told)
    if not there:
        told["left"].append(f"{units[0]} is no service of this host")
    change = Change(
        {unit: _text(before[unit]) for unit in after}, {unit: f"{now} (restarted)" for unit, now in after.items()}
    )
    return {"changed": bool(change), "diff": change.diff, **told}


def _brought_back(module: AnsibleModule, unit: str, told: dict[str, list[str]]) -> str:
    tries, pause = module.params["tries"], module.params["pause"]
    if module.check_mode:
        told["did"].append(f"restarted {unit}")
        return "active"
    for number in range(1, tries + 1):
        # One that has failed too often is not started again before this.
        module.run_command(["systemctl", "reset-failed", unit])
        module.run_command(["systemctl", "restart", unit])
        if _steady(module, unit):
            told["did"].append(f"restarted {unit}, which stays up after {number} {'try' if number == 1 else 'tries'}")
            return "active"
        if number < tries:
            time.sleep(pause * 2 ** (number - 1))
    state = _text(_state(module, unit))
    told["left"].append(f"{unit} does not stay up after {tries} tries: it is {state}")
    return state


def _steady(module: AnsibleModule, unit: str) -> bool:
    """The same process for all of the time."""
    first = _state(module, unit)
    time.sleep(module.params["steady"])
    now = _state(module, unit)
    return now["ActiveState"] == "active" and now["MainPID"] == first["MainPID"]


def _state(module: AnsibleModule, unit: str) -> dict[str, str]:
    names = "LoadState,ActiveState,Result,MainPID"
    code, out, err = module.run_command(["systemctl", "show", f"--property={names}", "--", unit])
    said = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    if code or "LoadState" not in said:
        raise Invalid(f"Cannot ask systemd about {unit}: {err.strip() or 'it says nothing'}")
    return {name: said.get(name, "") for name in names.split(",")}


def _text(state: dict[str, str]) -> str:
    return state["ActiveState"] + (f" ({state['Result']})" if state["Result"] not in ("", "success") else "")


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
