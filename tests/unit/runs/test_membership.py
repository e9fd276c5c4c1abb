"""Groups of many hosts are written short and read back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsctl.runs.membership import packed, unpacked
from opsctl.targets import memberships

HOSTS = [f"host-{number}" for number in range(12)]
GROUPS = st.dictionaries(st.sampled_from(HOSTS), st.frozensets(st.sampled_from(["web", "db", "a b", "x,y-z", "ü"])))


def test_neighbours_are_a_range() -> None:
    groups = {host: frozenset({"all"}) for host in HOSTS} | {"host-1": frozenset({"one"})}
    assert packed(HOSTS, groups) == {"all": "0,2-11", "one": "1"}


@given(GROUPS)
def test_what_is_packed_comes_back(groups: dict[str, frozenset[str]]) -> None:
    assert unpacked(HOSTS, packed(HOSTS, groups)) == {host: groups.get(host, frozenset()) for host in HOSTS}


def test_a_host_is_in_the_groups_of_its_groups() -> None:
    inventory = {
        "_meta": {"hostvars": {"a": {}}},
        "all": {"children": ["ungrouped", "site"]},
        "site": {"children": ["web", "db"]},
        "web": {"hosts": ["a"]},
        "db": {"hosts": ["b", "a"]},
        "ungrouped": {"hosts": ["c"]},
    }
    assert memberships(inventory) == {
        "a": {"all", "site", "web", "db"},
        "b": {"all", "site", "db"},
        "c": {"all", "ungrouped"},
    }
