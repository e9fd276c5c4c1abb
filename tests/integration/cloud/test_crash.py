"""The service killed with -9 in the middle of things: what was begun is ended, and nothing is left over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.cloud.conftest import Key, Town
from tests.integration.cloud.lab import Lab, Stack, ssh, until
from tests.integration.cloud.parts import att, condition, handle, host, hosts, network, piece, ref, sleep, template
from tests.integration.cloud.test_hosts import outside, settled

pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True)
def _nothing_left_over(cloud: Lab) -> Iterator[None]:
    """Docker has the hosts that the API knows, and no others."""
    yield
    known = {f"opsctl-{row['InstanceId']}" for row in cloud.instances()}
    assert cloud.containers() == known


def crash(cloud: Lab) -> None:
    cloud.kill()
    cloud.up()


def group(amount: int, more: dict[str, Any] | None = None) -> str:
    resources = {**network(), "Hosts": hosts(amount, KeyPairName="town-key"), **(more or {})}
    return template(resources, {"Ids": att("Hosts", "InstanceIds"), "Net": ref("VSwitch")})


def all_answer(cloud: Lab, stack: Stack, key: Key) -> None:
    for each in stack.output("Ids"):
        place = outside(cloud, each)
        # A host answers a moment before its network is whole.
        until(
            f"the network of {each} is whole",
            lambda place=place: ssh(place, "systemctl is-active opsctl-network || :", keys=[key.path]) == "active\n",
        )


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.6])
def test_a_creation_is_taken_up(cloud: Lab, town: Town, key: Key, delay: float) -> None:
    stack = cloud.begin(group(3))
    time.sleep(delay)
    crash(cloud)
    assert stack.ended().status == "CREATE_COMPLETE", stack.reason
    assert len(stack.output("Ids")) == 3
    all_answer(cloud, stack, key)
    finished = [event for event in stack.events if event[1] == "CREATE_COMPLETE"]
    assert sorted(event[0] for event in finished) == sorted(["Group", "Hosts", "VSwitch", "Vpc", stack.name])
    assert stack.delete().status == "DELETE_COMPLETE"


def test_a_creation_is_taken_up_however_often(cloud: Lab) -> None:
    stack = cloud.begin(group(2, {"Pause": sleep(1)}))
    for _ in range(3):
        time.sleep(0.1)
        crash(cloud)
    assert stack.ended().status == "CREATE_COMPLETE", stack.reason
    assert stack.delete().status == "DELETE_COMPLETE"


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize(("before", "after", "delay"), [(1, 3, 0.1), (1, 3, 0.4), (3, 1, 0.1)])
def test_an_update_is_taken_up(cloud: Lab, key: Key, before: int, after: int, delay: float) -> None:
    stack = cloud.create(group(before))
    first = stack.output("Ids")[0]
    stack.change(group(after))
    time.sleep(delay)
    crash(cloud)
    assert stack.ended().status == "UPDATE_COMPLETE", stack.reason
    ids = stack.output("Ids")
    assert (ids[0], len(ids)) == (first, after)
    all_answer(cloud, stack, key)
    assert stack.delete().status == "DELETE_COMPLETE"


def test_a_replacement_is_taken_up(cloud: Lab) -> None:
    def body(address: str) -> str:
        return template({**network(), "Host": host(PrivateIpAddress=address)}, {"Id": ref("Host")})

    stack = cloud.create(body("192.168.0.50"))
    before = stack.output("Id")
    stack.change(body("192.168.0.51"), {"ReplacementOption": "Enabled"})
    time.sleep(0.2)
    crash(cloud)
    assert stack.ended().status == "UPDATE_COMPLETE", stack.reason
    assert stack.output("Id") != before
    assert stack.delete().status == "DELETE_COMPLETE"


def test_a_rollback_of_an_update_is_taken_up(cloud: Lab) -> None:
    stack = cloud.create(group(1))
    before = stack.output("Ids")
    slow = piece("ALIYUN::ROS::Sleep", {"DeleteDuration": 2}, DependsOn=["Hosts"])
    bad = {"Slow": slow, "Handle": handle(), "Bad": condition(1) | {"DependsOn": ["Slow"]}}
    stack.change(group(2, bad))
    until("the rollback", lambda: stack.status == "ROLLBACK_IN_PROGRESS")
    time.sleep(0.3)
    crash(cloud)
    assert stack.ended().status == "ROLLBACK_COMPLETE", stack.reason
    assert "WaitConditionTimeout: resources.Bad" in stack.reason
    assert stack.output("Ids") == before
    assert set(stack.resources) == {"Vpc", "VSwitch", "Group", "Hosts"}
    assert stack.delete().status == "DELETE_COMPLETE"


def test_a_rollback_of_a_creation_is_taken_up(cloud: Lab) -> None:
    slow = piece("ALIYUN::ROS::Sleep", {"DeleteDuration": 2}, DependsOn=["Hosts"])
    stack = cloud.begin(group(1, {"Slow": slow, "Handle": handle(), "Bad": condition(1) | {"DependsOn": ["Slow"]}}))
    until("the rollback", lambda: stack.status == "CREATE_ROLLBACK_IN_PROGRESS")
    crash(cloud)
    assert stack.ended().status == "CREATE_ROLLBACK_COMPLETE", stack.reason
    assert stack.resources == {}


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_deletion_is_taken_up(cloud: Lab, delay: float) -> None:
    stack = cloud.create(group(2))
    cloud.ros("DeleteStack", StackId=stack.id)
    time.sleep(delay)
    crash(cloud)
    assert stack.ended().status == "DELETE_COMPLETE", stack.reason


def test_a_wait_goes_on_with_the_time_and_the_signals_it_had(cloud: Lab, town: Town) -> None:
    told = {"Curl": att("Handle", "CurlCli"), "Data": att("Wait", "Data")}
    stack = cloud.begin(template({"Handle": handle(), "Wait": condition(40, Count=2)}, told))
    until("the wait", lambda: stack.resources.get("Wait", {}).get("Status") == "CREATE_IN_PROGRESS")
    cloud.ros("SignalResource", StackId=stack.id, LogicalResourceId="Handle", Status="SUCCESS", UniqueId="early")
    curl = stack.output("Curl")
    late = json.dumps({"id": "late"})
    invoke = cloud.start(town.mail, f"sleep 1; {curl} -d '{late}'")
    cloud.kill()
    time.sleep(2)  # the host calls while nobody answers, and calls again
    cloud.up()
    assert stack.ended().status == "CREATE_COMPLETE", stack.reason
    assert set(json.loads(stack.output("Data"))) == {"early", "late"}
    assert cloud.result(invoke)["ExitCode"] == 0


@pytest.mark.parametrize(("action", "status"), [("StopInstance", "Stopped"), ("RebootInstance", "Running")])
def test_a_promised_power_change_happens(cloud: Lab, town: Town, action: str, status: str) -> None:
    up_since = cloud.run(town.mail, "cat /proc/1/stat | cut -d' ' -f22")[1]
    cloud.ecs(action, InstanceId=town.mail)
    crash(cloud)
    settled(cloud, town.mail, status)
    if status == "Stopped":
        cloud.ecs("StartInstance", InstanceId=town.mail)
        settled(cloud, town.mail, "Running")
    assert cloud.run(town.mail, "cat /proc/1/stat | cut -d' ' -f22")[1] != up_since


def test_hosts_run_on_while_the_service_is_dead(cloud: Lab, town: Town, key: Key) -> None:
    address, before = outside(cloud, town.web[1]), cloud.instance(town.web[1])
    cloud.kill()
    assert ssh(address, "hostname", keys=[key.path]) == "web-02\n"
    cloud.up()
    assert cloud.instance(town.web[1]) == before
