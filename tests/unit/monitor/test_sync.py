"""Which hosts Zabbix is told of: pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hostplan import Present, Wanted, plan
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import OpsctlError, UsageError
from opsctl.monitor.hosts import stacks, wanted
from opsctl.monitor.setup.work import Job
from opsctl.monitor.sync import Everything, chosen
from opsctl.monitor.zabbix import Access
from opsctl.settings import Cloud

REDIS = {"stack_name": "cache", "private_ip": "10.1.0.5", "instance_tags": {"opsctl:group": "redis"}}


def present(one: Wanted, **more: Any) -> Present:
    """A host as Zabbix has it after it was told of it."""
    shown: dict[str, Any] = {
        "host_id": "1",
        "host": one.host,
        "name": one.host,
        "groups": one.groups,
        "templates": dict.fromkeys(one.templates, "7"),
        "tags": (("opsctl_stack", "cache"), *one.tags),
        "macros": {},
        "macro_ids": {},
        "secrets": (),
        "address": one.address,
        "port": str(one.port),
        "interface_id": "2",
        "encryption": "psk",
        "proxy": "",
        "enabled": True,
        **more,
    }
    return Present(**shown)


def test_hosts_are_told_by_stack() -> None:
    inventory = {
        "_meta": {"hostvars": {"cache-1": REDIS, "bastion": {"ansible_host": "10.9.9.9"}}},
        "cache": {"hosts": ["cache-1"]},
    }
    assert stacks(inventory) == {"cache": {"cache-1": REDIS}}
    assert stacks({}) == {}


def test_a_new_host_is_in_the_groups_of_its_stack() -> None:
    (one,) = wanted("cache", {"cache-1": REDIS})
    assert one == Wanted(
        host="cache-1",
        groups=("opsctl", "opsctl/cache", "opsctl/cache/redis"),
        address="10.1.0.5",
        templates=("opsctl Linux",),
        tags=(("opsctl_group", "redis"),),
    )
    (bare,) = wanted("cache", {"cache-2": {"stack_name": "cache", "ansible_host": "cache-2.example"}})
    assert (bare.groups, bare.tags, bare.address) == (("opsctl", "opsctl/cache"), (), "cache-2.example")


def test_what_playbooks_and_people_brought_stays() -> None:
    (first,) = wanted("cache", {"cache-1": REDIS})
    there = present(
        first,
        groups=("opsctl", "opsctl/cache", "opsctl/cache/old", "Linux servers"),
        templates={"opsctl Linux": "7", "opsctl Redis": "8"},
        tags=(("opsctl_stack", "cache"), ("opsctl_group", "old"), ("opsctl_scenario", "redis-cluster"), ("team", "a")),
        port="10051",
        macros={"{$OPSCTL.REDIS.PORT}": "6379"},
    )
    (again,) = wanted("cache", {"cache-1": REDIS}, {"cache-1": there})
    assert again.groups == ("opsctl", "opsctl/cache", "opsctl/cache/redis", "Linux servers")
    assert again.templates == ("opsctl Linux", "opsctl Redis")
    assert set(again.tags) == {("opsctl_group", "redis"), ("opsctl_scenario", "redis-cluster"), ("team", "a")}
    assert again.port == 10051
    (other,) = wanted("cache", {"cache-1": REDIS | {"zabbix_agent_port": 10060}}, {"cache-1": there})
    assert other.port == 10060


@given(st.text(max_size=8), st.sampled_from(["redis", "", "big one"]), st.integers(1, 65535))
def test_telling_twice_changes_nothing(suffix: str, group: str, port: int) -> None:
    name = f"cache-{suffix}"
    hosts = {name: REDIS | {"instance_tags": {"opsctl:group": group}, "zabbix_agent_port": port}}
    try:
        (first,) = wanted("cache", hosts)
    except (OpsctlError, Invalid):
        return
    there = present(first)
    assert not plan(wanted("cache", hosts, {name: there}), [there], ("opsctl_stack", "cache"))


@pytest.mark.parametrize(
    ("host", "variables", "said"),
    [
        ("cache-1", {"stack_name": "cache"}, "the inventory has no address of it"),
        ("cache/1", REDIS, "names have letters, digits, blanks"),
    ],
)
def test_what_cannot_be_watched_is_one_line(host: str, variables: dict[str, Any], said: str) -> None:
    with pytest.raises(OpsctlError, match=f"^Zabbix cannot watch {host}: .*{said}"):
        wanted("cache", {host: variables})


def test_stopped_hosts_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (folder,) = Everything("local", Cloud()).inventories(tmp_path)
    asked = json.loads((folder / "clouds.opsctl.yml").read_text())
    assert asked == {"plugin": "opsctl.cloud.stacks", "include_stopped": True}
    (tmp_path / "other" / "inventory").mkdir(parents=True)
    mine = Everything("mine", Cloud(kind="hosts", inventory=tmp_path / "hosts"))
    assert mine.inventories(tmp_path / "other")[1:] == [tmp_path / "hosts"]


HERE: dict[str, Any] = {"cache": {}, "web": {}}
THERE = {"cache": ["cache-1"], "gone": ["gone-1", "gone-2"]}


def test_without_a_name_it_is_the_stacks_that_zabbix_watches_and_the_cloud_has() -> None:
    assert chosen((), HERE, THERE, "local", remove=False) == ["cache"]
    assert chosen(("web", "cache", "web"), HERE, THERE, "local", remove=False) == ["web", "cache"]
    assert chosen(("gone",), {}, THERE, "local", remove=True) == ["gone"]


@pytest.mark.parametrize(
    ("named", "remove", "said"),
    [
        (("gone",), False, r"no stack gone; --remove takes its 2 hosts out of Zabbix"),
        (("cahce",), False, r"no stack cahce \(did you mean cache\?\)"),
        ((), True, r"--remove takes the names of stacks"),
        (("nosuch",), True, r"no stack nosuch"),
    ],
)
def test_nothing_is_removed_by_mistake(named: tuple[str, ...], remove: bool, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen(named, HERE, THERE, "local", remove=remove)


@pytest.mark.parametrize("receiver", ["10.0.0.5:8470", "http://", "http://u:p@h", "http://h?x=1", "ftp://h"])
def test_a_receiver_is_a_plain_url(receiver: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--receiver must be like http://HOST:8470"):
        _ = job(tmp_path, receiver=receiver).url
    with pytest.raises(UsageError, match=r"^--source Big is no name of a source"):
        _ = job(tmp_path, receiver="http://h:8470/", source="Big").url
    assert job(tmp_path, receiver="http://h:8470/").url == "http://h:8470/v1/alerts/zabbix"
    assert job(tmp_path, receiver="").url == ""


def job(home: Path, **more: Any) -> Job:
    common: dict[str, Any] = {
        "access": Access("http://z", token="t"),
        "source": "zabbix",
        "groups": (),
        "template_groups": (),
        "rights": "hosts",
        "name": "opsctl",
        "days": 0,
        "rotate": False,
        "check": True,
        "token_file": home / "token",
        "key_file": home / "key",
    }
    return Job(**(common | more))
