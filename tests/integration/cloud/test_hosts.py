"""Hosts as their users find them: names, addresses, logins, first boot, power, what they know of themselves."""

from __future__ import annotations

import json
from typing import Any

import asyncssh
import pytest

from tests.integration.cloud.conftest import PASSWORD, Key, Town
from tests.integration.cloud.lab import Lab, Stack, docker, reaches, ssh, until
from tests.integration.cloud.parts import att, host, hosts, network, ref, template

pytestmark = pytest.mark.docker


def private(found: dict[str, Any]) -> str:
    (address,) = found["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]
    return str(address)


def outside(cloud: Lab, instance_id: str) -> str:
    """Where the operator reaches a host."""
    tags = {row["TagKey"]: row["TagValue"] for row in cloud.instance(instance_id)["Tags"]["Tag"]}
    return str(tags["opsctl:ssh-address"])


def settled(cloud: Lab, instance_id: str, status: str) -> None:
    until(f"{instance_id} to be {status}", lambda: cloud.instance(instance_id)["Status"] == status)


def test_a_host_is_described_as_it_was_asked_for(cloud: Lab, town: Town) -> None:
    found = cloud.instance(town.mail)
    assert (found["Status"], found["InstanceName"], found["OSType"]) == ("Running", "mail", "linux")
    assert (found["ZoneId"], found["RegionId"], found["InstanceType"]) == (
        "cn-hangzhou-h",
        "cn-hangzhou",
        "ecs.g6.large",
    )
    assert found["VpcAttributes"]["VpcId"] == town.stack.physical("Vpc")
    assert found["VpcAttributes"]["VSwitchId"] == town.stack.physical("VSwitch")
    assert found["SecurityGroupIds"]["SecurityGroupId"] == [town.stack.physical("Private")]
    assert {"TagKey": "opsctl:group", "TagValue": "mail"} in found["Tags"]["Tag"]
    assert found["CreationTime"].endswith("Z")


def test_hosts_of_a_group_are_numbered(cloud: Lab, town: Town) -> None:
    names = [cloud.instance(each)["InstanceName"] for each in town.web]
    assert names == ["web-01", "web-02"]
    assert [cloud.run(each, "hostname")[1].strip() for each in town.web] == ["web-01", "web-02"]


def test_hosts_are_found_by_status_name_address_group_and_tag(cloud: Lab, town: Town) -> None:
    def ids(**wanted: Any) -> set[str]:
        return {row["InstanceId"] for row in cloud.instances(**wanted)}

    vpc = town.stack.physical("Vpc")
    assert ids(VpcId=vpc) == {*town.web, town.mail}
    assert ids(VpcId=vpc, InstanceName="web-*") == set(town.web)
    assert ids(VpcId=vpc, PrivateIpAddresses='["192.168.0.77"]') == {town.mail}
    assert ids(VpcId=vpc, SecurityGroupId=town.stack.physical("Group")) == set(town.web)
    assert ids(VpcId=vpc, Tag=[{"Key": "opsctl:group", "Value": "mail"}]) == {town.mail}
    assert ids(VpcId=vpc, Status="Stopped") == set()
    assert ids(InstanceIds="[]") == set()


def test_the_private_address_is_the_one_asked_for(cloud: Lab, town: Town) -> None:
    assert town.stack.output("Address") == private(cloud.instance(town.mail)) == "192.168.0.77"
    assert "192.168.0.77/16" in cloud.run(town.mail, "ip -4 -o address show vpc0")[1]
    peer = private(cloud.instance(town.web[0]))
    assert peer.startswith("192.168.0.")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("192.168.0.77", "InvalidPrivateIpAddress.Duplicated"),
        ("192.168.9.9", "InvalidPrivateIpAddress"),
        ("192.168.0.0", "InvalidPrivateIpAddress"),
        ("192.168.0.255", "InvalidPrivateIpAddress"),
        ("here", "InvalidPrivateIpAddress.Malformed"),
    ],
)
def test_an_address_that_cannot_be_is_refused(cloud: Lab, town: Town, address: str, code: str) -> None:
    ids = {name: town.stack.physical(name) for name in ("VSwitch", "Group")}
    wanted = host(PrivateIpAddress=address, VSwitchId=ids["VSwitch"], SecurityGroupId=ids["Group"])
    stack = cloud.create(template({"Host": wanted}))
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert f"{code}: resources.Host:" in stack.reason
    assert address in stack.reason


def test_a_small_vswitch_holds_as_many_hosts_as_it_says(cloud: Lab) -> None:
    """Reservations only: the fifth of four addresses is refused, and with it the whole group."""
    net = network(cidr="192.168.7.0/29")
    free = cloud.create(template(net))
    (row,) = cloud.ask("vpc", "DescribeVSwitches", VpcId=free.physical("Vpc"))["VSwitches"]["VSwitch"]
    assert row["AvailableIpAddressCount"] == 4
    stack = cloud.create(template({**net, "Hosts": hosts(5)}))
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "QuotaExceeded.PrivateIpAddress" in stack.reason


def test_the_key_opens_the_door_and_a_password_does_not(cloud: Lab, town: Town, key: Key) -> None:
    address = outside(cloud, town.web[0])
    assert ssh(address, "hostname", keys=[key.path]).strip() == "web-01"
    assert "passwordauthentication no" in cloud.run(town.web[0], "sshd -T")[1]
    with pytest.raises(asyncssh.PermissionDenied):
        ssh(address, password=PASSWORD)


def test_the_password_opens_the_door(cloud: Lab, town: Town) -> None:
    address = outside(cloud, town.mail)
    assert ssh(address, "hostname", password=PASSWORD).strip() == "mail"
    with pytest.raises(asyncssh.PermissionDenied):
        ssh(address, password="Wrong-Password-1")


def test_no_trace_of_the_password_is_left_on_the_host(cloud: Lab, town: Town) -> None:
    places = "/etc /root /run /tmp /usr/local /var"
    script = f"grep -rlF -- '{PASSWORD[:10]}''{PASSWORD[10:]}' {places} 2>/dev/null"
    assert cloud.run(town.mail, script)[1] == ""


def test_user_data_runs_once_as_root_at_the_first_boot(cloud: Lab, town: Town) -> None:
    for each in town.web:
        until("user data", lambda each=each: cloud.run(each, "cat /root/told")[0] == 0)
        assert cloud.run(each, "cat /root/told /root/boots")[1] == "/root /root root\nbooted\n"


def test_every_host_has_a_machine_id_and_a_host_key_of_its_own(cloud: Lab, town: Town) -> None:
    told = [cloud.run(each, "cat /etc/machine-id; ssh-keygen -yf /etc/ssh/ssh_host_ed25519_key")[1] for each in town]
    ids, keys = zip(*(each.split("\n", 1) for each in told), strict=True)
    assert len(set(ids)) == len(set(keys)) == 3


def test_its_own_name_means_the_private_address(cloud: Lab, town: Town) -> None:
    assert cloud.run(town.mail, "hostname -i")[1].strip() == "192.168.0.77"
    assert cloud.run(town.mail, "getent hosts localhost")[0] == 0


def test_a_reboot_keeps_addresses_network_filter_and_first_boot(cloud: Lab, town: Town) -> None:
    one, other = town.web
    before = cloud.instance(one)
    cloud.ecs("RebootInstance", InstanceId=one)
    settled(cloud, one, "Running")
    after = cloud.instance(one)
    assert (private(after), outside(cloud, one)) == (private(before), outside(cloud, town.web[0]))
    until("the network", lambda: cloud.run(other, f"ping -c1 -W1 {private(after)}")[0] == 0)
    until("sshd", lambda: reaches(outside(cloud, one), 22))
    cloud.listen(one, 8080)
    assert not reaches(outside(cloud, one), 8080, 1)
    assert cloud.run(one, "cat /root/boots")[1] == "booted\n"


def test_a_host_is_stopped_and_started(cloud: Lab, town: Town) -> None:
    one, other = town.web
    address = private(cloud.instance(one))
    cloud.ecs("StopInstance", InstanceId=one)
    settled(cloud, one, "Stopped")
    assert cloud.run(other, f"ping -c1 -W1 {address}")[0] != 0
    for action in ("StopInstance", "RebootInstance"):
        refusal = cloud.refused("ecs", action, InstanceId=one)
        assert (refusal.status, refusal.code) == (403, "IncorrectInstanceStatus")
    refusal = cloud.refused("ecs", "RunCommand", Type="RunShellScript", CommandContent="id", InstanceId=[one])
    assert refusal.code == "InstanceNotRunning"
    (row,) = cloud.ecs("DescribeInstanceStatus", InstanceId=[one])["InstanceStatuses"]["InstanceStatus"]
    assert row == {"InstanceId": one, "Status": "Stopped"}
    cloud.ecs("StartInstance", InstanceId=one)
    settled(cloud, one, "Running")
    assert private(cloud.instance(one)) == address
    until("the network", lambda: cloud.run(other, f"ping -c1 -W1 {address}")[0] == 0)


def test_power_of_several_hosts_at_once(cloud: Lab, town: Town) -> None:
    answer = cloud.ecs("StopInstances", InstanceId=[town.mail, "i-nobody"], BatchOptimization="SuccessFirst")
    rows = {row["InstanceId"]: row for row in answer["InstanceResponses"]["InstanceResponse"]}
    assert rows["i-nobody"]["Code"] == "InvalidInstanceId.NotFound"
    assert rows[town.mail]["Code"] == "200"
    settled(cloud, town.mail, "Stopped")
    refusal = cloud.refused("ecs", "StartInstances", InstanceId=[town.mail, "i-nobody"])
    assert (refusal.status, refusal.code) == (404, "InvalidInstanceId.NotFound")
    assert cloud.instance(town.mail)["Status"] == "Stopped"
    cloud.ecs("StartInstances", InstanceId=[town.mail])
    settled(cloud, town.mail, "Running")


def test_a_host_knows_itself_by_the_metadata_service(cloud: Lab, town: Town) -> None:
    base = "http://100.100.100.200/latest"

    def get(path: str) -> str:
        return cloud.run(town.web[1], f"curl -sf {base}/{path}")[1]

    assert get("meta-data/instance-id") == town.web[1]
    assert get("meta-data/private-ipv4") == private(cloud.instance(town.web[1]))
    assert get("meta-data/vpc-id") == town.stack.physical("Vpc")
    assert get("meta-data/hostname") == "web-02"
    assert get("user-data").startswith("#!/bin/sh\necho booted")
    assert json.loads(get("dynamic/instance-identity/document"))["instance-id"] == town.web[1]


def test_a_group_grows_and_shrinks_and_keeps_who_stays(cloud: Lab) -> None:
    def body(amount: int) -> str:
        return template(
            {**network(), "Hosts": hosts(amount, InstanceName="n-[1,1]")}, {"Ids": att("Hosts", "InstanceIds")}
        )

    stack = cloud.create(body(1))
    assert stack.status == "CREATE_COMPLETE", stack.reason
    (first,) = stack.output("Ids")
    assert stack.physical("Hosts") == first
    started = cloud.instance(first)["StartTime"]
    assert stack.update(body(3)).status == "UPDATE_COMPLETE", stack.reason
    grown = stack.output("Ids")
    assert (grown[0], len(set(grown))) == (first, 3)
    assert [cloud.instance(each)["InstanceName"] for each in grown] == ["n-1", "n-2", "n-3"]
    assert cloud.instance(first)["StartTime"] == started
    addresses = [private(cloud.instance(each)) for each in grown]
    until("the new peers", lambda: cloud.run(first, f"ping -c1 -W1 {addresses[2]}")[0] == 0)
    assert stack.update(body(2)).status == "UPDATE_COMPLETE", stack.reason
    assert stack.output("Ids") == grown[:2]
    assert cloud.instances(InstanceIds=json.dumps([grown[2]])) == []
    assert not [name for name in cloud.containers() if name.endswith(grown[2])]
    assert stack.update(body(0)).status == "UPDATE_COMPLETE", stack.reason
    assert stack.output("Ids") == []
    assert stack.update(body(1)).status == "UPDATE_COMPLETE", stack.reason
    assert stack.delete().status == "DELETE_COMPLETE"


def test_a_failed_creation_leaves_nothing_in_docker(cloud: Lab) -> None:
    before = cloud.containers()
    bad = host(PrivateIpAddress="192.168.0.9") | {"DependsOn": ["One"]}
    stack = cloud.create(template({**network(), "One": host(PrivateIpAddress="192.168.0.9"), "Two": bad}))
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert "InvalidPrivateIpAddress.Duplicated: resources.Two" in stack.reason
    assert cloud.containers() == before


def test_a_host_that_broke_down_does_not_hold_up_its_peers(cloud: Lab) -> None:
    def body(amount: int) -> str:
        return template({**network(), "Hosts": hosts(amount)}, {"Ids": att("Hosts", "InstanceIds")})

    stack = cloud.create(body(2))
    docker("kill", cloud.container(stack.output("Ids")[1]))
    assert stack.update(body(3)).status == "UPDATE_COMPLETE", stack.reason
    assert cloud.instance(stack.output("Ids")[1])["Status"] == "Stopped"
    stack.delete()


def test_a_host_changes_its_password_and_its_key_where_it_runs(cloud: Lab, key: Key) -> None:
    def body(**properties: Any) -> str:
        return template({**network(), "Host": host(**properties)}, {"Id": ref("Host")})

    stack = cloud.create(body(Password="First-Password-1"))
    address = outside(cloud, stack.output("Id"))
    assert ssh(address, "echo in", password="First-Password-1") == "in\n"
    stack.update(body(Password="Second-Password-2", UserData="#!/bin/sh\ntouch /root/never\n"))
    assert stack.status == "UPDATE_COMPLETE", stack.reason
    assert ssh(address, "ls /root/never || echo never", password="Second-Password-2") == "never\n"
    with pytest.raises(asyncssh.PermissionDenied):
        ssh(address, password="First-Password-1")
    stack.update(body(KeyPairName="town-key", UserData="#!/bin/sh\ntouch /root/never\n"))
    assert ssh(address, "echo in", keys=[key.path]) == "in\n"
    stack.delete()


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"ImageId": "centos_7"}, "InvalidImageId.NotFound"),
        ({"Password": "short"}, "InvalidPassword.Malformed"),
        ({"KeyPairName": "nobody"}, "InvalidKeyPairName.NotFound"),
        ({"SecurityGroupId": "sg-nobody"}, "InvalidSecurityGroupId.NotFound"),
        ({"UserData": "#cloud-config\n"}, "NotSupported"),
    ],
)
def test_a_host_that_cannot_be_says_why(cloud: Lab, town: Town, properties: dict[str, Any], code: str) -> None:
    ids = {"VSwitchId": town.stack.physical("VSwitch"), "SecurityGroupId": town.stack.physical("Group")}
    stack: Stack = cloud.create(template({"Host": host(**{**ids, **properties})}))
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert stack.reason.startswith(f"Resource CREATE failed: {code}: resources.Host: ")


@pytest.mark.parametrize("how", ["DeleteInstance", "docker rm"])
def test_a_released_host_is_gone_for_good_and_its_group_can_grow_past_it(cloud: Lab, how: str) -> None:
    def body(amount: int) -> str:
        return template(
            {**network(), "Hosts": hosts(amount, InstanceName="n-[1,1]")},
            {"Ids": att("Hosts", "InstanceIds"), "Ips": att("Hosts", "PrivateIps")},
        )

    stack = cloud.create(body(2))
    stays, goes = stack.output("Ids")
    if how == "DeleteInstance":
        refusal = cloud.refused("ecs", "DeleteInstance", InstanceId=goes)
        assert (refusal.status, refusal.code) == (403, "IncorrectInstanceStatus")
        cloud.ecs("DeleteInstance", InstanceId=goes, Force=True)
    else:
        docker("rm", "--force", cloud.container(goes))
        cloud.ecs("RebootInstances", InstanceId=[goes], ForceReboot=True)
    until("the release", lambda: not cloud.instances(InstanceIds=json.dumps([goes])))
    assert cloud.refused("ecs", "StartInstance", InstanceId=goes).code == "InvalidInstanceId.NotFound"
    assert (stack.output("Ids"), len(stack.output("Ips"))) == ([stays, goes], 1)
    assert stack.update(body(3)).status == "UPDATE_COMPLETE", stack.reason
    known, gone, new = stack.output("Ids")
    assert (known, gone) == (stays, goes)
    assert cloud.instance(new)["InstanceName"] == "n-3"
    assert not cloud.instances(InstanceIds=json.dumps([goes]))
    assert stack.delete().status == "DELETE_COMPLETE"
