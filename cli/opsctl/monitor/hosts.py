"""From the hosts of a cloud to what Zabbix is to watch, in the form the playbooks register them in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hostplan import Present, Wanted

from opsctl.errors import OpsctlError

STACK = "opsctl_stack"
"""The tag of a host in Zabbix that says which stack it is of."""
GROUP = "opsctl_group"
ROOT = "opsctl"
"""The host group of all; those of stacks, and of the groups in them, are nested in it."""
TEMPLATES = ("opsctl Linux",)
"""What a host that is new to Zabbix gets: all that can be said of any."""
PORT = 10050
_GROUP_TAG = "opsctl:group"
_ODD = re.compile(r"[^0-9A-Za-z_. -]")


def stacks(inventory: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Stack -> its hosts -> their variables, of what `ansible-inventory --list` says."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for host, variables in inventory.get("_meta", {}).get("hostvars", {}).items():
        if stack := variables.get("stack_name"):
            found.setdefault(str(stack), {})[host] = variables
    return found


def wanted(
    stack: str, hosts: Mapping[str, Mapping[str, Any]], present: Mapping[str, Present] | None = None
) -> list[Wanted]:
    """The hosts of a stack as Zabbix is to watch them: groups, tags, and where their agent is.

    `present`: how it watches them now. What only the playbooks know (the key of an agent, templates and macros of a
    scenario) stays as it is there, and so do groups and tags that are none of ours.

    Raises:
        OpsctlError: Zabbix cannot have a host of such a name, or there is no address.
    """
    return [_wanted(stack, host, hosts[host], (present or {}).get(host)) for host in sorted(hosts)]


def _wanted(stack: str, host: str, variables: Mapping[str, Any], present: Present | None) -> Wanted:
    group = str((variables.get("instance_tags") or {}).get(_GROUP_TAG) or "")
    address = str(variables.get("private_ip") or variables.get("ansible_host") or "")
    if _ODD.search(host):
        raise OpsctlError(f"Zabbix cannot watch {host}: names have letters, digits, blanks and ._- only")
    if not address:
        raise OpsctlError(f"Zabbix cannot watch {host}: the inventory has no address of it")
    ours = (ROOT, f"{ROOT}/{stack}", *([f"{ROOT}/{stack}/{group}"] if group else []))
    others = [name for name in present.groups if name != ROOT and not name.startswith(f"{ROOT}/")] if present else []
    kept = [(tag, value) for tag, value in present.tags if tag not in (STACK, GROUP)] if present else []
    return Wanted(
        host=host,
        groups=(*ours, *others),
        address=address,
        port=_port(variables.get("zabbix_agent_port") or (present and present.port)),
        templates=tuple(present.templates) if present else TEMPLATES,
        tags=(*([(GROUP, group)] if group else []), *kept),
    )


def _port(value: Any) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else PORT
