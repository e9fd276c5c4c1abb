"""The hosts of a real cloud as Zabbix is told of them."""

from __future__ import annotations

from opsctl.clouds import access
from opsctl.monitor.hosts import wanted
from opsctl.monitor.sync import hosts_of
from opsctl.settings import LOCAL, Cloud

from .lab import Lab, until
from .parts import hosts, network, template

ONE = template({**network(), "Nodes": hosts(1, Tags=[{"Key": "opsctl:group", "Value": "redis"}])})


def test_hosts_are_told_with_group_and_address_also_when_they_are_stopped(cloud: Lab) -> None:
    stack = cloud.create(ONE)
    assert stack.status == "CREATE_COMPLETE", stack.reason
    way = access(LOCAL, Cloud(region="cn-hangzhou"), cloud.home)
    (variables,) = hosts_of(way)[stack.name].values()
    instance = str(variables["instance_id"])
    (one,) = wanted(stack.name, hosts_of(way)[stack.name])
    assert one.groups == ("opsctl", f"opsctl/{stack.name}", f"opsctl/{stack.name}/redis")
    assert one.tags == (("opsctl_group", "redis"),)
    assert one.address == variables["private_ip"]
    cloud.ecs("StopInstance", InstanceId=instance, ForceStop=True)
    until("the host to stop", lambda: cloud.instance(instance)["Status"] == "Stopped")
    assert wanted(stack.name, hosts_of(way)[stack.name]) == [one]
    stack.delete()
    assert stack.name not in hosts_of(way)
