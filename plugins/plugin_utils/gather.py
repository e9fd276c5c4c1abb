# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the hosts of many stacks, clouds and regions at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import hosts, records
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import Client
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks, matches

THREADS = 8


@dataclass(frozen=True)
class Source:
    """One region of one cloud, and which of its stacks are asked for."""

    client: Client
    cloud: str = ""
    names: Sequence[str] = ()
    statuses: Sequence[str] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)


def gather(sources: Sequence[Source], how: hosts.Options) -> list[dict[str, Any]]:
    """The hosts of all sources as ``{name, groups, vars}``, in a stable order, with names that differ."""
    # one pool for calls and one for sources: work that waits for work in its own pool could wait for ever
    with ThreadPoolExecutor(THREADS) as pool, ThreadPoolExecutor(THREADS) as outer:
        found = [host for rows in outer.map(lambda source: _read(source, how, pool), sources) for host in rows]
    count = Counter(host["name"] for host in found)
    for host in found:
        if count[host["name"]] > 1:
            host["name"] += f"-{host['vars']['instance_id']}"
    return found


def _read(source: Source, how: hosts.Options, pool: ThreadPoolExecutor) -> list[dict[str, Any]]:
    stacks = Stacks(source.client)
    rows = stacks.search(source.names)
    rows = [one for one in rows if matches(one, source.names, source.statuses, source.tags)]
    rows.sort(key=lambda one: (str(one["StackName"]), str(one["StackId"])))
    ids = [str(one["StackId"]) for one in rows]
    full = pool.map(stacks.get, ids)
    logical = list(pool.map(lambda stack_id: hosts.members(stacks, stack_id), ids))
    instances = hosts.describe(source.client, [one for group in logical for one in group], pool.map)
    found = []
    for record, names in zip(full, logical, strict=True):
        if record is not None:
            found += hosts.build(record, records.outputs(record), names, instances, how)
    for host in found:
        if source.cloud:
            host["vars"]["cloud_name"] = source.cloud
    return found
