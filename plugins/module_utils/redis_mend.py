# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be mended between the nodes of a cluster without losing a key, and what cannot. Pure.

Where nodes follow whom is not decided here but in the plan of the cluster: this is about slots that nobody serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_health import Said
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import SLOTS, to_text
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Member, Node, View


@dataclass(frozen=True)
class Takeover:
    """A replica is to take the slots of its master, which has failed: by a vote of the other masters, or without."""

    heir: Node
    of: Member
    vote: bool

    @property
    def text(self) -> str:
        """What is done, for people."""
        how = "by a vote of the other masters" if self.vote else "without a vote, as the host is gone"
        return f"{self.heir.name} takes over the slots {to_text(self.of.slots)} of {self.of.label} {how}"


@dataclass(frozen=True)
class Gift:
    """Slots that nobody serves are given to a node."""

    node: Node
    slots: frozenset[int]
    why: str

    @property
    def text(self) -> str:
        """What is done, for people."""
        return f"{self.node.name} serves the slots {to_text(self.slots)}: {self.why}"


@dataclass
class Mend:
    """The steps, and what is left as it is (one line each, with the reason)."""

    takeovers: list[Takeover] = field(default_factory=list)
    gifts: list[Gift] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.takeovers or self.gifts)

    @property
    def did(self) -> list[str]:
        """The steps, for people."""
        return [step.text for step in self.takeovers] + [step.text for step in self.gifts]


def unserved(said: Sequence[Said]) -> frozenset[int]:
    """Slots that no node has: each node that answers is believed about itself, the others are looked up."""
    return frozenset(range(SLOTS)) - _mine(said) - {slot for member in _silent(said) for slot in member.slots}


def mend(said: Sequence[Said], keys: Mapping[Node, frozenset[int]], *, complete: bool, accept_loss: bool) -> Mend:
    """The steps for what the nodes say.

    ``keys``: for each node the slots out of :func:`unserved` of which it holds keys. ``complete``: what is not listed
    is surely dead, because its host is no more. ``accept_loss``: serve slots again whose keys are lost.
    """
    found = Mend()
    mine = _mine(said)
    listed = {one.node.address for one in said}
    for member in _silent(said):
        lost = member.slots - mine
        if lost and member.failed:
            _after_loss(found, said, member, complete and member.address not in listed, accept_loss)
    if free := unserved(said):
        _unassigned(found, said, free, keys)
    return found


def _after_loss(found: Mend, said: Sequence[Said], member: Member, gone: bool, accept_loss: bool) -> None:
    replicas = [one for one in said if one.view and one.view.me.master == member.id]
    lost = f"The slots {to_text(member.slots)} of {member.label}"
    vote = _majority(said)
    if replicas and (vote or gone):
        heir = max(replicas, key=lambda one: int(one.info.get("slave_repl_offset", "0")))
        found.takeovers.append(Takeover(heir.node, member, vote))
    elif replicas:
        found.left.append(
            f"{lost} are left alone: most masters are down, and nobody can tell whether they serve others. Bring them"
            " back"
        )
    elif not gone:
        found.left.append(f"{lost} are left alone: it has no replica that answers, and its host is still there")
    elif not accept_loss:
        found.left.append(
            f"{lost} are left alone: it is gone with all its replicas, and so are their keys. Restore them from a"
            " backup, or serve the slots empty with redis_cluster_heal_accept_loss=true"
        )
    elif heir_view := _empty(said, found.gifts):
        why = f"those of {member.label}, whose keys are lost"
        found.gifts.append(Gift(heir_view.node, member.slots, why))
    else:
        found.left.append(f"{lost} are left alone: no node is empty that could take them")


def _unassigned(found: Mend, said: Sequence[Said], free: frozenset[int], keys: Mapping[Node, frozenset[int]]) -> None:
    if silent := [one.node.name for one in said if one.view is None]:
        found.left.append(
            f"The slots {to_text(free)} are left alone: {', '.join(silent)} may have them, and does not answer"
        )
        return
    masters = [one.view for one in said if one.view and one.view.me.master is None]
    serving = [view for view in masters if view.me.slots]
    given: dict[tuple[Node, str], set[int]] = {}
    unclear: dict[str, set[int]] = {}
    for slot in sorted(free):
        holders = [view.node for view in masters if slot in keys.get(view.node, ())]
        known = _known(slot, masters)
        if len(holders) > 1:
            unclear.setdefault(" and ".join(node.name for node in holders), set()).add(slot)
        elif holders:
            given.setdefault((holders[0], "it holds their keys"), set()).add(slot)
        elif known:
            given.setdefault((known, "the others know them as its own"), set()).add(slot)
        elif serving:
            given.setdefault((_beside(slot, serving), "nobody has them, and it has those beside them"), set()).add(slot)
    found.gifts += [Gift(node, frozenset(slots), why) for (node, why), slots in given.items()]
    found.left += [
        f"The slots {to_text(slots)} are left alone: {names} both hold keys of them" for names, slots in unclear.items()
    ]


def _mine(said: Sequence[Said]) -> frozenset[int]:
    return frozenset(slot for one in said if one.view for slot in one.view.me.slots)


def _silent(said: Sequence[Said]) -> Iterator[Member]:
    """Members of which others speak and that do not answer; one that anybody counts as failed has failed."""
    answered = {one.view.id for one in said if one.view}
    known: dict[str, Member] = {}
    for one in said:
        for member in one.view.members.values() if one.view else ():
            if member.id not in answered and (member.id not in known or member.failed):
                known[member.id] = member
    yield from known.values()


def _majority(said: Sequence[Said]) -> bool:
    """Whether most of the masters with slots answer: these can vote, and nobody else has most of the votes."""
    alive = sum(bool(one.view and one.view.me.slots) for one in said)
    return alive > sum(bool(member.slots) for member in _silent(said))


def _empty(said: Sequence[Said], gifts: Sequence[Gift]) -> View | None:
    taken = {gift.node for gift in gifts}
    views = (one.view for one in said if one.view and one.node not in taken)
    return next((view for view in views if not view.me.master and not view.me.slots and not view.keys), None)


def _known(slot: int, masters: Sequence[View]) -> Node | None:
    """The master that others believe has this slot."""
    nodes = {view.id: view.node for view in masters}
    claims = (member.id for view in masters for member in view.members.values() if slot in member.slots)
    return next((nodes[one] for one in claims if one in nodes), None)


def _beside(slot: int, serving: Sequence[View]) -> Node:
    """The master of the nearest slot below, around the end."""
    return min(serving, key=lambda view: min((slot - other) % SLOTS for other in view.me.slots)).node
