"""Orders and cycles of random graphs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.ros.graph import CycleError, order

NAMES = st.sampled_from([f"n{number}" for number in range(8)])
GRAPHS = st.dictionaries(NAMES, st.frozensets(NAMES, max_size=3), max_size=8)


def reaches(needs: dict[str, frozenset[str]], start: str) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        for name in needs.get(pending.pop(), ()):
            if name in needs and name not in found:
                found.add(name)
                pending.append(name)
    return found


@given(GRAPHS)
def test_each_comes_after_what_it_needs_or_there_is_a_cycle(needs: dict[str, frozenset[str]]) -> None:
    cyclic = any(name in reaches(needs, name) for name in needs)
    if cyclic:
        with pytest.raises(CycleError) as caught:
            order(needs)
        cycle = caught.value.names
        assert cycle[0] == cycle[-1]
        assert all(two in needs[one] for one, two in itertools.pairwise(cycle))
        return
    found = order(needs)
    assert sorted(found) == sorted(needs)
    place = {name: index for index, name in enumerate(found)}
    assert all(place[other] < place[name] for name in needs for other in needs[name] if other in needs)
    assert order(dict(needs)) == found


def test_names_without_needs_keep_their_order() -> None:
    assert order({"c": [], "a": ["b"], "b": []}) == ("c", "b", "a")


def test_a_long_chain_is_no_problem() -> None:
    needs = {f"n{number}": [f"n{number + 1}"] for number in range(5000)}
    assert order(needs)[0] == "n4999"
    with pytest.raises(CycleError):
        order({**needs, "n5000": ["n0"]})
