# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the nodes say to the steps that make them the wanted cluster. Pure: reads nothing, changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_layout import check, layout, match
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import SLOTS, share, to_text
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Member, Node, View


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order; ``change`` is the same for people to read."""

    change: Change
    host: Node  # is in the cluster, and introduces the others
    meet: tuple[Node, ...]  # nodes that are not in the cluster
    slots: Mapping[Node, frozenset[int]]  # slots to be given out
    promote: Mapping[Node, Node]  # replica: the master whose slots it takes over, and which then follows it
    follow: Mapping[Node, Node]  # replica: its master to be
    forget: tuple[Member, ...]  # failed members that nobody asked for
    warnings: tuple[str, ...]

    @property
    def epochs(self) -> Mapping[Node, int]:
        """Distinct configuration epochs for masters that never met anybody, so that they need not settle who wins."""
        return {node: number for number, node in enumerate(self.slots, 1)}


def plan(views: Sequence[View], masters: int, replicas: int) -> Plan:
    """The plan for the nodes that ``views`` are of, which are all the nodes that are wanted."""
    nodes = [view.node for view in views]
    check(nodes, masters, replicas)
    cluster = _cluster(views)
    _refuse_keys(views, cluster)
    goal = _goal(views, cluster, masters, replicas)
    now = _after(goal.promote, _followed(views))
    known = _acquainted(views)
    gone = _gone(views, cluster)
    return Plan(
        change=Change(_shown(views, gone), _wanted(goal)),
        meet=tuple(view.node for view in views if view.id not in known),
        host=next(view.node for view in views if view.id in known),
        slots=goal.give,
        promote=goal.promote,
        follow={node: master for node, master in goal.masters.items() if now.get(node) != master},
        forget=gone,
        warnings=goal.warnings,
    )


@dataclass(frozen=True)
class _Goal:
    slots: Mapping[Node, frozenset[int]]
    masters: Mapping[Node, Node]
    give: Mapping[Node, frozenset[int]]
    promote: Mapping[Node, Node]
    warnings: tuple[str, ...] = ()


def _goal(views: Sequence[View], cluster: Sequence[View], masters: int, replicas: int) -> _Goal:
    served = _served(cluster)
    if len(served) < SLOTS:
        return _create(views, served, masters, replicas)
    return _keep(views, cluster, masters, replicas)


def _create(views: Sequence[View], served: Mapping[int, str], masters: int, replicas: int) -> _Goal:
    """A new cluster, or one whose creation was interrupted.

    Then what is given out already is where it belongs, nobody follows anybody, and there are no keys: all slots are
    given out before the first replica follows. In all other cases slots were served and are lost.
    """
    wanted = layout([view.node for view in views], masters, replicas)
    shares = share(masters)
    slots = {node: shares[number] for number, node in enumerate(wanted)}
    owners = {view.id: view.node for view in views}
    used = served and any(view.me.master or view.keys for view in views)
    if used or any(owner not in owners or slot not in slots.get(owners[owner], ()) for slot, owner in served.items()):
        lost = to_text(set(range(SLOTS)) - set(served))
        raise Invalid(
            f"No node serves the slots {lost}: their keys may be lost. Restore the node that served them, or give the"
            " slots to another one with 'redis-cli --cluster fix'; this is not done unasked"
        )
    held = {view.node: view.me.slots for view in views}
    give = {node: lack for node, wants in slots.items() if (lack := wants - held[node])}
    return _Goal(slots, {node: master for master, copies in wanted.items() for node in copies}, give, {})


def _keep(views: Sequence[View], cluster: Sequence[View], masters: int, replicas: int) -> _Goal:
    """A cluster that serves all slots: replicas follow from another zone.

    Masters stay who they are, unless failovers have left too many of them in one zone for that.
    """
    owners = _owners(views, cluster)
    if len(owners) != masters:
        raise Invalid(
            f"The cluster has {len(owners)} masters with slots and {masters} are wanted: move slots with"
            " 'redis-cli --cluster reshard' first, this is not done unasked"
        )
    nodes = [view.node for view in views]
    promote = _spread(owners, nodes, replicas, _followed(views))
    heirs = {master: heir for heir, master in promote.items()}
    owners = [heirs.get(owner, owner) for owner in owners]
    rest = [node for node in nodes if node not in owners]
    now = _after(promote, _followed(views))
    pairs = match(owners, rest, replicas, now)
    count = Counter(pairs.values())
    warnings = []
    for node in rest:
        if node not in pairs:
            fewest = min(owners, key=lambda master: (count[master], master != now.get(node)))
            pairs[node] = fewest
            count[fewest] += 1
            warnings.append(f"{node.name} follows {fewest.name} in its own zone {node.zone}: no other place is left")
    slots = {heirs.get(view.node, view.node): view.me.slots for view in views if view.me.slots}
    return _Goal(slots, pairs, {}, promote, tuple(warnings))


def _spread(owners: Sequence[Node], nodes: Sequence[Node], replicas: int, now: Mapping[Node, Node]) -> dict[Node, Node]:
    """Replicas to be made masters, by the master whose slots they take, so that more replicas find a place."""
    promote: dict[Node, Node] = {}

    def places(more: Mapping[Node, Node]) -> int:
        heirs = {master: heir for heir, master in more.items()}
        masters = [heirs.get(owner, owner) for owner in owners]
        return len(match(masters, [node for node in nodes if node not in masters], replicas, _after(more, now)))

    while places(promote) < len(nodes) - len(owners):
        moves = [
            {**promote, heir: master}
            for heir, master in now.items()
            if heir.zone != master.zone and master not in promote.values()
        ]
        best = max(moves, key=places, default=promote)
        if places(best) <= places(promote):
            break
        promote = best
    return promote


def _followed(views: Sequence[View]) -> dict[Node, Node]:
    return {view.node: master for view in views if (master := _master(view, views)) is not None}


def _after(promote: Mapping[Node, Node], now: Mapping[Node, Node]) -> dict[Node, Node]:
    """Who follows whom once these replicas have taken over, each followed by its old master and that one's replicas."""
    heirs = {master: heir for heir, master in promote.items()}
    later = {node: heirs.get(master, master) for node, master in now.items() if node not in promote}
    return {**later, **heirs}


def _owners(views: Sequence[View], cluster: Sequence[View]) -> list[Node]:
    nodes = {view.id: view.node for view in views}
    for member in cluster[0].members.values():
        if member.slots and member.id not in nodes:
            state = "has failed without a replica" if member.failed else "is not among the nodes given"
            raise Invalid(
                f"{member.address} serves the slots {to_text(member.slots)} and {state}: move its slots first"
            )
    return [nodes[view.id] for view in views if cluster[0].members.get(view.id) and cluster[0].members[view.id].slots]


def _cluster(views: Sequence[View]) -> Sequence[View]:
    """The nodes that share a cluster with slots, or none."""
    holding = [view for view in views if any(member.slots for member in view.members.values())]
    for view in holding[1:]:
        if view.id not in holding[0].members:
            raise Invalid(
                f"{holding[0].node.name} and {view.node.name} are in two different clusters that both serve slots;"
                " take one of them out of the list"
            )
    return holding


def _refuse_keys(views: Sequence[View], cluster: Sequence[View]) -> None:
    inside = {member for view in cluster for member in view.members}
    for view in views:
        if view.keys and view.id not in inside:
            raise Invalid(f"{view.node.name} holds {view.keys} keys and is in no cluster: empty it, or do not list it")


def _served(cluster: Sequence[View]) -> dict[int, str]:
    return {slot: member.id for view in cluster for member in view.members.values() for slot in member.slots}


def _master(view: View, views: Sequence[View]) -> Node | None:
    return next((other.node for other in views if other.id == view.me.master), None)


def _acquainted(views: Sequence[View]) -> set[str]:
    """Ids of the nodes that the first one with slots (or the first at all) knows, and that know it."""
    first = next((view for view in views if any(member.slots for member in view.members.values())), views[0])
    return {view.id for view in views if _knows(first, view) and _knows(view, first)}


def _knows(view: View, other: View) -> bool:
    member = view.members.get(other.id)
    return member is not None and member.known


def _gone(views: Sequence[View], cluster: Sequence[View]) -> tuple[Member, ...]:
    ids = {view.id for view in views}
    found = {
        member.id: member
        for view in cluster
        for member in view.members.values()
        if member.failed and not member.slots and member.id not in ids
    }
    return tuple(found.values())


def _shown(views: Sequence[View], gone: Sequence[Member]) -> dict[str, Any]:
    shown = {member.address: {"role": "gone"} for member in gone}
    acquainted = _acquainted(views)
    for view in views:
        master = _master(view, views)
        if view.id not in acquainted or len(view.members) == 1:
            shown[view.node.address] = {"role": "alone"}
        elif master:
            shown[view.node.address] = _replica(view.node, master)
        else:
            shown[view.node.address] = _serving(view.node, view.me.slots)
    return shown


def _wanted(goal: _Goal) -> dict[str, Any]:
    served = {node.address: _serving(node, slots) for node, slots in goal.slots.items()}
    return {**served, **{node.address: _replica(node, master) for node, master in goal.masters.items()}}


def _serving(node: Node, slots: frozenset[int]) -> dict[str, str]:
    return {"role": "master", "slots": to_text(slots), "zone": node.zone}


def _replica(node: Node, master: Node) -> dict[str, str]:
    return {"role": "replica", "of": master.address, "zone": node.zone}
