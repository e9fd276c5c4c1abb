"""What may talk to whom: security groups as packet filters, and VPCs with the same addresses side by side."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.cloud.lab import Lab, Stack, reaches, until
from tests.integration.cloud.parts import SSH, allow, group, host, network, piece, ref, template, vpc, vswitch
from tests.integration.cloud.test_hosts import outside

pytestmark = pytest.mark.docker

PORT = 8080
SERVER, FRIEND, STRANGER = "192.168.0.10", "192.168.0.11", "192.168.0.12"


def deny(ports: str, **rule: Any) -> dict[str, Any]:
    return allow(ports, Policy="drop", **rule)


def body(*ingress: dict[str, Any], egress: list[dict[str, Any]] | None = None) -> str:
    """A server in a group of its own with a friend in the same group, and a stranger in another one."""
    return template(
        {
            "Vpc": vpc(),
            "VSwitch": vswitch(),
            "Inside": group(*ingress, SecurityGroupEgress=egress or []),
            "Outside": group(SSH),
            "Server": host("Inside", PrivateIpAddress=SERVER),
            "Friend": host("Inside", PrivateIpAddress=FRIEND),
            "Stranger": host("Outside", PrivateIpAddress=STRANGER),
        },
        {name: ref(name) for name in ("Server", "Friend", "Stranger")},
    )


@pytest.fixture(scope="module")
def street(cloud: Lab) -> Stack:
    stack = cloud.create(body(SSH))
    assert stack.status == "CREATE_COMPLETE", stack.reason
    cloud.listen(stack.output("Server"), PORT)
    return stack


def who_gets_in(cloud: Lab, street: Stack) -> set[str]:
    """Of friend, stranger and operator, those whom the server's port answers."""
    tries = {name: cloud.connecting(street.output(name), (SERVER, PORT)) for name in ("Friend", "Stranger")}
    found = {"operator"} if reaches(outside(cloud, street.output("Server")), PORT) else set()
    return found | {name for name, invoke in tries.items() if cloud.connected(invoke) == [True]}


def update(street: Stack, *ingress: dict[str, Any], **more: Any) -> None:
    assert street.update(body(*ingress, **more)).status == "UPDATE_COMPLETE", street.reason


def test_a_closed_port_is_open_to_the_own_group_alone(cloud: Lab, street: Stack) -> None:
    assert who_gets_in(cloud, street) == {"Friend"}
    assert reaches(outside(cloud, street.output("Server")), 22)


def test_an_update_opens_a_port_to_all_and_closes_it_again(cloud: Lab, street: Stack) -> None:
    update(street, SSH, allow(f"{PORT}/{PORT}"))
    assert who_gets_in(cloud, street) == {"Friend", "Stranger", "operator"}
    update(street, SSH)
    assert who_gets_in(cloud, street) == {"Friend"}


def test_a_range_lets_in_its_own_addresses_only(cloud: Lab, street: Stack) -> None:
    update(street, SSH, allow(f"{PORT}/{PORT}", f"{STRANGER}/32"))
    assert who_gets_in(cloud, street) == {"Friend", "Stranger"}


def test_a_group_lets_in_its_members_only(cloud: Lab, street: Stack) -> None:
    update(street, SSH, allow("1/65535", ref("Outside")))
    assert who_gets_in(cloud, street) == {"Friend", "Stranger"}


def test_a_drop_rule_of_a_better_priority_wins(cloud: Lab, street: Stack) -> None:
    update(street, SSH, allow(f"{PORT}/{PORT}", Priority=2), deny(f"{PORT}/{PORT}", source=f"{STRANGER}/32"))
    assert who_gets_in(cloud, street) == {"Friend", "operator"}
    update(street, SSH, allow(f"{PORT}/{PORT}"), deny(f"{PORT}/{PORT}", source=f"{STRANGER}/32", Priority=2))
    assert who_gets_in(cloud, street) == {"Friend", "Stranger", "operator"}


def test_at_the_same_priority_drop_wins_over_friends_too(cloud: Lab, street: Stack) -> None:
    update(street, SSH, allow(f"{PORT}/{PORT}"), deny(f"{PORT}/{PORT}"))
    assert who_gets_in(cloud, street) == set()


def test_an_egress_rule_keeps_a_host_from_going_out(cloud: Lab, street: Stack) -> None:
    out = {"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": f"{STRANGER}/32", "Policy": "drop"}
    cloud.listen(street.output("Stranger"), 22000)
    update(street, SSH)
    assert cloud.connects(street.output("Server"), (STRANGER, 22), (STRANGER, 22000)) == [True, False]
    update(street, SSH, egress=[out])
    assert cloud.connects(street.output("Server"), (STRANGER, 22), (FRIEND, 22)) == [False, True]


def test_icmp_is_a_protocol_of_its_own(cloud: Lab, street: Stack) -> None:
    ping = f"ping -c1 -W1 {SERVER}"
    update(street, SSH)
    assert cloud.run(street.output("Stranger"), ping)[0] != 0
    update(street, SSH, allow("-1/-1", protocol="icmp"))
    assert cloud.run(street.output("Stranger"), ping)[0] == 0


def test_a_filter_outlives_stop_and_start_and_follows_what_changed_meanwhile(cloud: Lab, street: Stack) -> None:
    server = street.output("Server")
    update(street, SSH)
    cloud.ecs("StopInstance", InstanceId=server, ForceStop=True)
    until("the stop", lambda: cloud.instance(server)["Status"] == "Stopped")
    update(street, SSH, allow(f"{PORT}/{PORT}", f"{STRANGER}/32"))
    cloud.ecs("StartInstance", InstanceId=server)
    until("the start", lambda: cloud.instance(server)["Status"] == "Running")
    cloud.listen(server, PORT)
    assert who_gets_in(cloud, street) == {"Friend", "Stranger"}


def test_a_rule_of_its_own_opens_and_its_removal_closes(cloud: Lab, street: Stack) -> None:
    update(street, SSH)
    rule = {"SecurityGroupId": street.physical("Inside"), **allow(f"{PORT}/{PORT}", f"{STRANGER}/32")}
    more = cloud.create(template({"Rule": piece("ALIYUN::ECS::SecurityGroupIngress", rule)}))
    assert more.status == "CREATE_COMPLETE", more.reason
    assert who_gets_in(cloud, street) == {"Friend", "Stranger"}
    update(street, SSH, allow("81/81"))
    assert who_gets_in(cloud, street) == {"Friend", "Stranger"}
    more.delete()
    assert who_gets_in(cloud, street) == {"Friend"}


def test_the_address_of_a_host_that_went_gives_its_successor_no_right(cloud: Lab, street: Stack) -> None:
    update(street, SSH, allow(f"{PORT}/{PORT}", ref("Outside")))
    ids = {name: street.physical(name) for name in ("VSwitch", "Outside", "Inside")}

    def guest(group: str) -> Stack:
        wanted = host(PrivateIpAddress="192.168.0.13", VSwitchId=ids["VSwitch"], SecurityGroupId=group)
        stack = cloud.create(template({**guests(), "Host": wanted}, {"Id": ref("Host")}))
        assert stack.status == "CREATE_COMPLETE", stack.reason
        return stack

    def guests() -> dict[str, Any]:
        return {"Mine": group(SSH, VpcId=street.physical("Vpc"))}

    first = guest(ids["Outside"])
    assert cloud.connects(first.output("Id"), (SERVER, PORT)) == [True]
    first.delete()
    second = guest(ref("Mine"))  # type: ignore[arg-type]
    assert cloud.connects(second.output("Id"), (SERVER, PORT)) == [False]
    second.delete()


@pytest.fixture(scope="module")
def twins(cloud: Lab) -> tuple[Stack, Stack]:
    """Two stacks of one template: the same VPC range, the same private addresses."""
    anyone = allow("1/65535")
    made = [
        cloud.begin(
            template(
                {
                    **network(anyone, allow("-1/-1", protocol="icmp")),
                    "A": host(PrivateIpAddress="192.168.0.20", InstanceName=f"a{number}"),
                    "B": host(PrivateIpAddress="192.168.0.21", InstanceName=f"b{number}"),
                    "C": host(PrivateIpAddress=f"192.168.0.{30 + number}"),
                },
                {name: ref(name) for name in "ABC"},
            )
        )
        for number in range(2)
    ]
    for stack in made:
        assert stack.ended().status == "CREATE_COMPLETE", stack.reason
        cloud.listen(stack.output("B"), PORT)
    return made[0], made[1]


def test_each_reaches_the_peer_of_its_own_vpc_at_the_address_both_have(cloud: Lab, twins: tuple[Stack, Stack]) -> None:
    told = "curl -s --max-time 3 -o /dev/null -w '%{http_code} '"
    for stack in twins:
        answer = cloud.run(stack.output("A"), f"{told} http://192.168.0.21:{PORT}/; ip neigh show 192.168.0.21")[1]
        (card,) = cloud.instance(stack.output("B"))["NetworkInterfaces"]["NetworkInterface"]
        assert answer.startswith("200 ")
        assert card["MacAddress"] in answer


def test_nobody_reaches_the_other_vpc(cloud: Lab, twins: tuple[Stack, Stack]) -> None:
    for mine, theirs in ((twins[0], 1), (twins[1], 0)):
        docker_side = outside(cloud, twins[theirs].output("B"))
        assert reaches(docker_side, PORT)
        private = f"192.168.0.{30 + theirs}"
        silent = ((docker_side, PORT), (docker_side, 22), (private, 22))
        assert cloud.connects(mine.output("A"), *silent) == [False, False, False]
        script = f"ping -c1 -W1 {private} & ping -c1 -W1 {docker_side} && echo answered; wait $! && echo answered"
        assert "answered" not in cloud.run(mine.output("A"), script)[1]


def test_not_even_a_peer_is_reached_on_the_docker_side(cloud: Lab, twins: tuple[Stack, Stack]) -> None:
    docker_side = outside(cloud, twins[0].output("B"))
    assert cloud.connects(twins[0].output("A"), (docker_side, PORT), ("192.168.0.21", PORT)) == [False, True]
