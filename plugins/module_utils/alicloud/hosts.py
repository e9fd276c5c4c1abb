# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of stacks: which instances a stack has, and what Ansible is told about each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import records
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import Client
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError
from ansible_collections.opsctl.cloud.plugins.module_utils.names import group_name

SINGLE = ("ALIYUN::ECS::Instance", "ALIYUN::ECS::InstanceClone")
GROUPS = ("ALIYUN::ECS::InstanceGroup", "ALIYUN::ECS::InstanceGroupClone")
NESTED = "ALIYUN::ROS::Stack"
DEPTH = 5  # the service's limit of nesting
CHUNK = 100  # instance ids and records a DescribeInstances call takes and gives
ADDRESSES = ("tag", "public", "eip", "private")
GROUP_TAG = "opsctl:group"
ADDRESS_TAG = "opsctl:ssh-address"
INSTANCE_ID = re.compile(r"\bi-[A-Za-z0-9-]+")

T = TypeVar("T")
R = TypeVar("R")
Map = Callable[[Callable[[T], R], Iterable[T]], Iterable[R]]


@dataclass(frozen=True)
class Options:
    """How hosts are reached. ``home`` is opsctl's directory, which holds keys and known hosts."""

    home: Path
    address: tuple[str, ...] = ADDRESSES
    host_key_alias: bool = True
    ssh_user: str | None = "root"
    ssh_private_key: str | None = None
    include_stopped: bool = False


def options(given: Mapping[str, Any], env: Mapping[str, str]) -> Options:
    """The options that the inventory plugin and the modules share."""
    return Options(
        home=Path(env.get("OPSCTL_HOME") or "~/.opsctl").expanduser(),
        address=tuple(given["address"]),
        host_key_alias=bool(given["host_key_alias"]),
        ssh_user=given["ssh_user"] or None,
        ssh_private_key=given["ssh_private_key"] or None,
        include_stopped=bool(given["include_stopped"]),
    )


def members(stacks: Stacks, stack_id: str, depth: int = DEPTH) -> dict[str, str]:
    """Instance id -> logical id of the resource that made it, nested stacks included, in the template's order."""
    found: dict[str, str] = {}
    for one in stacks.resources(stack_id):
        kind, logical = one.get("ResourceType"), str(one.get("LogicalResourceId"))
        physical = str(one.get("PhysicalResourceId") or "")
        if not physical or str(one.get("Status")) == "DELETE_COMPLETE":
            continue
        if kind in SINGLE:
            found[physical] = logical
        elif kind in GROUPS:
            found.update(dict.fromkeys(_group_ids(stacks, stack_id, logical, physical), logical))
        elif kind == NESTED and depth > 1:
            found.update(members(stacks, physical, depth - 1))
    return found


def _group_ids(stacks: Stacks, stack_id: str, logical: str, physical: str) -> list[str]:
    try:
        value = stacks.attribute(stack_id, logical, "InstanceIds")
    except CloudError as error:
        # no group behind the name (any more), or the service has no such attribute
        if error.status != 400 and error.code not in ("ResourceNotFound", "StackNotFound"):
            raise
        value = None
    if isinstance(value, list):
        return [str(one) for one in value]
    return INSTANCE_ID.findall(str(value or physical))


def _in_turn(work: Callable[[T], R], items: Iterable[T]) -> Iterable[R]:
    return map(work, items)


def describe(client: Client, ids: Sequence[str], spread: Map[Any, Any] = _in_turn) -> dict[str, dict[str, Any]]:
    """The records of these instances by id; ids of instances that are gone are left out.

    ``spread`` is ``map`` or that of a pool of threads.
    """
    chunks = [list(ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK)]

    def ask(chunk: list[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        token = None
        while True:
            answer = client.ecs("DescribeInstances", InstanceIds=json.dumps(chunk), MaxResults=CHUNK, NextToken=token)
            rows += (answer.get("Instances") or {}).get("Instance") or []
            token = answer.get("NextToken") or None
            if not token:
                return rows

    return {str(row["InstanceId"]): row for rows in spread(ask, chunks) for row in rows}


def build(
    stack: Mapping[str, Any],
    outputs: Mapping[str, Any],
    logical: Mapping[str, str],
    instances: Mapping[str, Mapping[str, Any]],
    how: Options,
) -> list[dict[str, Any]]:
    """The hosts of one stack as ``{name, groups, vars}``; pure but for looking whether the default key exists.

    ``stack`` is the API's record; ``logical`` maps instance ids to logical ids, ``instances`` to API records.
    """
    name = str(stack["StackName"])
    rows = [instances[one] for one in logical if one in instances]
    rows = [row for row in rows if how.include_stopped or row.get("Status") in ("Running", "Starting")]
    count = Counter(host_name(name, row) for row in rows)
    key = private_key(name, how)
    hosts = []
    for row in rows:
        instance_id = str(row["InstanceId"])
        host = host_name(name, row)
        tags = records.pairs((row.get("Tags") or {}).get("Tag"), "TagKey", "TagValue")
        facts = {
            "private_ip": private_address(row),
            "instance_id": instance_id,
            "instance_tags": tags,
            "zone_id": row.get("ZoneId") or "",
            "stack_name": name,
            "stack_id": stack["StackId"],
            "stack_outputs": dict(outputs),
            "logical_id": logical[instance_id],
            "ecs": dict(row),
        }
        groups = [group_name(name), group_name(name, logical[instance_id].lower())]
        if tags.get(GROUP_TAG):
            groups.append(group_name(name, tags[GROUP_TAG]))
        if row.get("Status") not in ("Running", "Starting"):
            groups.append(group_name(name, "stopped"))
        hosts.append(
            {
                "name": f"{host}-{instance_id}" if count[host] > 1 else host,
                "groups": list(dict.fromkeys(groups)),
                "vars": {**facts, **_connection(row, tags, key, how)},
            }
        )
    return hosts


def host_name(stack: str, row: Mapping[str, Any]) -> str:
    """The instance's name, led by the stack's."""
    name = str(row.get("InstanceName") or row["InstanceId"])
    return name if name.startswith(stack) else f"{stack}-{name}"


def private_key(stack: str, how: Options) -> str | None:
    """The operator's key: the one that is asked for, else the stack's own where it exists."""
    if how.ssh_private_key:
        return how.ssh_private_key
    default = how.home / "keys" / f"{stack}_ed25519"
    return str(default) if default.is_file() else None


def _connection(row: Mapping[str, Any], tags: Mapping[str, Any], key: str | None, how: Options) -> dict[str, Any]:
    found: dict[str, Any] = {}
    address = reached(row, tags, how.address)
    if address:
        found["ansible_host"] = address
    if row.get("OSType") == "windows":
        return found
    if how.ssh_user:
        found["ansible_user"] = how.ssh_user
    if key:
        found["ansible_ssh_private_key_file"] = key
    if how.host_key_alias:
        # addresses are used again by other instances, ids are not
        known = how.home / "known_hosts"
        found["ansible_ssh_common_args"] = (
            f"-o HostKeyAlias={row['InstanceId']} -o StrictHostKeyChecking=accept-new"
            f" -o UserKnownHostsFile={_quoted(known)}"
        )
    return found


def _quoted(path: Path) -> str:
    text = str(path)
    return f"'\"{text}\"'" if " " in text else text


def private_address(row: Mapping[str, Any]) -> str:
    vpc = ((row.get("VpcAttributes") or {}).get("PrivateIpAddress") or {}).get("IpAddress") or []
    inner = (row.get("InnerIpAddress") or {}).get("IpAddress") or []
    return str(next(iter([*vpc, *inner]), ""))


def reached(row: Mapping[str, Any], tags: Mapping[str, Any], order: Iterable[str]) -> str:
    """The first address there is, in this order of ``tag``, ``public``, ``eip``, ``private``."""
    public = (row.get("PublicIpAddress") or {}).get("IpAddress") or []
    known = {
        "tag": tags.get(ADDRESS_TAG),
        "public": next(iter(public), None),
        "eip": (row.get("EipAddress") or {}).get("IpAddress"),
        "private": private_address(row),
    }
    return str(next((known[kind] for kind in order if known[kind]), ""))
