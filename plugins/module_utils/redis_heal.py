# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mend a cluster whose nodes run: wait for what mends itself, then slots, then who follows whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_health import Health, Said, health
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_mend import Gift, Mend, Takeover, mend, unserved
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_plan import Plan, plan
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_probe import asked, watch
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_wire import Refused
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until


@dataclass(frozen=True)
class Wanted:
    """What the cluster is to be, and what may be done for it. ``complete``: what is not listed is surely dead."""

    masters: int
    replicas: int
    complete: bool = False
    accept_loss: bool = False


@dataclass
class Told:
    """Lines for people. ``restart``: names of replicas that stay without their master, though it answers."""

    found: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)


def heal(cluster: Cluster, wanted: Wanted, settle: float, *, check: bool) -> Told:
    """Mend the cluster, or with ``check`` say what would be done. ``settle``: seconds in which it may mend itself."""
    told = Told()
    first = watch(cluster, wanted.masters, wanted.replicas, 0 if check else settle)
    told.found = first.findings
    if not first.findings:
        return told
    said = asked(cluster)
    steps = mend(said, _keys(cluster, said), complete=wanted.complete, accept_loss=wanted.accept_loss)
    told.did += steps.did
    told.left += steps.left
    if steps and not check:
        _apply(cluster, said, steps)
        said = asked(cluster)
    _arrange(cluster, wanted, told, said, mended=not steps or not check, check=check)
    told.restart = _cut_off(health(said if check else asked(cluster), wanted.masters, wanted.replicas))
    return told


def _keys(cluster: Cluster, said: Sequence[Said]) -> dict[Node, frozenset[int]]:
    """Which of the slots that nobody serves have keys, by node. Without such slots nobody is asked."""
    slots = sorted(unserved(said))
    nodes = [one.node for one in said if one.view and slots]
    counts = {node: cluster.ask(node, *(("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in slots)) for node in nodes}
    return {
        node: frozenset(slot for slot, count in zip(slots, answers) if count)  # noqa: B905 (hosts may have Python 3.9)
        for node, answers in counts.items()
    }


def _apply(cluster: Cluster, said: Sequence[Said], steps: Mend) -> None:
    for takeover in steps.takeovers:
        _take_over(cluster, takeover)
    for gift in steps.gifts:
        _introduce(cluster, said, gift.node)
        _give(cluster, gift)
    if steps.gifts:
        wait_until(
            lambda: asked(cluster),
            lambda now: all(_believed(gift, now) for gift in steps.gifts),
            "the nodes to agree on who serves which slots",
            cluster.timeout,
        )


def _take_over(cluster: Cluster, takeover: Takeover) -> None:
    cluster.ask(takeover.heir, ("CLUSTER", "FAILOVER", "FORCE" if takeover.vote else "TAKEOVER"))
    wait_until(
        lambda: cluster.view(takeover.heir),
        lambda view: view.me.slots >= takeover.of.slots,
        f"{takeover.heir.name} to take over",
        cluster.timeout,
    )


def _introduce(cluster: Cluster, said: Sequence[Said], node: Node) -> None:
    """A node that is new must be known to the others before they believe that it serves anything."""
    host = next(one.node for one in said if one.view and (one.view.me.slots or one.view.me.master))
    view = cluster.view(node)
    if view.id in cluster.view(host).members:
        return
    cluster.ask(host, ("CLUSTER", "MEET", node.host, node.port))
    wait_until(
        lambda: cluster.view(host).members.get(view.id),
        lambda member: member is not None and member.known,
        f"{node.name} to be known in the cluster",
        cluster.timeout,
    )


def _give(cluster: Cluster, gift: Gift) -> None:
    """As ``redis-cli --cluster fix`` does it: a new epoch makes the others believe the new owner."""
    for slot in sorted(gift.slots):
        try:
            cluster.ask(gift.node, ("CLUSTER", "DELSLOTS", slot))
        except Refused as refusal:
            if "already unassigned" not in refusal.text:
                raise
    cluster.ask(gift.node, ("CLUSTER", "ADDSLOTS", *sorted(gift.slots)), ("CLUSTER", "BUMPEPOCH"))


def _believed(gift: Gift, said: Sequence[Said]) -> bool:
    views = [one.view for one in said if one.view]
    owner = next((view.id for view in views if view.node == gift.node), "")
    return all(owner in view.members and view.members[owner].slots >= gift.slots for view in views)


def _arrange(cluster: Cluster, wanted: Wanted, told: Told, said: Sequence[Said], *, mended: bool, check: bool) -> None:
    """Who belongs to the cluster, and who follows whom."""
    silent = [one.node.name for one in said if one.view is None]
    if silent:
        told.left.append(f"Who follows whom is left alone: {', '.join(silent)} does not answer")
        return
    if not mended:
        return
    try:
        todo = plan(cluster.views() if check else cluster.settled(), wanted.masters, wanted.replicas)
    except Error as error:
        told.left.append(f"Who follows whom is left alone: {error}")
        return
    told.did += _steps(todo)
    told.left += todo.warnings
    if todo.change and not check:
        cluster.apply(todo)


def _steps(todo: Plan) -> list[str]:
    return [
        *(f"{node.name} joins the cluster" for node in todo.meet),
        *(f"the cluster forgets {member.label}, which has failed" for member in todo.forget),
        *(f"{heir.name} takes over from {master.name}" for heir, master in todo.promote.items()),
        *(f"{node.name} follows {master.name}" for node, master in todo.follow.items()),
    ]


def _cut_off(seen: Health) -> list[str]:
    """Replicas without a link to a master that answers, and that are not copying it just now."""
    up = {row["name"] for row in seen.rows if row["role"] == "master"}
    return [
        row["name"]
        for row in seen.rows
        if row["role"] == "replica" and row["link"] != "up" and not row["copying"] and row["of"] in up
    ]
