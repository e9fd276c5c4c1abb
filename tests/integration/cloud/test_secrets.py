"""Canaries: values that nobody may read again, planted wherever a user can put them and looked for everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.cloud.lab import Lab, Stack, docker, until
from tests.integration.cloud.parts import condition, handle, host, network, piece, ref, template, vpc

pytestmark = pytest.mark.docker

NO_ECHO = "Canary-NoEcho-1"
PASSWORD = "Canary-Password-2"
SCRIPT = "Canary-UserData-3"
COMMAND = "Canary-Command-4"
OTHER = "Canary-Other-5"
CANARIES = (NO_ECHO, PASSWORD, SCRIPT, COMMAND, OTHER)
PARAMETERS = {"Secret": {"Type": "String", "NoEcho": True}, "List": {"Type": "CommaDelimitedList", "Default": "a"}}
OUTPUTS = {
    "Plain": ref("Vpc"),
    "Hidden": {"Fn::Sub": "before ${Secret} after"},
}


def body(more: dict[str, Any] | None = None, secret: Any = None) -> str:
    text = template(
        {
            **network(),
            "Named": vpc(VpcName={"Fn::Sub": "vpc-${Secret}"}),
            "Host": host(
                Password=secret or ref("Secret"),
                UserData=f"#!/bin/sh\necho {SCRIPT}\n",
                Description=ref("Secret"),
                Tags=[{"Key": "k", "Value": ref("Secret")}],
            ),
            **(more or {}),
        },
        OUTPUTS,
        PARAMETERS,
    )
    document = json.loads(text)
    document["Outputs"]["Hidden"]["NoEcho"] = True
    return json.dumps(document)


def command(script: str) -> dict[str, Any]:
    wanted = {"Type": "RunShellScript", "CommandContent": script, "InstanceIds": [ref("Host")], "Sync": True}
    return piece("ALIYUN::ECS::RunCommand", wanted)


def told(cloud: Lab, stack: Stack) -> dict[str, str]:
    """Everything the API says of a stack but its template, which belongs to its author."""
    words = {
        action: json.dumps(cloud.ros(action, StackId=stack.id))
        for action in ("GetStack", "ListStackEvents", "ListStackResources")
    }
    words["ListStacks"] = json.dumps(cloud.ros("ListStacks", PageSize=50))
    for name in stack.resources:
        fields = {"StackId": stack.id, "LogicalResourceId": name}
        words[f"GetStackResource {name}"] = json.dumps(cloud.ros("GetStackResource", **fields))
    return words


def clean(words: dict[str, str], canaries: tuple[str, ...] = CANARIES) -> None:
    assert not [(place, canary) for place, text in words.items() for canary in canaries if canary in text]


@pytest.fixture(scope="module")
def stack(cloud: Lab) -> Stack:
    made = cloud.create(body({"Run": command(f"echo ok # {COMMAND}")}), Secret=NO_ECHO)
    assert made.status == "CREATE_COMPLETE", made.reason
    return made


def test_no_answer_of_the_api_shows_a_secret(cloud: Lab, stack: Stack) -> None:
    clean(told(cloud, stack))
    assert stack.output("Hidden") == "******"


def test_no_preview_shows_a_secret(cloud: Lab, stack: Stack) -> None:
    more = {"Run": command(f"echo {COMMAND}"), "Fresh": vpc(VpcName=ref("Secret"))}
    fields = {"TemplateBody": body(more), "Parameters": [{"ParameterKey": "Secret", "ParameterValue": OTHER}]}
    found = {
        "new": json.dumps(cloud.ros("PreviewStack", StackName="canaries", **fields)),
        "change": json.dumps(cloud.ros("PreviewStack", StackId=stack.id, **fields)),
    }
    clean(found)
    rows = {row["LogicalResourceId"]: row for row in json.loads(found["new"])["Stack"]["Resources"]}
    assert rows["Host"]["Properties"]["Password"] == rows["Host"]["Properties"]["UserData"] == "******"
    assert rows["Named"]["Properties"]["VpcName"] == "vpc-******"


def test_no_failure_tells_a_secret(cloud: Lab) -> None:
    bad = [
        body({"Net": piece("ALIYUN::ECS::VSwitch", {"VpcId": ref("Vpc"), "ZoneId": ref("Secret"), "CidrBlock": "::"})}),
        body({"Net": vpc(cidr=ref("Secret"))}),  # type: ignore[arg-type]
        body({"Host2": host(PrivateIpAddress=ref("Secret"))}),
        body({"Host2": host(KeyPairName=ref("Secret"))}),
        body({"Handle": handle(), "Bad": condition(1)}),
        body({"Run": command(f"echo {COMMAND} >&2; exit 1")}),
        body(secret="weak"),
    ]
    for each in bad:
        failed = cloud.begin(each, Secret=OTHER)
        assert failed.ended().status == "CREATE_ROLLBACK_COMPLETE", failed.reason
        clean(told(cloud, failed))
        failed.delete()


def test_no_refusal_repeats_a_secret(cloud: Lab, stack: Stack) -> None:
    refusals = {}
    parameters = [{"ParameterKey": "Secret", "ParameterValue": OTHER}]
    for number, wrong in enumerate(
        (
            {"Policy": piece("ALIYUN::ECS::SecurityGroup", {"VpcId": "v", "SecurityGroupType": ref("Secret")})},
            {"Pause": piece("ALIYUN::ROS::Sleep", {"CreateDuration": ref("Secret")})},
            {"Key": piece("ALIYUN::ECS::SSHKeyPair", {"KeyPairName": {"Fn::Sub": "https://${Secret}"}})},
            {"Run": piece("ALIYUN::ECS::RunCommand", {"Type": "x", "CommandContent": COMMAND, "InstanceIds": ["i"]})},
            {"Name": vpc(VpcName={"Fn::Select": ["9", [ref("Secret")]]})},
        )
    ):
        for action, more in (("CreateStack", {"StackName": "refused"}), ("UpdateStack", {"StackId": stack.id})):
            fields = {"TemplateBody": body(wrong), "Parameters": parameters, **more}
            refusals[f"{action} {number}"] = cloud.refused("ros", action, **fields).message
    clean(refusals)


def test_an_update_that_changes_a_secret_keeps_both(cloud: Lab, stack: Stack) -> None:
    stack.update(body({"Run": command(f"echo ok # {COMMAND}")}), Secret=PASSWORD)
    assert stack.status == "UPDATE_COMPLETE", stack.reason
    clean(told(cloud, stack))


def test_no_command_line_nor_container_carries_a_secret(cloud: Lab, stack: Stack) -> None:
    container = cloud.container(stack.physical("Host"))
    host_id = stack.physical("Host")
    invoke = cloud.start(host_id, f"# {COMMAND}\nsleep 2")
    until("the command", lambda: "sleep 2" in docker("top", container, "-eo", "pid,args"))
    clean({"docker inspect": docker("inspect", container), "docker top": docker("top", container, "-eo", "pid,args")})
    cloud.result(invoke)


def test_the_log_of_the_service_holds_no_secret(cloud: Lab, stack: Stack) -> None:
    key = json.loads((cloud.home / "cloud" / "credentials.json").read_text())
    clean({"service.log": cloud.log()}, (*CANARIES, key["access_key_secret"], "Canary-Password-77"))
    assert "CREATE_COMPLETE" in cloud.log()
