"""Stacks and hosts through the CLI, on the real local cloud with real hosts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cli

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Parameters:
  PublicKeyBody: {Type: String}
Resources:
  Vpc: {Type: ALIYUN::ECS::VPC, Properties: {CidrBlock: 192.168.0.0/16}}
  VSwitch:
    Type: ALIYUN::ECS::VSwitch
    Properties:
      VpcId: !Ref Vpc
      ZoneId: cn-hangzhou-h
      CidrBlock: 192.168.0.0/24
Outputs:
  VpcId: {Value: !Ref Vpc}
"""

PLAYBOOK = """
# A network and nothing in it.
- name: Create or update the stack
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Make the stack
      opsctl.cloud.ros_stack:
        name: "{{ stack_name }}"
        template: "{{ playbook_dir }}/stack.ros.yml"
        parameters:
          PublicKeyBody: ssh-ed25519 AAAA
"""


@pytest.fixture
def cloud(cli: Cli) -> Iterator[Cli]:
    (cli.home / "config.toml").write_text("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    up = cli("cloud", "up", "--port", str(port))
    assert up.code == 0, up.err
    yield cli
    assert cli("cloud", "reset", "--yes").code == 0


def test_a_stack_from_creation_to_deletion(cloud: Cli, tmp_path: Path) -> None:
    folder = cloud.scenario("net", deploy=PLAYBOOK)
    (folder / "stack.ros.yml").write_text(TEMPLATE)
    made = cloud("run", "scenario", "net", "-o", "json")
    assert made.code == 0, made.err
    (row,) = cloud("stack", "list", "-o", "json").json
    assert (row["stack_name"], row["status"]) == ("net", "CREATE_COMPLETE")
    assert cloud("stack", "outputs", "net", "-o", "json").json["VpcId"].startswith("vpc-")
    shown = cloud("stack", "show", "net", "-o", "json").json
    assert {resource["logical_id"] for resource in shown["resources"]} == {"Vpc", "VSwitch"}
    assert "CREATE_COMPLETE" in cloud("stack", "show", "net").out
    events = cloud("stack", "events", "net", "-o", "json").json
    assert (events[0]["status"], events[-1]["status"]) == ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert cloud("inventory").code == 0

    assert "Unknown stack nte" in cloud("stack", "show", "nte").line
    assert cloud("stack", "delete", "net", "--check", "-o", "json").json["result"]["changed"]
    assert len(cloud("stack", "list", "-o", "json").json) == 1
    gone = cloud("stack", "delete", "net", "--yes", "--reason", "over", "-o", "json").json
    assert gone["result"]["changed"]
    assert gone["result"]["stack_name"] == "net"
    assert cloud("stack", "list", "-o", "json").json == []
    assert not cloud("stack", "delete", "net", "--yes", "-o", "json").json["result"]["changed"]
    kinds = [record["kind"] for record in cloud("audit", "list", "--run", gone["id"], "-o", "json").json]
    assert kinds == ["asked", "decided", "started", "finished"]
    # Looking is no run.
    assert len(cloud("runs", "list", "-o", "json").json) == 4
    secret = (cloud.home / "cloud").rglob("*key*")
    journals = "".join(path.read_text() for path in (cloud.home / "journal").iterdir())
    for path in secret:
        if path.is_file() and len(text := path.read_text().strip()) > 8:
            assert text not in journals
