"""A cluster of Redis nodes on paper: enough to carry out a plan and to say what each node would say afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_plan import Plan
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Member, Node, View


def node(name: str, zone: str, host: str = "", port: int = 6379) -> Node:
    return Node(host or name, port, zone, name)


@dataclass
class Instance:
    """One server: what it serves and whom it follows."""

    node: Node
    slots: frozenset[int] = frozenset()
    master: str | None = None
    knows: set[str] = field(default_factory=set)
    keys: int = 0
    failed: bool = False

    @property
    def id(self) -> str:
        return f"id-{self.node.name}"


class Paper:
    """All servers, those that nobody lists too."""

    def __init__(self, nodes: list[Node]) -> None:
        self.servers = {one.name: Instance(one) for one in nodes}
        for server in self.servers.values():
            server.knows.add(server.id)

    def views(self, nodes: list[Node]) -> list[View]:
        return [self._view(self.servers[one.name]) for one in nodes]

    def apply(self, plan: Plan) -> None:
        if plan.meet:
            circle = {self.servers[one.name].id for one in (plan.host, *plan.meet)}
            circle |= self.servers[plan.host.name].knows
            for server in self.servers.values():
                if server.id in circle:
                    server.knows |= circle
        for one, slots in plan.slots.items():
            self.servers[one.name].slots |= slots
        for member in plan.forget:
            for server in self.servers.values():
                server.knows.discard(member.id)
        for heir, master in plan.promote.items():
            self.fail_over(master.name, heir.name)
        for one, master in plan.follow.items():
            self.servers[one.name].master = self.servers[master.name].id

    def fail_over(self, name: str, heir: str) -> None:
        """``heir`` takes over from ``name``, which comes back as its replica."""
        old, new = self.servers[name], self.servers[heir]
        new.slots, new.master, old.slots = old.slots, None, frozenset()
        for server in self.servers.values():
            if server.master == old.id:
                server.master = new.id
        old.master = new.id

    def _view(self, server: Instance) -> View:
        by_id = {one.id: one for one in self.servers.values()}
        members = {
            one: Member(
                one,
                by_id[one].node.address,
                frozenset(
                    [("slave" if by_id[one].master else "master")]
                    + (["myself"] if one == server.id else [])
                    + (["fail"] if by_id[one].failed else [])
                ),
                by_id[one].master,
                True,
                by_id[one].slots,
            )
            for one in server.knows
        }
        return View(server.node, server.id, members, server.keys)
