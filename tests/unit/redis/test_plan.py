from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_plan import plan
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import SLOTS
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.redis.model import Paper, node

SIX = [node(f"a{number}", "a") for number in range(3)] + [node(f"b{number}", "b") for number in range(3)]


def formed(nodes: list[Node], masters: int = 3, replicas: int = 1) -> Paper:
    paper = Paper(nodes)
    paper.apply(plan(paper.views(nodes), masters, replicas))
    return paper


def zones_apart(paper: Paper, nodes: list[Node]) -> bool:
    zones = {paper.servers[one.name].id: one.zone for one in nodes}
    return all(
        zones[master] != one.zone for one in nodes if (master := paper.servers[one.name].master) and master in zones
    )


def test_new_nodes_become_a_cluster_that_needs_nothing_more() -> None:
    paper = formed(SIX)
    again = plan(paper.views(SIX), 3, 1)
    assert not again.change
    assert (again.meet, again.slots, again.follow, again.forget) == ((), {}, {}, ())
    assert sum(len(server.slots) for server in paper.servers.values()) == SLOTS
    assert zones_apart(paper, SIX)


def test_the_diff_shows_every_new_node() -> None:
    paper = Paper(SIX)
    diff = plan(paper.views(SIX), 3, 1).change.diff
    assert diff["before"]["a0:6379"] == {"role": "alone"}
    assert diff["after"]["a0:6379"] == {"role": "master", "slots": "0-5460", "zone": "a"}
    assert diff["after"]["b1:6379"]["role"] == "replica"


@given(st.lists(st.integers(0, 2), max_size=6))
def test_a_failover_is_nothing_to_undo(order: list[int]) -> None:
    paper = formed(SIX)
    for choice in order:
        masters = [server for server in paper.servers.values() if server.slots]
        old = masters[choice]
        heir = next(server for server in paper.servers.values() if server.master == old.id)
        paper.fail_over(old.node.name, heir.node.name)
    again = plan(paper.views(SIX), 3, 1)
    assert not again.change
    assert zones_apart(paper, SIX)


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2)))
def test_an_interrupted_creation_is_taken_up(met: set[int], given_out: set[int], following: set[int]) -> None:
    paper = Paper(SIX)
    whole = plan(paper.views(SIX), 3, 1)
    circle = {paper.servers[SIX[number].name].id for number in met}
    for number in met:
        paper.servers[SIX[number].name].knows |= circle
    if met == set(range(6)):
        masters = list(whole.slots)
        for number in given_out:
            paper.servers[masters[number].name].slots = whole.slots[masters[number]]
        for number in following if given_out == {0, 1, 2} else ():
            replica = list(whole.follow)[number]
            paper.servers[replica.name].master = paper.servers[whole.follow[replica].name].id
    paper.apply(plan(paper.views(SIX), 3, 1))
    assert not plan(paper.views(SIX), 3, 1).change
    assert sum(len(server.slots) for server in paper.servers.values()) == SLOTS


def test_a_node_that_was_replaced_is_forgotten_and_its_successor_follows() -> None:
    paper = formed(SIX)
    gone = next(server for server in paper.servers.values() if server.master)
    master = gone.master
    gone.failed = True
    new = node("new", gone.node.zone)
    paper.servers["new"] = type(gone)(new, knows={"id-new"})
    nodes = [one for one in SIX if one.name != gone.node.name] + [new]
    todo = plan(paper.views(nodes), 3, 1)
    assert todo.meet == (new,)
    assert [member.id for member in todo.forget] == [gone.id]
    assert {replica.name: paper.servers[one.name].id for replica, one in todo.follow.items()} == {"new": master}
    paper.apply(todo)
    del paper.servers[gone.node.name]
    assert not plan(paper.views(nodes), 3, 1).change


def test_more_replicas_are_added_without_moving_masters() -> None:
    paper = formed(SIX)
    owners = {name: server.slots for name, server in paper.servers.items() if server.slots}
    more = [node("c0", "c"), node("c1", "c"), node("c2", "c")]
    for one in more:
        paper.servers[one.name] = type(next(iter(paper.servers.values())))(one, knows={f"id-{one.name}"})
    nodes = SIX + more
    paper.apply(plan(paper.views(nodes), 3, 2))
    assert {name: server.slots for name, server in paper.servers.items() if server.slots} == owners
    assert not plan(paper.views(nodes), 3, 2).change
    assert zones_apart(paper, nodes)


def test_a_replica_in_its_masters_zone_is_moved() -> None:
    paper = formed(SIX)
    replicas = [server for server in paper.servers.values() if server.master]
    owner = {server.id: server for server in paper.servers.values()}
    one = next(server for server in replicas if server.node.zone == "a")
    other = next(server for server in replicas if server.node.zone == "b")
    one.master, other.master = other.master, one.master
    assert owner[one.master or ""].node.zone == "a"
    paper.apply(plan(paper.views(SIX), 3, 1))
    assert zones_apart(paper, SIX)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=6))
def test_masters_that_failovers_have_piled_up_are_spread_again(order: list[tuple[int, int]]) -> None:
    nodes = [node(f"a{number}", "a") for number in range(4)] + [node(f"b{number}", "b") for number in range(5)]
    paper = formed(nodes, 3, 2)
    for choice, follower in order:
        old = [server for server in paper.servers.values() if server.slots][choice]
        heirs = [server for server in paper.servers.values() if server.master == old.id]
        paper.fail_over(old.node.name, heirs[follower].node.name)
    todo = plan(paper.views(nodes), 3, 2)
    assert not todo.warnings
    assert not todo.slots
    paper.apply(todo)
    assert zones_apart(paper, nodes)
    assert not plan(paper.views(nodes), 3, 2).change
    assert sum(len(server.slots) for server in paper.servers.values()) == SLOTS


def test_what_cannot_be_placed_is_a_warning_once_the_cluster_serves() -> None:
    paper = formed(SIX)
    for server in paper.servers.values():
        server.node = node(server.node.name, "a")
    nodes = [server.node for server in paper.servers.values()]
    todo = plan(paper.views(nodes), 3, 1)
    assert len(todo.warnings) == 3
    assert all("in its own zone a" in warning for warning in todo.warnings)
    assert not todo.follow


def test_lost_slots_are_never_given_away() -> None:
    paper = formed(SIX)
    lost = next(server for server in paper.servers.values() if server.slots)
    lost.slots = frozenset()
    with pytest.raises(Invalid, match=r"No node serves the slots 0-5460: their keys may be lost"):
        plan(paper.views(SIX), 3, 1)


def test_another_number_of_masters_is_refused() -> None:
    paper = formed(SIX)
    more = [node("c0", "a"), node("c1", "b")]
    for one in more:
        paper.servers[one.name] = type(next(iter(paper.servers.values())))(one, knows={f"id-{one.name}"})
    with pytest.raises(Invalid, match="has 3 masters with slots and 4 are wanted"):
        plan(paper.views(SIX + more), 4, 1)


@pytest.mark.parametrize(
    ("failed", "words"), [(True, "has failed without a replica"), (False, "is not among the nodes")]
)
def test_a_master_that_is_not_listed_is_refused(failed: bool, words: str) -> None:
    paper = formed(SIX)
    owner = next(server for server in paper.servers.values() if server.slots)
    owner.failed = failed
    new = node("new", owner.node.zone)
    paper.servers["new"] = type(owner)(new, knows={"id-new"})
    nodes = [one for one in SIX if one.name != owner.node.name] + [new]
    with pytest.raises(Invalid, match=f"serves the slots .* and {words}"):
        plan(paper.views(nodes), 3, 1)


def test_a_node_with_keys_of_its_own_is_refused() -> None:
    paper = Paper(SIX)
    paper.servers["a1"].keys = 12
    with pytest.raises(Invalid, match="a1 holds 12 keys and is in no cluster"):
        plan(paper.views(SIX), 3, 1)


def test_nodes_of_two_clusters_are_refused() -> None:
    other = [node(f"x{number}", "a") for number in range(3)] + [node(f"y{number}", "b") for number in range(3)]
    first, second = formed(SIX), formed(other)
    views = first.views(SIX)[:3] + second.views(other)[:3]
    with pytest.raises(Invalid, match="are in two different clusters"):
        plan(views, 3, 1)
