"""Pieces of templates, so that a test shows what it is about and not the network around it."""

from __future__ import annotations

import json
from typing import Any

Piece = dict[str, Any]

ANYONE = "0.0.0.0/0"
ZONE = "cn-hangzhou-h"


def template(
    resources: dict[str, Piece], outputs: dict[str, Any] | None = None, parameters: dict[str, Piece] | None = None
) -> str:
    """A whole template; ``outputs`` maps names to values."""
    return json.dumps(
        {
            "ROSTemplateFormatVersion": "2015-09-01",
            "Parameters": parameters or {},
            "Resources": resources,
            "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()},
        }
    )


def ref(name: str) -> Piece:
    return {"Ref": name}


def att(name: str, attribute: str) -> Piece:
    return {"Fn::GetAtt": [name, attribute]}


def piece(kind: str, properties: Piece | None = None, **more: Any) -> Piece:
    """A resource; ``more`` holds DependsOn, DeletionPolicy, Count, Condition."""
    return {"Type": kind, "Properties": properties or {}, **more}


def vpc(cidr: str = "192.168.0.0/16", **properties: Any) -> Piece:
    return piece("ALIYUN::ECS::VPC", {"CidrBlock": cidr, **properties})


def vswitch(cidr: str = "192.168.0.0/24", of: str = "Vpc", **properties: Any) -> Piece:
    return piece("ALIYUN::ECS::VSwitch", {"VpcId": ref(of), "ZoneId": ZONE, "CidrBlock": cidr, **properties})


def allow(ports: str, source: Any = ANYONE, protocol: str = "tcp", **rule: Any) -> Piece:
    """An ingress rule; ``source`` is a range, or the reference to a group."""
    side = "SourceCidrIp" if isinstance(source, str) else "SourceGroupId"
    return {"IpProtocol": protocol, "PortRange": ports, side: source, **rule}


SSH = allow("22/22")


def group(*ingress: Piece, of: str = "Vpc", **properties: Any) -> Piece:
    wanted = {"VpcId": ref(of), "SecurityGroupIngress": list(ingress), **properties}
    return piece("ALIYUN::ECS::SecurityGroup", wanted)


def _machine(group: str, vswitch: str) -> Piece:
    return {
        "ImageId": "debian_12",
        "InstanceType": "ecs.g6.large",
        "VSwitchId": ref(vswitch),
        "SecurityGroupId": ref(group),
    }


def host(group: str = "Group", vswitch: str = "VSwitch", **properties: Any) -> Piece:
    return piece("ALIYUN::ECS::Instance", {**_machine(group, vswitch), **properties})


def hosts(amount: Any, group: str = "Group", vswitch: str = "VSwitch", **properties: Any) -> Piece:
    wanted = {**_machine(group, vswitch), "MaxAmount": amount, **properties}
    return piece("ALIYUN::ECS::InstanceGroup", wanted)


def network(*ingress: Piece, cidr: str = "192.168.0.0/24") -> dict[str, Piece]:
    """A VPC, a VSwitch and a security group to put hosts into."""
    return {"Vpc": vpc(), "VSwitch": vswitch(cidr), "Group": group(*(ingress or (SSH,)))}


def handle(**properties: Any) -> Piece:
    return piece("ALIYUN::ROS::WaitConditionHandle", properties)


def condition(timeout: int, of: str = "Handle", **properties: Any) -> Piece:
    return piece("ALIYUN::ROS::WaitCondition", {"Handle": ref(of), "Timeout": timeout, **properties})


def sleep(seconds: float = 0, **more: Any) -> Piece:
    return piece("ALIYUN::ROS::Sleep", {"CreateDuration": seconds}, **more)
