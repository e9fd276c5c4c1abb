from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_layout import check, layout, match
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.redis.model import node


def possible(nodes: list[Node], masters: int, replicas: int) -> bool:
    """By trying every choice of masters: whether some layout exists."""
    return any(
        len(match(chosen, [one for one in nodes if one not in chosen], replicas, {})) == masters * replicas
        for chosen in combinations(nodes, masters)
    )


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Node], int, int]:
    masters, replicas = draw(st.sampled_from([(3, 0), (3, 1), (3, 2), (4, 1)]))
    count = masters * (1 + replicas)
    zones = draw(st.lists(st.sampled_from("abcd"), min_size=count, max_size=count))
    return [node(f"n{number}", zone) for number, zone in enumerate(zones)], masters, replicas


@given(clusters())
def test_a_layout_is_found_whenever_there_is_one(given: tuple[list[Node], int, int]) -> None:
    nodes, masters, replicas = given
    if not possible(nodes, masters, replicas):
        with pytest.raises(Invalid, match=r"^[^\n]+cannot be placed[^\n]+$"):
            layout(nodes, masters, replicas)
        return
    found = layout(nodes, masters, replicas)
    placed = [*found, *(replica for group in found.values() for replica in group)]
    assert Counter(placed) == Counter(nodes)
    assert len(found) == masters
    assert all(len(group) == replicas for group in found.values())
    assert all(replica.zone != master.zone for master, group in found.items() for replica in group)


@given(st.integers(3, 20), st.integers(1, 3), st.integers(2, 4))
def test_equal_zones_always_do_with_one_replica(masters: int, hosts: int, zones: int) -> None:
    nodes = [node(f"n{number}", str(number % zones)) for number in range(2 * masters)]
    found = layout(nodes, masters, 1)
    used = Counter(master.zone for master in found)
    assert max(used.values()) - min(used.values()) <= 1


@given(st.integers(3, 9), st.integers(0, 3))
def test_the_counts_of_the_playbook_can_be_laid_out(masters: int, replicas: int) -> None:
    in_a, in_b = (masters + 1) // 2, masters // 2
    nodes = [node(f"a{number}", "a") for number in range(in_a + replicas * in_b)]
    nodes += [node(f"b{number}", "b") for number in range(in_b + replicas * in_a)]
    assert len(layout(nodes, masters, replicas)) == masters


def test_masters_are_on_different_hosts_where_there_are_enough() -> None:
    nodes = [node(f"{host}:{port}", host, host, port) for host in ("h1", "h2", "h3") for port in (7000, 7001)]
    found = layout(nodes, 3, 1)
    assert len({master.host for master in found}) == 3
    assert all(replica.host != master.host for master, group in found.items() for replica in group)


def test_one_zone_is_refused_with_one_line() -> None:
    with pytest.raises(Invalid, match=r"^3 masters with 1 replicas each cannot be placed .*: 6 in a; spread"):
        layout([node(f"n{number}", "a") for number in range(6)], 3, 1)


@pytest.mark.parametrize(
    ("nodes", "masters", "replicas", "message"),
    [
        ([node("a", "a")] * 2, 2, 0, "at least 3 masters"),
        ([node("a", "a")], 3, 1, "are 6 nodes; 1 given"),
        ([node("a", "a")] * 3, 3, 0, "is given twice"),
        ([node("a", "a", "h", 1), node("b", "b", "h", 2), node("c", "c")], 3, 0, "with two zones: a and b"),
        ([node("a", "a")] * 3, 3, -1, "cannot be negative"),
    ],
)
def test_nodes_that_cannot_be_a_cluster_are_refused(
    nodes: list[Node], masters: int, replicas: int, message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        check(nodes, masters, replicas)
