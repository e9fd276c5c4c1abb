"""VPC, VSwitch, security groups."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any, ClassVar

from opsctl.localcloud.cloud import ZONES, Cloud
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.firewall import Rule, rule
from opsctl.localcloud.ids import new_id
from opsctl.localcloud.models import SecurityGroup, VSwitch
from opsctl.localcloud.models import Vpc as VpcRecord
from opsctl.localcloud.resources.base import TAGS, Context, Properties, Property, Resource, ResourceError, tags_of

NAME = Property(update=True, pattern=r"(?!https?://).{1,128}")


def network(text: str, what: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ResourceError(f"{what} {text} is invalid: {error}", "VPCResourceException") from None


def vpc_of(cloud: Cloud, vpc_id: str) -> VpcRecord:
    found = cloud.vpcs.get(vpc_id)
    if found is None:
        raise ResourceError(f"Specified VPC {vpc_id} does not exist.", "InvalidVpcId.NotFound")
    return found


class Vpc(Resource):
    type: ClassVar[str] = "ALIYUN::ECS::VPC"
    prefix = "vpc"
    properties = {
        "CidrBlock": Property(),
        "VpcName": NAME,
        "Description": Property(update=True),
        "ResourceGroupId": Property(),
        "Tags": TAGS,
        "EnableIpv6": Property("boolean"),
    }
    attributes = frozenset({"VpcId", "VRouterId", "RouteTableId", "VpcName"})

    def create(self, context: Context, properties: Properties) -> None:
        cloud = context.cloud
        if properties.get("EnableIpv6"):
            raise ResourceError("IPv6 is not supported by the local cloud.", "NotSupported")
        if cloud.vpcs.get(context.physical_id):
            return
        cidr = network(properties.get("CidrBlock") or "172.16.0.0/12", "CidrBlock")
        if not 8 <= cidr.prefixlen <= 28:
            raise ResourceError(f"CidrBlock {cidr} must have a prefix of 8 to 28 bits.", "VPCResourceException")
        cloud.vpcs.put(
            VpcRecord(
                vpc_id=context.physical_id,
                name=properties.get("VpcName", ""),
                cidr=str(cidr),
                region_id="",
                vni=cloud.next_vni(),
                create_time=cloud.timestamp(),
                description=properties.get("Description", ""),
                router_id=new_id("vrt"),
                route_table_id=new_id("vtb"),
                tags=tags_of(context, properties),
            )
        )

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        vpc = context.cloud.vpcs[context.physical_id]
        name, text = new.get("VpcName", ""), new.get("Description", "")
        context.cloud.vpcs.put(replace(vpc, name=name, description=text, tags=tags_of(context, new)))

    def delete(self, context: Context) -> None:
        cloud = context.cloud
        inside = [row.vswitch_id for row in cloud.vswitches if row.vpc_id == context.physical_id]
        inside += [row.security_group_id for row in cloud.groups if row.vpc_id == context.physical_id]
        if inside:
            raise ResourceError(f"The VPC still holds {', '.join(inside[:3])}.", "DependencyViolation")
        cloud.vpcs.delete(context.physical_id)

    def attribute(self, context: Context, name: str) -> Any:
        vpc = context.cloud.vpcs[context.physical_id]
        return {
            "VpcId": vpc.vpc_id,
            "VRouterId": vpc.router_id,
            "RouteTableId": vpc.route_table_id,
            "VpcName": vpc.name,
        }[name]


class VSwitchType(Resource):
    type: ClassVar[str] = "ALIYUN::ECS::VSwitch"
    prefix = "vsw"
    properties = {
        "ZoneId": Property(required=True),
        "VpcId": Property(required=True),
        "CidrBlock": Property(required=True),
        "VSwitchName": NAME,
        "Description": Property(update=True),
        "Tags": TAGS,
    }
    attributes = frozenset({"VSwitchId", "CidrBlock", "VSwitchName"})

    def create(self, context: Context, properties: Properties) -> None:
        cloud = context.cloud
        if cloud.vswitches.get(context.physical_id):
            return
        vpc = vpc_of(cloud, properties["VpcId"])
        zone = properties["ZoneId"]
        if zone not in ZONES:
            raise ResourceError(f"Zone {zone} does not exist; there are {', '.join(ZONES)}.", "InvalidZoneId.NotFound")
        cidr = network(properties["CidrBlock"], "CidrBlock")
        if not cidr.subnet_of(ipaddress.IPv4Network(vpc.cidr)):
            raise ResourceError(f"CidrBlock {cidr} is not inside the VPC's {vpc.cidr}.", "InvalidCidrBlock.NotInVpc")
        with cloud.store.transaction():
            for other in cloud.vswitches:
                if other.vpc_id == vpc.vpc_id and cidr.overlaps(ipaddress.IPv4Network(other.cidr)):
                    text = f"CidrBlock {cidr} overlaps {other.cidr} of {other.vswitch_id}."
                    raise ResourceError(text, "InvalidCidrBlock.Overlapped")
            cloud.vswitches.put(
                VSwitch(
                    vswitch_id=context.physical_id,
                    vpc_id=vpc.vpc_id,
                    zone_id=zone,
                    cidr=str(cidr),
                    name=properties.get("VSwitchName", ""),
                    create_time=cloud.timestamp(),
                    description=properties.get("Description", ""),
                    tags=tags_of(context, properties),
                )
            )

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        row = context.cloud.vswitches[context.physical_id]
        name, text = new.get("VSwitchName", ""), new.get("Description", "")
        context.cloud.vswitches.put(replace(row, name=name, description=text, tags=tags_of(context, new)))

    def delete(self, context: Context) -> None:
        cloud = context.cloud
        inside = [row.instance_id for row in cloud.instances if row.vswitch_id == context.physical_id]
        if inside:
            raise ResourceError(f"The VSwitch still holds {', '.join(inside[:3])}.", "DependencyViolation")
        cloud.vswitches.delete(context.physical_id)

    def attribute(self, context: Context, name: str) -> Any:
        row = context.cloud.vswitches[context.physical_id]
        return {"VSwitchId": row.vswitch_id, "CidrBlock": row.cidr, "VSwitchName": row.name}[name]


def rules_of(properties: Properties) -> list[Rule]:
    """The inline rules of a SecurityGroup."""
    sides = (("ingress", "SecurityGroupIngress"), ("egress", "SecurityGroupEgress"))
    return [rule(direction, raw) for direction, name in sides for raw in properties.get(name) or []]


def _checked(direction: str, raw: Any, path: str) -> Any:
    """An inline rule as it stands in the template, once it is sure to be one."""
    if not isinstance(raw, dict):
        raise ApiError("StackValidationFailed", f"{path}: a rule is a map, not {type(raw).__name__}.")
    try:
        rule(direction, raw)
    except ApiError as error:
        raise ApiError("StackValidationFailed", f"{path}: {error}") from error
    return raw


class SecurityGroupType(Resource):
    type: ClassVar[str] = "ALIYUN::ECS::SecurityGroup"
    prefix = "sg"
    properties = {
        "VpcId": Property(required=True),
        "SecurityGroupName": Property(),
        "SecurityGroupType": Property(allowed=("normal", "enterprise")),
        "SecurityGroupIngress": Property("list", update=True, item=lambda raw, path: _checked("ingress", raw, path)),
        "SecurityGroupEgress": Property("list", update=True, item=lambda raw, path: _checked("egress", raw, path)),
        "Description": Property(),
        "ResourceGroupId": Property(),
        "Tags": TAGS,
    }
    attributes = frozenset({"SecurityGroupId", "SecurityGroupName", "VpcId", "Description", "SecurityGroupType"})

    def create(self, context: Context, properties: Properties) -> None:
        cloud = context.cloud
        if cloud.groups.get(context.physical_id):
            return
        vpc = vpc_of(cloud, properties["VpcId"])
        cloud.groups.put(
            SecurityGroup(
                security_group_id=context.physical_id,
                vpc_id=vpc.vpc_id,
                name=properties.get("SecurityGroupName", ""),
                create_time=cloud.timestamp(),
                description=properties.get("Description", ""),
                type=properties.get("SecurityGroupType", "normal"),
                rules={context.physical_id: rules_of(properties)},
                tags=tags_of(context, properties),
            )
        )

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        set_rules(context, context.physical_id, context.physical_id, rules_of(new))
        row = context.cloud.groups[context.physical_id]
        context.cloud.groups.put(replace(row, tags=tags_of(context, new)))

    def delete(self, context: Context) -> None:
        inside = [row.instance_id for row in context.cloud.instances if context.physical_id in row.security_group_ids]
        if inside:
            raise ResourceError(f"The security group still holds {', '.join(inside[:3])}.", "DependencyViolation")
        context.cloud.groups.delete(context.physical_id)

    def attribute(self, context: Context, name: str) -> Any:
        row = context.cloud.groups[context.physical_id]
        return {
            "SecurityGroupId": row.security_group_id,
            "SecurityGroupName": row.name,
            "VpcId": row.vpc_id,
            "Description": row.description,
            "SecurityGroupType": row.type,
        }[name]


def set_rules(context: Context, group_id: str, owner: str, rules: list[Rule] | None) -> None:
    """Replace (or with None remove) what ``owner`` added to a group, and let the hosts know."""
    cloud = context.cloud
    with cloud.store.transaction():
        group = cloud.groups.get(group_id)
        if group is None:
            if rules is None:
                return
            raise ResourceError(f"Security group {group_id} does not exist.", "InvalidSecurityGroupId.NotFound")
        kept = {key: value for key, value in group.rules.items() if key != owner}
        cloud.groups.put(replace(group, rules=kept if rules is None else {**kept, owner: rules}))
    context.fleet.refresh([group_id])


class _OneRule(Resource):
    """A rule as a resource of its own; its physical id is the group's."""

    direction: ClassVar[str]
    attributes = frozenset[str]()

    def new_id(self, properties: Properties) -> str:
        return str(properties["SecurityGroupId"])

    def create(self, context: Context, properties: Properties) -> None:
        set_rules(context, context.physical_id, context.key, [rule(self.direction, properties)])

    def delete(self, context: Context) -> None:
        set_rules(context, context.physical_id, context.key, None)


def _rule_properties(side: str) -> dict[str, Property]:
    return {
        "SecurityGroupId": Property(required=True),
        "IpProtocol": Property(required=True),
        "PortRange": Property(required=True),
        "Policy": Property(allowed=("accept", "drop")),
        "Priority": Property("number", low=1, high=100),
        "NicType": Property(allowed=("internet", "intranet")),
        "Description": Property(),
        f"{side}CidrIp": Property(),
        f"{side}GroupId": Property(),
    }


class Ingress(_OneRule):
    type: ClassVar[str] = "ALIYUN::ECS::SecurityGroupIngress"
    direction = "ingress"
    properties = _rule_properties("Source")


class Egress(_OneRule):
    type: ClassVar[str] = "ALIYUN::ECS::SecurityGroupEgress"
    direction = "egress"
    properties = _rule_properties("Dest")


VPC = (Vpc, VSwitchType, SecurityGroupType, Ingress, Egress)
