"""VPC 2016-04-28: the reading half. Shapes after facts: ecs-api, section 5."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from opsctl.localcloud.cloud import REGION, Cloud, iso
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.hosts.fleet import RESERVED
from opsctl.localcloud.models import Tags, Vpc, VSwitch
from opsctl.localcloud.paging import page, tagged

VERSION = "2016-04-28"


class VpcApi:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def actions(self) -> dict[tuple[str, str], Callable[[Request], Mapping[str, Any]]]:
        return {(VERSION, "DescribeVpcs"): self.describe_vpcs, (VERSION, "DescribeVSwitches"): self.describe_vswitches}

    def describe_vpcs(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        ids, name = [each for each in params.text("VpcId").split(",") if each], params.text("VpcName")
        rows = [
            row
            for row in self._cloud.vpcs
            if (not ids or row.vpc_id in ids) and (not name or row.name == name) and tagged(params, row.tags)
        ]
        return page(params, "Vpcs", "Vpc", [self._vpc(row) for row in rows], limit=50)

    def describe_vswitches(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        wanted = {"vpc_id": "VpcId", "vswitch_id": "VSwitchId", "zone_id": "ZoneId", "name": "VSwitchName"}
        rows = [
            row
            for row in self._cloud.vswitches
            if all(params.text(key) in ("", getattr(row, field)) for field, key in wanted.items())
            and tagged(params, row.tags)
        ]
        return page(params, "VSwitches", "VSwitch", [self._vswitch(row) for row in rows], limit=50)

    def _vpc(self, row: Vpc) -> dict[str, Any]:
        inside = [each.vswitch_id for each in self._cloud.vswitches if each.vpc_id == row.vpc_id]
        return {
            "VpcId": row.vpc_id,
            "VpcName": row.name,
            "Status": "Available",
            "CidrBlock": row.cidr,
            "RegionId": REGION,
            "CreationTime": iso(row.create_time),
            "Description": row.description,
            "IsDefault": False,
            "VRouterId": row.router_id,
            "VSwitchIds": {"VSwitchId": inside},
            "UserCidrs": {"UserCidr": []},
            "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
            "RouterTableIds": {"RouterTableIds": [row.route_table_id]},
            "NatGatewayIds": {"NatGatewayIds": []},
            "Tags": {"Tag": _tags(row.tags)},
            "ResourceGroupId": "rg-default",
        }

    def _vswitch(self, row: VSwitch) -> dict[str, Any]:
        used = sum(each.vswitch_id == row.vswitch_id for each in self._cloud.instances)
        return {
            "VSwitchId": row.vswitch_id,
            "VSwitchName": row.name,
            "VpcId": row.vpc_id,
            "ZoneId": row.zone_id,
            "CidrBlock": row.cidr,
            "Status": "Available",
            "AvailableIpAddressCount": ipaddress.ip_network(row.cidr).num_addresses - 1 - RESERVED - used,
            "CreationTime": iso(row.create_time),
            "Description": row.description,
            "IsDefault": False,
            "RouteTable": {"RouteTableId": self._cloud.vpcs[row.vpc_id].route_table_id, "RouteTableType": "System"},
            "NetworkAclId": "",
            "Tags": {"Tag": _tags(row.tags)},
        }


def _tags(tags: Tags) -> list[dict[str, str]]:
    """Requests and VPC answers say Key and Value; ECS answers say TagKey and TagValue."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
