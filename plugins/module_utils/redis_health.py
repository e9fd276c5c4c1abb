# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of a cluster, from what its nodes say: one row a node, and what is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import SLOTS, to_text
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node, View

MEMORY_FULL = 0.9  # of maxmemory
LAG_BYTES = 1 << 20  # more than a busy replica is behind for a moment
COLUMNS = ("name", "zone", "role", "of", "slots", "keys", "memory", "lag", "saved", "up", "version")


@dataclass(frozen=True)
class Said:
    """What a node said, or why it said nothing. ``info`` is its INFO, ``state`` its cluster_state."""

    node: Node
    view: View | None = None
    info: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    error: str = ""


@dataclass(frozen=True)
class Health:
    """``rows`` by node in the order given; ``findings`` one line each, none when all is well."""

    rows: list[dict[str, Any]]
    findings: list[str]
    served: int  # slots

    def plain(self) -> dict[str, Any]:
        """As modules return it."""
        return {
            "nodes": self.rows,
            "findings": self.findings,
            "healthy": not self.findings,
            "slots": self.served,
            "masters": sum(row["role"] == "master" and row["slot_count"] > 0 for row in self.rows),
            "replicas": sum(row["role"] == "replica" for row in self.rows),
        }

    def serving(self, names: Collection[str]) -> bool:
        """Whether one of these nodes is a master with slots."""
        return any(row["role"] == "master" and row["slot_count"] and row["name"] in names for row in self.rows)

    def table(self) -> list[str]:
        """The rows as lines of text in columns."""
        cells = [list(COLUMNS), *(_cells(row) for row in self.rows)]
        widths = [max(len(line[index]) for line in cells) for index in range(len(COLUMNS))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]  # noqa: B905


def health(said: Sequence[Said], masters: int | None, replicas: int | None) -> Health:
    """What is to be said about these nodes, when so many masters and replicas of each were wanted."""
    rows = [_row(one, said) for one in said]
    answered = {one.view.id for one in said if one.view}
    # Each node is believed about itself: what the others know of it may be out of date.
    served = {
        slot
        for one in said
        if one.view
        for member in one.view.members.values()
        if member.id == one.view.id or (member.id not in answered and not member.failed)
        for slot in member.slots
    }
    findings = [
        *_reachable(said),
        *_served(served),
        *_membership(said),
        *_states(said),
        *_counts(rows, masters, replicas),
        *(finding for row in rows for finding in _of_row(row)),
        *_zones(rows),
        *_versions(rows),
    ]
    return Health(rows, findings, len(served))


def _row(one: Said, said: Sequence[Said]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": one.node.name, "address": one.node.address, "zone": one.node.zone}
    if one.view is None:
        return {**row, "role": "unreachable", "slots": "", "slot_count": 0}
    get = one.info.get
    master = next((other for other in said if other.view and other.view.id == one.view.me.master), None)
    slots = one.view.me.slots
    row.update(
        role="replica" if "slave" in one.view.me.flags else "master",
        of=master.node.name if master else None,
        of_zone=master.node.zone if master else None,
        slots=to_text(slots),
        slot_count=len(slots),
        keys=one.view.keys,
        memory_bytes=int(get("used_memory", "0")),
        memory_limit_bytes=int(get("maxmemory", "0")),
        link=get("master_link_status"),
        copying=get("master_sync_in_progress") == "1",
        lag_bytes=_lag(one, master),
        appendonly=get("aof_enabled") == "1",
        persistence_ok=get("aof_last_write_status", "ok") == "ok" and get("rdb_last_bgsave_status", "ok") == "ok",
        unsaved_changes=int(get("rdb_changes_since_last_save", "0")),
        uptime_seconds=int(get("uptime_in_seconds", "0")),
        version=get("redis_version", ""),
    )
    return row


def _lag(one: Said, master: Said | None) -> int | None:
    """Bytes of the master's stream that the replica has not; the master must have been asked before it."""
    if master is None or "slave_repl_offset" not in one.info or "master_repl_offset" not in master.info:
        return None
    return max(0, int(master.info["master_repl_offset"]) - int(one.info["slave_repl_offset"]))


def _reachable(said: Sequence[Said]) -> Iterator[str]:
    return (f"{one.node.name} does not answer: {one.error}" for one in said if one.view is None)


def _served(served: set[int]) -> Iterator[str]:
    if len(served) < SLOTS:
        yield f"{SLOTS - len(served)} slots are served by no node: {to_text(set(range(SLOTS)) - served)}"


def _membership(said: Sequence[Said]) -> Iterator[str]:
    names = {one.view.id: one.node.name for one in said if one.view}
    alone = {one.view.id for one in said if one.view and len(one.view.members) == 1}
    failed: dict[str, str] = {}
    for one in said:
        if one.view is None:
            continue
        unknown = [name for other, name in names.items() if other not in one.view.members and other not in alone]
        if one.view.id in alone:
            yield f"{one.node.name} is in no cluster"
        elif unknown:
            yield f"{one.node.name} does not know {', '.join(unknown)}"
        for member in one.view.members.values():
            if member.failed:
                failed[member.id] = names.get(member.id, member.label)
    yield from (f"The cluster counts {name} as failed" for name in failed.values())


def _states(said: Sequence[Said]) -> Iterator[str]:
    return (f"{one.node.name} says that the cluster is {one.state}" for one in said if one.view and one.state != "ok")


def _counts(rows: Sequence[Mapping[str, Any]], masters: int | None, replicas: int | None) -> Iterator[str]:
    serving = [row["name"] for row in rows if row["role"] == "master" and row["slot_count"]]
    if masters is not None and len(serving) != masters:
        yield f"{len(serving)} masters serve slots; {masters} wanted"
    if replicas is not None:
        copies = Counter(row["of"] for row in rows if row["role"] == "replica" and row["link"] == "up")
        for name in serving:
            if copies[name] < replicas:
                yield f"{name} has {copies[name]} replicas in step; {replicas} wanted"


def _of_row(row: Mapping[str, Any]) -> Iterator[str]:
    if row["role"] == "unreachable":
        return
    name = row["name"]
    if row["role"] == "replica":
        if row["link"] != "up":
            yield f"{name} has lost its master {row['of'] or '(unknown)'}"
        if (row["lag_bytes"] or 0) > LAG_BYTES:
            yield f"{name} is {row['lag_bytes']} bytes behind its master {row['of']}"
    elif not row["slot_count"]:
        yield f"{name} is a master without slots"
    if not row["persistence_ok"]:
        yield f"{name} cannot save its data to disk"
    if row["memory_limit_bytes"] and row["memory_bytes"] > MEMORY_FULL * row["memory_limit_bytes"]:
        yield f"{name} uses {100 * row['memory_bytes'] // row['memory_limit_bytes']} % of its memory"


def _zones(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Shards that would be lost with one zone. A copy in the master's zone is no harm where another is elsewhere."""
    for row in rows:
        zones = [other["zone"] for other in rows if other["role"] == "replica" and other["of"] == row["name"]]
        if zones and set(zones) == {row["zone"]}:
            yield f"{row['name']} has no replica outside its zone {row['zone']}"


def _versions(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    versions = sorted({row["version"] for row in rows if row.get("version")})
    if len(versions) > 1:
        yield f"The nodes run different versions: {', '.join(versions)}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    if row["role"] == "unreachable":
        return [row["name"], row["zone"], row["role"], *[""] * (len(COLUMNS) - 3)]
    saved = ("aof" if row["appendonly"] else "rdb") if row["persistence_ok"] else "FAILS"
    memory = f"{row['memory_bytes'] / 2**20:.0f}/{row['memory_limit_bytes'] / 2**20:.0f} MiB"
    lag = "" if row["lag_bytes"] is None else f"{row['lag_bytes']} B" if row["link"] == "up" else "no link"
    texts = (row["name"], row["zone"], row["role"], row["of"] or "", row["slots"], row["keys"], memory, lag, saved)
    return [str(text) for text in (*texts, _age(row["uptime_seconds"]), row["version"])]


def _age(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
