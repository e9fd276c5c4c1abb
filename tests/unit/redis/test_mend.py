"""Slots that nobody serves: who takes them, and when they are left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_health import Said
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_mend import Mend, mend, unserved
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import SLOTS, share
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Member, Node, View
from hypothesis import given
from hypothesis import strategies as st

NODES = [Node(name, 6379, zone, name) for name, zone in zip(("a", "b", "c", "d", "e", "f"), "xyxyxy", strict=True)]
MASTERS = dict(zip(("a", "b", "c"), share(3), strict=True))
FOLLOWS = {"d": "a", "e": "b", "f": "c"}


def cluster(
    down: frozenset[str] = frozenset(),
    own: Mapping[str, frozenset[int]] | None = None,
    offsets: Mapping[str, int] | None = None,
    follows: Mapping[str, str] = FOLLOWS,
) -> list[Said]:
    """Three masters with a replica each. ``own``: what nodes say of themselves, against what the others believe."""
    believed = {
        node.name: Member(
            id=node.name,
            address=node.address,
            flags=frozenset({"fail"} if node.name in down else ()),
            master=follows.get(node.name),
            linked=True,
            slots=MASTERS.get(node.name, frozenset()),
        )
        for node in NODES
    }
    said = []
    for node in NODES:
        if node.name in down:
            said.append(Said(node, error="no answer"))
            continue
        me = replace(believed[node.name], slots=(own or {}).get(node.name, believed[node.name].slots))
        info = {"slave_repl_offset": str((offsets or {}).get(node.name, 0))}
        said.append(Said(node, View(node, node.name, {**believed, node.name: me}), info))
    return said


def mended(said: list[Said], **more: object) -> Mend:
    given_: dict[str, object] = {"keys": {}, "complete": False, "accept_loss": False, **more}
    return mend(said, **given_)  # type: ignore[arg-type]


def unlisted(said: list[Said], names: str) -> list[Said]:
    """The same, where these are not among the nodes asked."""
    return [one for one in said if one.node.name not in names]


def test_a_cluster_that_is_well_needs_nothing() -> None:
    found = mended(cluster())
    assert not found
    assert found.left == []


def test_a_replica_takes_over_by_a_vote() -> None:
    (step,) = mended(cluster(frozenset("a"))).takeovers
    assert (step.heir.name, step.vote) == ("d", True)


def test_the_replica_that_has_most_takes_over() -> None:
    said = cluster(frozenset("a"), offsets={"d": 5, "e": 9}, follows={"d": "a", "e": "a", "f": "c"})
    assert [step.heir.name for step in mended(said).takeovers] == ["e"]


def test_without_most_masters_nobody_takes_over_unless_they_are_surely_dead() -> None:
    said = cluster(frozenset("ab"))
    found = mended(said)
    assert not found
    assert len(found.left) == 2
    found = mended(unlisted(said, "ab"), complete=True)
    assert [(step.heir.name, step.vote) for step in found.takeovers] == [("d", False), ("e", False)]


def test_slots_of_a_dead_master_without_replicas_are_not_given_up_unasked() -> None:
    said = cluster(frozenset("ad"))
    assert "its host is still there" in mended(said).left[0]
    assert "its host is still there" in mended(said, complete=True, accept_loss=True).left[0]
    said = unlisted(said, "a")
    assert "accept_loss" in mended(said, complete=True).left[0]
    assert "no node is empty" in mended(said, complete=True, accept_loss=True).left[0]
    new = Node("g", 6379, "x", "g")
    me = Member("g", "g:6379", frozenset({"myself"}), None, True, frozenset())
    found = mended([*said, Said(new, View(new, "g", {"g": me}))], complete=True, accept_loss=True)
    assert [(gift.node.name, gift.slots) for gift in found.gifts] == [("g", MASTERS["a"])]


def test_a_slot_that_its_owner_dropped_goes_back_to_it() -> None:
    said = cluster(own={"a": MASTERS["a"] - {7, 8}})
    assert unserved(said) == {7, 8}
    (gift,) = mended(said).gifts
    assert (gift.node.name, gift.slots) == ("a", {7, 8})


def test_a_slot_goes_to_the_node_that_holds_its_keys() -> None:
    said = cluster(own={"a": MASTERS["a"] - {7}})
    (gift,) = mended(said, keys={NODES[1]: frozenset({7})}).gifts
    assert gift.node.name == "b"
    found = mended(said, keys={NODES[1]: frozenset({7}), NODES[0]: frozenset({7})})
    assert not found
    assert "a and b both hold keys" in found.left[0]


def test_a_slot_is_not_given_out_while_a_node_is_silent() -> None:
    said = cluster(frozenset("f"), own={"a": MASTERS["a"] - {7}})
    found = mended(said)
    assert not found.gifts
    assert "f may have them" in found.left[0]


@given(
    st.frozensets(st.sampled_from("abcdef")),
    st.frozensets(st.sampled_from("abcdef")),
    st.dictionaries(st.sampled_from("abc"), st.frozensets(st.integers(0, SLOTS - 1), max_size=5)),
    st.dictionaries(st.sampled_from(NODES), st.frozensets(st.integers(0, SLOTS - 1), max_size=5)),
    st.booleans(),
)
def test_no_slot_is_served_twice_and_none_with_keys_elsewhere_is_taken(
    down: frozenset[str],
    gone: frozenset[str],
    dropped: dict[str, frozenset[int]],
    keys: dict[Node, frozenset[int]],
    accept_loss: bool,
) -> None:
    said = cluster(down, {name: MASTERS[name] - slots for name, slots in dropped.items()})
    said = unlisted(said, "".join(gone & down))
    found = mended(said, keys=keys, complete=True, accept_loss=accept_loss)
    served = [slot for one in said if one.view for slot in one.view.me.slots]
    served += [slot for gift in found.gifts for slot in gift.slots]
    assert len(served) == len(set(served))
    for gift in found.gifts:
        assert gift.node.name not in down
        holders = [node for node, slots in keys.items() if slots & gift.slots and node.name in MASTERS]
        assert all(node == gift.node or node.name in down or node.name in FOLLOWS for node in holders)
    for step in found.takeovers:
        assert step.heir.name not in down
        assert step.vote or step.of.id in gone
