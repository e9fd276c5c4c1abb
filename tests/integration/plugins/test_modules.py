# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules and the inventory against a real endpoint and real hosts: check, do, check again, do again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsctl.localcloud import service
from tests.integration.cloud.lab import Lab
from tests.integration.cloud.parts import att, hosts, network, piece, ref, template, vpc, vswitch

pytestmark = pytest.mark.docker

Run = Callable[..., str]
NODES = template(
    {
        **network(),
        "Key": piece("ALIYUN::ECS::SSHKeyPair", {"KeyPairName": ref("ALIYUN::StackName"), "PublicKeyBody": ref("Pub")}),
        "Nodes": hosts(ref("Amount"), KeyPairName=ref("Key"), Tags=[{"Key": "opsctl:group", "Value": "redis"}]),
    },
    outputs={"Addresses": att("Nodes", "PrivateIps")},
    parameters={"Amount": {"Type": "Number"}, "Pub": {"Type": "String"}, "Pass": {"Type": "String", "NoEcho": True}},
)
WRONG = template({"Vpc": vpc("192.168.0.0/16"), "VSwitch": vswitch("10.0.0.0/24")})


@pytest.fixture
def tool(cloud: Lab) -> Run:
    """Run one of Ansible's programs as a user of this cloud would."""
    endpoint = service.ensure(cloud.home)
    env = {**os.environ, **endpoint.environment(), "OPSCTL_HOME": str(cloud.home), "http_proxy": "http://127.0.0.1:9"}
    env.update({"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"})

    def run(name: str, *words: str | Path) -> str:
        path = Path(sys.executable).with_name(name)
        done = subprocess.run([path, *words], env=env, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def stack(tool: Run) -> Callable[..., dict[str, Any]]:
    """Run the module ros_stack and return its result."""

    def run(*modes: str, **given: Any) -> dict[str, Any]:
        text = tool("ansible", "localhost", "-m", "opsctl.cloud.ros_stack", "-a", json.dumps(given), *modes)
        found: dict[str, Any] = json.loads(text[text.index("=> {") + 3 :])
        return found

    return run


def cycle(cloud: Lab, stack: Callable[..., dict[str, Any]], **given: Any) -> dict[str, Any]:
    """Check, do, check again, do again; the result of doing."""
    before = cloud.ros("ListStacks")["Stacks"]
    told = stack("--check", **given)
    assert told["changed"] is True
    assert cloud.ros("ListStacks")["Stacks"] == before
    done = stack(**given)
    assert done["changed"] is True, done
    for modes in (["--check"], []):
        assert stack(*modes, **given)["changed"] is False
    return done


def test_a_stack_is_made_grown_reached_by_its_inventory_and_removed(
    cloud: Lab, stack: Callable[..., dict[str, Any]], tool: Run, tmp_path: Path
) -> None:
    key = cloud.home / "keys" / "plug-in_ed25519"
    key.parent.mkdir(exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    secret = {"Pass": "CANARY-of-a-parameter"}
    given = {"name": "plug-in", "template_body": NODES, "secret_parameters": secret}
    one = {"Amount": 1, "Pub": key.with_suffix(".pub").read_text().strip()}

    made = cycle(cloud, stack, **given, parameters=one)
    assert len(made["stack"]["outputs"]["Addresses"]) == 1
    grown = cycle(cloud, stack, **given, parameters={**one, "Amount": 2})
    assert len(grown["stack"]["outputs"]["Addresses"]) == 2
    assert "CANARY" not in json.dumps([made, grown])

    source = tmp_path / "my.opsctl.yml"
    source.write_text("plugin: opsctl.cloud.stacks\nstacks: {names: [plug-*]}\n")
    listed = json.loads(tool("ansible-inventory", "-i", source, "--list"))
    assert len(listed["plug_in_redis"]["hosts"]) == 2
    assert listed["plug_in"]["hosts"] == listed["plug_in_nodes"]["hosts"] == listed["plug_in_redis"]["hosts"]
    assert tool("ansible", "-i", source, "plug_in_redis", "-m", "ansible.builtin.ping").count('"ping": "pong"') == 2

    cycle(cloud, stack, name="plug-in", state="absent")


def test_a_failed_stack_says_why_and_can_be_made_again(cloud: Lab, stack: Callable[..., dict[str, Any]]) -> None:
    failed = stack(name="wrong", template_body=WRONG)
    assert failed["msg"].startswith(
        "Cannot create stack wrong: resource VSwitch (ALIYUN::ECS::VSwitch) CREATE_FAILED: "
    )
    assert failed["stack"]["status"] == "CREATE_ROLLBACK_COMPLETE"
    right = template({"Vpc": vpc()})
    assert "set recreate_failed=true" in stack(name="wrong", template_body=right)["msg"]
    cycle(cloud, stack, name="wrong", template_body=right, recreate_failed=True)
    cycle(cloud, stack, name="wrong", tags={"team": "a"})
    cycle(cloud, stack, name="wrong", deletion_protection=True)
    assert "set deletion_protection=false" in stack(name="wrong", state="absent")["msg"]
    cycle(cloud, stack, name="wrong", state="absent", deletion_protection=False)
