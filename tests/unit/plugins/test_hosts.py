# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.opsctl.cloud.plugins.filter.group_name import FilterModule
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import hosts
from ansible_collections.opsctl.cloud.plugins.module_utils.names import group_name
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.server import Cloud

HOME = Path("/nonexistent")
STACK = {"StackName": "my-cache", "StackId": "id"}


def built(*rows, how=None, logical="Nodes"):
    table = {row["InstanceId"]: row for row in rows}
    return hosts.build(STACK, {"O": 1}, dict.fromkeys(table, logical), table, how or hosts.Options(HOME))


def row(number=1, **more):
    cloud = Cloud()
    return cloud.hosts[cloud.host(number, **more)]


def tags(**values):
    return {"Tag": [{"TagKey": key.replace("_", ":", 1), "TagValue": value} for key, value in values.items()]}


def test_a_host_tells_where_it_is_and_what_made_it():
    (host,) = built(row(Tags=tags(opsctl_group="redis")))
    assert host["name"] == "my-cache-node-001"
    assert host["groups"] == ["my_cache", "my_cache_nodes", "my_cache_redis"]
    told = host["vars"]
    assert told["ansible_host"] == told["private_ip"] == "192.168.0.2"
    assert told["instance_id"] == "i-0001"
    assert told["zone_id"] == "cn-hangzhou-h"
    assert (told["stack_name"], told["stack_id"], told["stack_outputs"]) == ("my-cache", "id", {"O": 1})
    assert told["logical_id"] == "Nodes"
    assert told["instance_tags"] == {"opsctl:group": "redis"}
    assert told["ecs"]["Memory"] == 4096


@pytest.mark.parametrize(
    ("name", "expected"), [("my-cache-a", "my-cache-a"), ("a", "my-cache-a"), ("", "my-cache-i-0001")]
)
def test_a_name_is_led_by_that_of_the_stack(name, expected):
    assert built(row(InstanceName=name))[0]["name"] == expected


def test_names_that_are_the_same_all_get_the_id():
    found = built(row(1, InstanceName="a"), row(2, InstanceName="a"), row(3, InstanceName="b"))
    assert [host["name"] for host in found] == ["my-cache-a-i-0001", "my-cache-a-i-0002", "my-cache-b"]


EVERYWHERE = {
    "Tags": {"Tag": [{"TagKey": "opsctl:ssh-address", "TagValue": "10.0.0.1"}]},
    "PublicIpAddress": {"IpAddress": ["10.0.0.2"]},
    "EipAddress": {"IpAddress": "10.0.0.3"},
}


@pytest.mark.parametrize(
    ("order", "address"),
    [
        (("tag", "public", "eip", "private"), "10.0.0.1"),
        (("public", "eip", "private"), "10.0.0.2"),
        (("eip", "private"), "10.0.0.3"),
        (("private", "tag"), "192.168.0.2"),
    ],
)
def test_the_first_address_of_the_order_is_used(order, address):
    (host,) = built(row(**EVERYWHERE), how=hosts.Options(HOME, address=order))
    assert host["vars"]["ansible_host"] == address


def test_a_host_without_an_address_of_that_kind_has_none():
    (host,) = built(row(), how=hosts.Options(HOME, address=("eip",)))
    assert "ansible_host" not in host["vars"]


def test_host_keys_are_remembered_by_instance():
    (host,) = built(row())
    assert host["vars"]["ansible_ssh_common_args"] == (
        "-o HostKeyAlias=i-0001 -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/nonexistent/known_hosts"
    )
    (host,) = built(row(), how=hosts.Options(HOME, host_key_alias=False))
    assert "ansible_ssh_common_args" not in host["vars"]


def test_the_key_of_the_stack_is_used_where_it_exists(tmp_path):
    assert "ansible_ssh_private_key_file" not in built(row())[0]["vars"]
    key = tmp_path / "keys" / "my-cache_ed25519"
    key.parent.mkdir()
    key.write_text("key")
    (host,) = built(row(), how=hosts.Options(tmp_path))
    assert host["vars"]["ansible_ssh_private_key_file"] == str(key)
    (host,) = built(row(), how=hosts.Options(tmp_path, ssh_private_key="/k"))
    assert host["vars"]["ansible_ssh_private_key_file"] == "/k"


def test_the_user_is_root_unless_said_otherwise():
    assert built(row())[0]["vars"]["ansible_user"] == "root"
    assert built(row(), how=hosts.Options(HOME, ssh_user="ops"))[0]["vars"]["ansible_user"] == "ops"
    assert "ansible_user" not in built(row(), how=hosts.Options(HOME, ssh_user=None))[0]["vars"]


def test_a_windows_host_gets_no_ssh_variables():
    told = built(row(OSType="windows"))[0]["vars"]
    assert not {"ansible_user", "ansible_ssh_common_args"} & set(told)


@pytest.mark.parametrize("status", ["Stopped", "Stopping", "Pending"])
def test_hosts_that_do_not_run_are_left_out_unless_asked_for(status):
    assert built(row(Status=status)) == []
    (host,) = built(row(Status=status), how=hosts.Options(HOME, include_stopped=True))
    assert "my_cache_stopped" in host["groups"]


def test_instances_are_found_one_by_one_in_groups_and_in_nested_stacks(cloud, stacks):
    ids = [cloud.host(number) for number in range(4)]
    inner = cloud.add("inner", {"Resources": {"Deep": {"Type": "ALIYUN::ECS::Instance"}}}, instances={"Deep": ids[3:]})
    outer = cloud.add(
        "outer",
        {
            "Resources": {
                "One": {"Type": "ALIYUN::ECS::Instance"},
                "Many": {"Type": "ALIYUN::ECS::InstanceGroup"},
                "Net": {"Type": "ALIYUN::ECS::VPC"},
                "Sub": {"Type": "ALIYUN::ROS::Stack"},
            }
        },
        instances={"One": ids[:1], "Many": ids[1:3], "Sub": [inner.id]},
    )
    found = hosts.members(stacks, outer.id)
    assert found == {ids[0]: "One", ids[1]: "Many", ids[2]: "Many", ids[3]: "Deep"}


def test_a_service_without_the_attribute_still_tells_the_instances_it_names(cloud, stacks):
    cloud.knows_instance_ids = False
    group = {"Resources": {"G": {"Type": "ALIYUN::ECS::InstanceGroup"}}}
    stack = cloud.add("s", group, instances={"G": ['["i-a1","i-b2"]']})
    assert list(hosts.members(stacks, stack.id)) == ["i-a1", "i-b2"]


def test_a_stack_that_is_gone_has_no_instances(stacks):
    assert hosts.members(stacks, "gone") == {}


def test_instances_are_described_a_hundred_at_a_time(cloud, client):
    ids = [cloud.host(number) for number in range(250)]
    assert list(hosts.describe(client, [*ids, "i-gone"])) == ids
    assert cloud.count("DescribeInstances") == 3


@given(st.text(), st.text())
def test_group_names_are_valid_and_the_filter_makes_the_same(left, right):
    name = group_name(left, right)
    assert name.isascii()
    assert not name or name.replace("_", "a").isalnum()
    assert FilterModule().filters()["group_name"](f"{left}_{right}") == name
