# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as users run it: through ansible-inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.plugins.conftest import SECRET

NODES = {
    "Resources": {"Nodes": {"Type": "ALIYUN::ECS::InstanceGroup"}, "Net": {"Type": "ALIYUN::ECS::VPC"}},
    "Outputs": {"Endpoint": {"Value": "10.0.0.1"}},
}


@pytest.fixture
def ask(url, tmp_path):
    """Run ansible-inventory on a file with these options; returns what it lists, or with ``raw`` the whole process."""

    def run(raw=False, file="my.opsctl.yml", env=(), **options):
        path = tmp_path / file
        path.write_text(yaml.safe_dump({"plugin": "opsctl.cloud.stacks", **options}))
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "test-id",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET,
            "ALIBABA_CLOUD_REGION_ID": "cn-hangzhou",
            "OPSCTL_CLOUD_ENDPOINT": url,
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
            **dict(env),
        }
        tool = Path(sys.executable).with_name("ansible-inventory")
        done = subprocess.run(
            [tool, "-i", path, "--list"],
            env=given,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert SECRET not in done.stdout + done.stderr
        if raw:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout, object_hook=plain)

    return run


def plain(value):
    """Text that ansible-inventory marks as one that is never a template."""
    return value.get("__ansible_unsafe", value)


def add(cloud, name, numbers, **more):
    return cloud.add(name, NODES, instances={"Nodes": [cloud.host(number) for number in numbers]}, **more)


def test_hosts_are_grouped_by_stack_resource_and_tag(cloud, ask):
    tag = {"Tag": [{"TagKey": "opsctl:group", "TagValue": "redis"}]}
    cloud.add("my-cache", NODES, instances={"Nodes": [cloud.host(1, Tags=tag), cloud.host(2)]})
    listed = ask()
    assert listed["my_cache"]["hosts"] == ["my-cache-node-001", "my-cache-node-002"]
    assert listed["my_cache_nodes"]["hosts"] == ["my-cache-node-001", "my-cache-node-002"]
    assert listed["my_cache_redis"]["hosts"] == ["my-cache-node-001"]
    told = listed["_meta"]["hostvars"]["my-cache-node-001"]
    assert told["stack_outputs"] == {"Endpoint": "10.0.0.1"}
    assert told["ansible_host"] == "192.168.0.2"
    assert told["ecs"]["InstanceId"] == "i-0001"


def test_stacks_are_chosen_by_name_status_and_tag(cloud, ask):
    add(cloud, "a-1", [1], tags={"team": "x"})
    add(cloud, "a-2", [2], status="UPDATE_IN_PROGRESS", tags={"team": "x"})
    add(cloud, "a-3", [3])
    add(cloud, "b", [4], tags={"team": "x"})
    listed = ask(stacks={"names": ["a-*"], "statuses": ["CREATE_COMPLETE"], "tags": {"team": "x"}})
    assert list(listed["_meta"]["hostvars"]) == ["a-1-node-001"]


def test_several_clouds_and_regions_are_read_and_equal_names_kept_apart(cloud, url, ask):
    add(cloud, "s", [1])
    clouds = [
        {"name": "one", "endpoint": url, "regions": ["r1", "r2"]},
        {"name": "two", "region": "r3", "access_key_id": "k2", "access_key_secret": "other"},
    ]
    listed = ask(clouds=clouds)
    assert {query["RegionId"] for action, query in cloud.calls if action == "ListStacks"} == {"r1", "r2", "r3"}
    assert list(listed["_meta"]["hostvars"]) == ["s-node-001-i-0001"]


def test_constructed_options_work_on_all_variables(cloud, ask):
    add(cloud, "s", [1])
    listed = ask(
        strict=True,
        compose={"ram": "ecs.Memory // 1024", "where": "stack_outputs.Endpoint"},
        groups={"big": "ecs.Memory > 1000", "small": "ecs.Memory < 1000"},
        keyed_groups=[{"key": "zone_id", "prefix": "zone"}],
    )
    told = listed["_meta"]["hostvars"]["s-node-001"]
    assert (told["ram"], told["where"]) == (4, "10.0.0.1")
    assert listed["big"]["hosts"] == listed["zone_cn_hangzhou_h"]["hosts"] == ["s-node-001"]
    assert "small" not in listed


def test_strict_is_what_the_user_says(cloud, ask):
    add(cloud, "s", [1])
    assert "s-node-001" in ask(compose={"x": "nothing.there"})["_meta"]["hostvars"]
    assert "nothing" in ask(raw=True, strict=True, compose={"x": "nothing.there"}).stderr


def test_a_warm_cache_needs_no_network(cloud, ask, tmp_path):
    add(cloud, "s", [1])
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = ask(**cache, raw=True).stdout
    cloud.calls.clear()
    assert ask(**cache, raw=True).stdout == first
    assert cloud.calls == []


def test_the_cache_of_one_cloud_is_not_used_for_another(cloud, ask, tmp_path):
    add(cloud, "s", [1])
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    ask(**cache)
    cloud.calls.clear()
    ask(env={"ALIBABA_CLOUD_REGION_ID": "cn-other"}, **cache)
    assert {query["RegionId"] for _action, query in cloud.calls} == {"cn-other"}


def test_an_address_in_a_name_is_not_a_template(cloud, ask):
    cloud.add("s", NODES, instances={"Nodes": [cloud.host(1, Description="{{ lookup('pipe', 'id') }}")]})
    told = ask()["_meta"]["hostvars"]["s-node-001"]
    assert told["ecs"]["Description"] == "{{ lookup('pipe', 'id') }}"


def test_a_secret_may_come_from_a_lookup(cloud, ask):
    add(cloud, "s", [1])
    key = {"access_key_id": "k", "access_key_secret": "{{ lookup('env', 'MY_SECRET') }}"}
    env = {"MY_SECRET": "from-the-environment", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}
    assert "s-node-001" in ask(env=env, **key)["_meta"]["hostvars"]
    refused = ask(raw=True, env={**env, "MY_SECRET": ""}, **key)
    assert "No access_key_secret in the options" in refused.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clouds": [{"nmae": "x"}]}, "Unknown in clouds: nmae; an entry may have name, access_key_id"),
        ({"clouds": ["x"]}, "clouds"),
        ({"stacks": {"name": "x"}}, "Unknown in stacks: name; it may have names, statuses and tags"),
        ({"region": "a", "regions": ["b"]}, "Set region or regions, not both"),
        ({"endpoint": "http://127.0.0.1:1"}, "No answer to ListStacks from http://127.0.0.1:1: connection refused"),
        ({"profile": "x"}, "No access key"),
    ],
)
def test_bad_input_is_one_clear_line(ask, options, words):
    done = ask(raw=True, **options)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_other_files_are_not_taken(cloud, ask):
    assert ask(raw=True, file="my.yml").returncode != 0
    assert cloud.calls == []
