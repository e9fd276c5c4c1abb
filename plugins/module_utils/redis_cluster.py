# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the nodes of a cluster say, and carry out a plan on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_plan import Plan
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Member, Node, View, info, members, myself
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_wire import Connection, Lost, Refused, Word
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until

T = TypeVar("T")

AT_ONCE = 32  # nodes spoken to side by side
MESH = 20  # up to so many nodes each is introduced to each: gossip alone takes seconds longer


class Cluster:
    """Connections to the nodes of one cluster, opened when first used. Use it in a ``with``."""

    def __init__(self, nodes: Sequence[Node], password: str | None, timeout: float) -> None:
        self.nodes = nodes
        self.timeout = timeout
        self._password = password
        self._open: dict[Node, Connection] = {}

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open.values():
            connection.close()

    def ask(self, node: Node, *commands: Sequence[Word]) -> list[Any]:
        """The answers to some commands of one node; raises the first refusal."""
        try:
            if node not in self._open:
                self._open[node] = Connection(node.host, node.port, self._password)
            answers = self._open[node].pipeline(commands)
        except Lost:
            broken = self._open.pop(node, None)
            if broken:
                broken.close()
            raise
        for answer in answers:
            if isinstance(answer, Refused):
                raise answer
        return answers

    def each(self, work: Callable[[Node], T]) -> dict[Node, T]:
        """Do the same for all nodes at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(pool.map(lambda node: (node, work(node)), self.nodes))

    def views(self) -> list[View]:
        """What every node sees now."""
        return list(self.each(self.view).values())

    def ready(self) -> None:
        """Wait until every node has read its data from disk."""
        self._wait(
            lambda: self.each(self._loading),
            lambda loading: not any(loading.values()),
            "the nodes to load their data",
        )

    def settled(self) -> list[View]:
        """What every node sees, once those that know each other agree on who serves which slots."""
        return self._wait(self.views, _agree, "the nodes to agree on who serves which slots")

    def apply(self, plan: Plan) -> None:
        """Carry out a plan, and wait until all nodes see it done."""
        self._number(plan.epochs)
        self._meet(plan)
        for node, slots in plan.slots.items():
            self.ask(node, ("CLUSTER", "ADDSLOTS", *sorted(slots)))
        self._forget(plan.forget)
        for heir, master in plan.promote.items():
            self.hand_over(master, heir)
        self._follow(plan.follow)
        self._wait(lambda: self.each(self._state), _all_ok, "the cluster to be ok")
        self.settled()

    def heir(self, node: Node) -> tuple[bool, Node | None]:
        """Whether a node serves slots, and the replica in step that can take them, if there is one."""
        views = self.settled()
        own = next(view for view in views if view.node == node)
        followers = [view.node for view in views if view.me.master == own.id] if own.me.slots else []
        steady = (one for one in followers if self.replication(one).get("master_link_status") == "up")
        return bool(own.me.slots), next(steady, None)

    def hand_over(self, node: Node, heir: Node) -> None:
        """Let ``heir`` take the slots of ``node``, and wait until all nodes see it."""
        self.ask(heir, ("CLUSTER", "FAILOVER"))
        self._wait(
            lambda: self.view(node), lambda view: not view.me.slots, f"{heir.name} to take over from {node.name}"
        )
        self.settled()

    def replication(self, node: Node) -> dict[str, str]:
        """INFO replication of a node."""
        return info(self.ask(node, ("INFO", "replication"))[0])

    def view(self, node: Node) -> View:
        """What one node sees now."""
        text, keys = self.ask(node, ("CLUSTER", "NODES"), ("DBSIZE",))
        seen = members(text)
        return View(node, myself(seen), seen, keys)

    def _state(self, node: Node) -> str:
        return info(self.ask(node, ("CLUSTER", "INFO"))[0])["cluster_state"]

    def _loading(self, node: Node) -> bool:
        return info(self.ask(node, ("INFO", "persistence"))[0])["loading"] != "0"

    def _number(self, epochs: Mapping[Node, int]) -> None:
        for node, epoch in epochs.items():
            try:
                self.ask(node, ("CLUSTER", "SET-CONFIG-EPOCH", epoch))
            except Refused:
                continue  # numbered before, or it knows others already: then they settle it among themselves

    def _meet(self, plan: Plan) -> None:
        hosts = [plan.host, *plan.meet] if len(self.nodes) <= MESH else [plan.host]
        for number, host in enumerate(hosts):
            for node in plan.meet[number:]:
                self.ask(host, ("CLUSTER", "MEET", node.host, node.port))
        if plan.meet:
            self._wait(self.views, _acquainted, "the nodes to know each other")

    def _follow(self, pairs: Mapping[Node, Node]) -> None:
        if not pairs:
            return
        ids = {view.node: view.id for view in self.views()}
        for node, master in pairs.items():
            self.ask(node, ("CLUSTER", "REPLICATE", ids[master]))
        self._wait(
            lambda: self.each(self.replication),
            lambda seen: all(seen[node].get("master_link_status") == "up" for node in pairs),
            "the replicas to copy their masters",
        )

    def _forget(self, gone: Sequence[Member]) -> None:
        for member in gone:
            self.each(lambda node, member=member: self._forget_on(node, member))  # type: ignore[misc]

    def _forget_on(self, node: Node, member: Member) -> None:
        try:
            self.ask(node, ("CLUSTER", "FORGET", member.id))
        except Refused as refusal:
            if "Unknown node" not in refusal.text:
                raise

    def _wait(self, poll: Callable[[], T], done: Callable[[T], bool], what: str) -> T:
        return wait_until(poll, done, what, self.timeout)


def _all_ok(states: Mapping[Node, str]) -> bool:
    return set(states.values()) == {"ok"}


def _acquainted(views: Sequence[View]) -> bool:
    ids = {view.id for view in views}
    return all(ids <= {member.id for member in view.members.values() if member.known} for view in views)


def _agree(views: Sequence[View]) -> bool:
    """Whether nodes that know each other tell the same about each other's slots and masters."""
    return all(
        view.members[other.id].slots == other.me.slots and view.members[other.id].master == other.me.master
        for view in views
        for other in views
        if other.id in view.members and view.members[other.id].known
    )
