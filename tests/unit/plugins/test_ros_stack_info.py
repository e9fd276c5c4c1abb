# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys

import pytest

from tests.unit.plugins.conftest import SECRET

TEMPLATE = {
    "Parameters": {"N": {"Type": "Number"}},
    "Resources": {"Net": {"Type": "ALIYUN::ECS::VPC"}, "Nodes": {"Type": "ALIYUN::ECS::InstanceGroup"}},
    "Outputs": {"Endpoint": {"Value": {"any": "json"}}},
}


def names(result):
    return [one["stack_name"] for one in result["stacks"]]


def test_a_stack_is_told_with_its_outputs(cloud, play):
    stack = cloud.add("cache", TEMPLATE, parameters={"N": "3"}, tags={"team": "a"})
    result = play("ros_stack_info", name="cache")
    assert result["changed"] is False
    (told,) = result["stacks"]
    assert told["stack_id"] == stack.id
    assert told["parameters"] == {"N": "3"}
    assert told["outputs"] == {"Endpoint": {"any": "json"}}
    assert told["tags"] == {"team": "a"}
    assert not {"resources", "events", "hosts"} & set(told)


@pytest.mark.parametrize("given", [{"name": "none"}, {"stack_id": "none"}])
def test_what_nothing_has_gives_an_empty_list(cloud, play, given):
    cloud.add("cache", TEMPLATE)
    assert play("ros_stack_info", **given)["stacks"] == []


def test_all_pages_are_read(cloud, play):
    for number in range(120):
        cloud.add(f"s{number}", TEMPLATE)
    assert len(play("ros_stack_info", gather_outputs=False)["stacks"]) == 120
    assert cloud.count("ListStacks") == 3


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"name": "a-*"}, ["a-1", "a-2"]),
        ({"name": "a-1"}, ["a-1"]),
        ({"filters": {"status": ["CREATE_FAILED"]}}, ["a-2"]),
        ({"filters": {"tags": {"team": "x"}}}, ["b"]),
        ({"name": "a-*", "filters": {"tags": {"team": "x"}}}, []),
    ],
)
def test_filters_narrow_down(cloud, play, given, found):
    cloud.add("a-1", TEMPLATE)
    cloud.add("a-2", TEMPLATE, "CREATE_FAILED")
    cloud.add("b", TEMPLATE, tags={"team": "x"})
    assert names(play("ros_stack_info", **given)) == found


def test_resources_events_and_hosts_are_told_when_asked_for(cloud, play):
    ids = [cloud.host(number) for number in (1, 2)]
    cloud.add("cache", TEMPLATE, instances={"Nodes": ids})
    (told,) = play(
        "ros_stack_info",
        stack_id=next(iter(cloud.stacks)),
        gather_resources=True,
        gather_events=True,
        gather_hosts=True,
    )["stacks"]
    assert [one["logical_id"] for one in told["resources"]] == ["Net", "Nodes"]
    assert told["events"] == []
    assert [one["name"] for one in told["hosts"]] == ["cache-node-001", "cache-node-002"]
    assert told["hosts"][0]["groups"] == ["cache", "cache_nodes"]
    assert told["hosts"][0]["vars"]["stack_outputs"] == {"Endpoint": {"any": "json"}}


def test_it_works_in_check_mode(cloud, play):
    cloud.add("cache", TEMPLATE)
    assert names(play("ros_stack_info", check=True)) == ["cache"]


def test_a_missing_sdk_is_one_line_that_names_the_package(play, monkeypatch):
    monkeypatch.setitem(sys.modules, "alibabacloud_tea_openapi", None)
    assert "(alibabacloud-tea-openapi)" in play("ros_stack_info")["msg"]


def test_the_access_key_shows_nowhere(cloud, play):
    cloud.faults.extend([("ListStacks", "throttle")] * 99)
    assert SECRET not in str(play("ros_stack_info"))
