# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that a cluster serves: one key for every slot, written to masters, read back from them and from replicas."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error, Failed
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import SLOTS, tags
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node, View, info

LIFE_MS = 120_000  # what a broken connection leaves behind is gone after so long
ROOM = 16 << 20  # bytes of memory that must be free: else our keys could push out those of others
WAIT_MS = 10_000


@dataclass(frozen=True)
class Shard:
    """A master with its replicas."""

    master: Node
    replicas: tuple[Node, ...]
    slots: tuple[int, ...]


def shards(views: Sequence[View]) -> list[Shard]:
    """The masters that serve slots, as they say themselves."""
    return [
        Shard(
            view.node,
            tuple(other.node for other in views if other.me.master == view.id),
            tuple(sorted(view.me.slots)),
        )
        for view in views
        if view.me.slots
    ]


def verify(cluster: Cluster) -> dict[str, Any]:
    """Write, read and remove a key for each slot.

    Returns counts: ``slots``, ``written``, ``read``, ``read_from_replicas``, and ``full``: names of masters that were
    left alone because they have no memory to spare. Raises :class:`Failed` with what went wrong first.
    """
    found = shards(cluster.settled())
    full = [shard for shard in found if not _room(cluster, shard.master)]
    run = secrets.token_hex(6)
    done = [_shard(cluster, shard, run) for shard in found if shard not in full]
    count = {
        "slots": sum(len(shard.slots) for shard in found),
        "written": sum(written for written, _copied in done),
        "read": sum(written for written, _copied in done),
        "read_from_replicas": sum(copied for _written, copied in done),
        "full": [shard.master.name for shard in full],
    }
    if count["slots"] != SLOTS:
        raise Failed(f"{count['slots']} of {SLOTS} slots are served")
    return count


def _room(cluster: Cluster, node: Node) -> bool:
    seen = info(cluster.ask(node, ("INFO", "memory"))[0])
    most = int(seen["maxmemory"])
    return not most or most - int(seen["used_memory"]) > ROOM


def _shard(cluster: Cluster, shard: Shard, run: str) -> tuple[int, int]:
    names = tags()
    pairs = [(f"opsctl:verify:{run}:{{{names[slot]}}}", f"{run}-{slot}") for slot in shard.slots]
    try:
        cluster.ask(shard.master, *[("SET", key, value, "PX", LIFE_MS) for key, value in pairs])
        _same(shard.master, cluster.ask(shard.master, *[("GET", key) for key, _value in pairs]), pairs)
        reached = cluster.ask(shard.master, ("WAIT", len(shard.replicas), WAIT_MS))[0]
        if reached < len(shard.replicas):
            raise Failed(
                f"{reached} of {len(shard.replicas)} replicas of {shard.master.name} took over what was written"
            )
        for replica in shard.replicas:
            answers = cluster.ask(replica, ("READONLY",), *[("GET", key) for key, _value in pairs], ("READWRITE",))
            _same(replica, answers[1:-1], pairs)
    finally:
        _remove(cluster, shard.master, [key for key, _value in pairs])
    return len(pairs), len(pairs) * len(shard.replicas)


def _same(node: Node, answers: Sequence[Any], pairs: Sequence[tuple[str, str]]) -> None:
    wrong = [key for (key, value), answer in zip(pairs, answers) if value != answer]  # noqa: B905
    if wrong:
        raise Failed(f"{node.name} does not give back {len(wrong)} of {len(pairs)} keys, the first is {wrong[0]}")


def _remove(cluster: Cluster, node: Node, keys: Sequence[str]) -> None:
    try:
        cluster.ask(node, *[("UNLINK", key) for key in keys])
    except Error:
        return  # what was wrong is being told already, and the keys live for two minutes
