# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is master, and who follows whom: no replica in the zone of its master. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node

LEAST = 3  # fewer masters cannot agree that one of them is down


def check(nodes: Sequence[Node], masters: int, replicas: int) -> None:
    """Raise :class:`Invalid` when these nodes cannot be such a cluster, whatever the zones."""
    if masters < LEAST:
        raise Invalid(f"A Redis cluster needs at least {LEAST} masters to survive the loss of one; {masters} wanted")
    if replicas < 0:
        raise Invalid(f"The number of replicas of a master cannot be negative; {replicas} wanted")
    need = masters * (1 + replicas)
    if len(nodes) != need:
        raise Invalid(f"{masters} masters with {replicas} replicas each are {need} nodes; {len(nodes)} given")
    twice = [address for address, count in Counter(node.address for node in nodes).items() if count > 1]
    if twice:
        raise Invalid(f"The node {twice[0]} is given twice")
    zones: dict[str, str] = {}
    for node in nodes:
        if zones.setdefault(node.host, node.zone) != node.zone:
            raise Invalid(f"The host {node.host} is given with two zones: {zones[node.host]} and {node.zone}")


def layout(nodes: Sequence[Node], masters: int, replicas: int) -> dict[Node, list[Node]]:
    """Replicas by master, masters in the order in which they get their slots. The same input gives the same layout."""
    chosen = _masters(nodes, masters, replicas)
    rest = [node for node in nodes if node not in chosen]
    pairs = match(chosen, rest, replicas, {})
    if len(pairs) != masters * replicas:
        raise _impossible(nodes, masters, replicas)
    return {master: [node for node in rest if pairs[node] == master] for master in chosen}


def match(masters: Sequence[Node], nodes: Sequence[Node], replicas: int, now: Mapping[Node, Node]) -> dict[Node, Node]:
    """The master of each node: as many as can be outside their master's zone, ``replicas`` to a master at most.

    Who follows a master in another zone ``now`` stays there, unless nobody else could fill a place. Maximum bipartite
    matching by augmenting paths.
    """
    places = [(master, copy) for copy in range(replicas) for master in masters]
    taken: dict[tuple[Node, int], Node] = {}
    for node in nodes:
        free = [place for place in places if place[0] == now.get(node) and place not in taken]
        if free and node.zone != free[0][0].zone:
            taken[free[0]] = node
    for node in nodes:
        if node not in taken.values():
            _seat(node, places, taken, set())
    return {node: place[0] for place, node in taken.items()}


def _seat(
    node: Node, places: Sequence[tuple[Node, int]], taken: dict[tuple[Node, int], Node], tried: set[tuple[Node, int]]
) -> bool:
    open_places = [place for place in places if place[0].zone != node.zone]
    for place in sorted(open_places, key=lambda place: place in taken):
        if place in tried:
            continue
        tried.add(place)
        if place not in taken or _seat(taken[place], places, taken, tried):
            taken[place] = node
            return True
    return False


def _masters(nodes: Sequence[Node], masters: int, replicas: int) -> list[Node]:
    """Masters spread over zones, then over hosts, such that enough nodes are left outside each one's zone."""
    size = Counter(node.zone for node in nodes)
    most = {zone: _most(count, len(nodes) - masters, replicas) for zone, count in size.items()}
    chosen: list[Node] = []
    while len(chosen) < masters:
        used = Counter(node.zone for node in chosen)
        zones = [zone for zone in size if used[zone] < most[zone]]
        if not zones:
            raise _impossible(nodes, masters, replicas)
        zone = min(zones, key=lambda zone: (used[zone], -size[zone]))
        hosts = Counter(node.host for node in chosen)
        free = [node for node in nodes if node.zone == zone and node not in chosen]
        chosen.append(min(free, key=lambda node: hosts[node.host]))
    return chosen


def _most(size: int, others: int, replicas: int) -> int:
    """How many of a zone's ``size`` nodes can be masters, when ``others`` nodes of all zones become replicas.

    Their replicas must be found among the replicas outside the zone (Hall's condition; it is sufficient, because
    masters of two zones can between them take replicas of every zone).
    """
    fits = (count for count in range(size, 0, -1) if replicas * count <= others - (size - count))
    return next(fits, 0)


def _impossible(nodes: Sequence[Node], masters: int, replicas: int) -> Invalid:
    zones = ", ".join(f"{count} in {zone}" for zone, count in sorted(Counter(node.zone for node in nodes).items()))
    return Invalid(
        f"{masters} masters with {replicas} replicas each cannot be placed so that no replica is in the zone of its"
        f" master: {zones}; spread the nodes evenly over two zones or more"
    )
