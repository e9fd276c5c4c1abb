"""Which patterns mean all hosts, and that a target set has one hash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsctl.targets import fingerprint, means_all

_KNOWN = ["db1", "web1", "web2"]
_HOSTS = some.dictionaries(some.text(min_size=1, max_size=8), some.just({"ansible_host": "192.0.2.1"}), min_size=1)


@pytest.mark.parametrize("pattern", ["", " ", "all", "*", "web:db", "!nobody", "~.*"])
def test_a_pattern_that_takes_the_whole_inventory_means_all(pattern: str) -> None:
    assert means_all(pattern, _KNOWN, _KNOWN)


@pytest.mark.parametrize("pattern", ["db1,web1,web2", "db1:web1:web2", " web2 , web1, db1"])
def test_naming_each_host_is_no_accident(pattern: str) -> None:
    assert not means_all(pattern, _KNOWN, _KNOWN)


@pytest.mark.parametrize("pattern", ["web", "all:!db1", "web*"])
def test_a_part_is_not_all(pattern: str) -> None:
    assert not means_all(pattern, ["web1", "web2"], _KNOWN)


def test_the_hash_is_known() -> None:
    assert fingerprint({"a": {"ansible_host": "192.0.2.1", "ansible_port": 2222}, "b": {}}) == (
        "60a5167ec23168688d43201de1f42b4fe242dce88900476ce05059aef4946464"
    )


@given(_HOSTS)
def test_the_order_of_hosts_does_not_change_the_hash(hosts: dict[str, dict[str, str]]) -> None:
    assert fingerprint(hosts) == fingerprint(dict(reversed(hosts.items())))


@given(_HOSTS, some.data())
def test_another_address_changes_the_hash(hosts: dict[str, dict[str, str]], data: some.DataObject) -> None:
    moved = data.draw(some.sampled_from(sorted(hosts)))
    assert fingerprint(hosts) != fingerprint({**hosts, moved: {"ansible_host": "192.0.2.2"}})
    assert fingerprint(hosts) != fingerprint({**hosts, moved: {**hosts[moved], "ansible_port": "2222"}})
