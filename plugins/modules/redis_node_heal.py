# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: bring the Redis of this host back where it is dead or hangs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_node_heal
short_description: Bring the Redis of a host back where it is dead or hangs
version_added: 0.1.0
author:
  - The opsctl developers (@opsctl)
description:
  - Asks the Redis of this host for an answer. Where its process is dead, the service is started; where the process is
    there and does not answer, it is killed and started. Then it is waited for until it has read its data.
  - Any answer is an answer, also that a password is needed or that a script keeps it busy, so no password is needed
    here. A node that reads its data is waited for and not touched.
  - A service that is masked, and one that a drill has stopped, are left alone.
  - A node that does not come back is told in RV(left), and the module does not fail because of it.
attributes:
  check_mode:
    description: Says what would be done.
    support: full
  diff_mode:
    description: Shows the state of the node before and after.
    support: full
options:
  host:
    description: The address on which the node listens.
    type: str
    default: 127.0.0.1
  port:
    description: The port for clients.
    type: int
    default: 6379
  unit:
    description: The service of systemd.
    type: str
    default: redis-server
  patience:
    description: Seconds within which a process that runs must answer. One that does not is killed.
    type: float
    default: 3
  timeout:
    description: Seconds to wait until the node answers, and has read its data.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Bring Redis back
  opsctl.cloud.redis_node_heal:
    host: "{{ private_ip }}"
  register: healed

- name: Fail when it stays away
  ansible.builtin.assert:
    that: healed.left | length == 0
    fail_msg: "{{ healed.left | join('; ') }}"
"""

RETURN = r"""
found:
  description: What was wrong, one line each.
  returned: success
  type: list
  elements: str
  sample: ["its process is dead (killed)"]
did:
  description: What was done about it; would be, in check mode.
  returned: success
  type: list
  elements: str
  sample: ["started redis-server, which answers after 0.2 s"]
left:
  description: What was left as it is, and why.
  returned: success
  type: list
  elements: str
  sample: ["the service is masked: somebody wants it stopped"]
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.module import main
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_node import Unit, judge, unit
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_wire import Connection, Lost, Refused
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until

SPEC: dict[str, Any] = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 6379},
    "unit": {"type": "str", "default": "redis-server"},
    "patience": {"type": "float", "default": 3},
    "timeout": {"type": "float", "default": 60},
}
PROPERTIES = "LoadState,ActiveState,Result,MainPID,ExecMainStartTimestampMonotonic"
DRILL = "/run/systemd/system/redis-server.service.d/zz-drill.conf"


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look, decide, and unless in check mode act and wait."""
    seen = _answer(module, module.params["patience"])
    verdict = judge(seen, _unit(module) if seen == "none" else Unit("", "", ""), Path(DRILL).exists())
    change = Change({"redis": verdict.found}, {"redis": "answers"}) if verdict.order else Change({}, {})
    did = [_told(module, verdict.order)] if verdict.order else []
    left = [verdict.left] if verdict.left else []
    if verdict.wait and not module.check_mode:
        start = time.monotonic()
        try:
            _act(module, verdict.order)
            wait_until(
                lambda: _answer(module, 1.0), lambda now: now == "ready", "it to answer", module.params["timeout"]
            )
            did = [f"{line}, which answers after {time.monotonic() - start:.1f} s" for line in did]
        except Error as error:
            left = [f"{error}: {_complaint(module)}"]
    return {
        "changed": bool(change),
        "diff": change.diff,
        "found": [verdict.found] if verdict.found else [],
        "did": did,
        "left": left,
    }


def _wait(module: AnsibleModule) -> None:
    wait_until(lambda: _answer(module, 1.0), lambda now: now == "ready", "it to answer", module.params["timeout"])


def _answer(module: AnsibleModule, patience: float) -> str:
    """A port that nobody listens on answers at once; a process that hangs takes all the time it is given."""
    try:
        with Connection(module.params["host"], module.params["port"], timeout=patience) as connection:
            connection.call("PING")
    except Lost:
        return "none"
    except Refused as refusal:
        return "loading" if refusal.code == "LOADING" else "ready"
    return "ready"


def _unit(module: AnsibleModule) -> Unit:
    said = _systemctl(module, "show", f"--property={PROPERTIES}", module.params["unit"])
    return unit(said, time.monotonic())


def _told(module: AnsibleModule, order: str) -> str:
    return f"{'killed and started' if order == 'replace' else 'started'} {module.params['unit']}"


def _act(module: AnsibleModule, order: str) -> None:
    name = module.params["unit"]
    if order == "replace":
        # A process that hangs does not mind a request to end, for which the service manager might wait for ever.
        _systemctl(module, "kill", "--kill-who=main", "--signal=SIGKILL", name)
        wait_until(lambda: _unit(module), lambda seen: seen.age is None or seen.age < 1, "its process to end", 10)
    if order:
        # One that has failed too often is not started again before this; there may be nothing to reset.
        module.run_command(["systemctl", "reset-failed", name])
        _systemctl(module, "start", "--no-block", name)


def _systemctl(module: AnsibleModule, *words: str) -> str:
    code, out, err = module.run_command(["systemctl", *words])
    if code:
        raise Timeout(f"systemctl {words[0]} {module.params['unit']} failed: {err.strip() or code}")
    return str(out)


def _complaint(module: AnsibleModule) -> str:
    """The last line of what the service said."""
    seen = _unit(module)
    lines = _log(module).splitlines()
    state = f"the service is {seen.active} ({seen.result})" if seen.age is None else "its process runs"
    return f"{state}, its log ends with: {lines[-1].strip()}" if lines else state


def _log(module: AnsibleModule) -> str:
    code, out, _err = module.run_command(["tail", "-n", "1", "/var/log/redis/redis-server.log"])
    return str(out) if code == 0 else ""


if __name__ == "__main__":
    main(run, argument_spec=SPEC)
