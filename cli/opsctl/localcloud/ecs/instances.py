"""Instances over the API: list, start, stop, reboot (facts: ecs-api, section 2)."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from opsctl.localcloud.cloud import REGION, ZONES, Cloud, minute
from opsctl.localcloud.errors import ApiError, invalid_parameter
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.hosts.fleet import Fleet
from opsctl.localcloud.ids import interface_id, mac
from opsctl.localcloud.models import Instance
from opsctl.localcloud.paging import page, tagged

VERSION = "2014-05-26"
STATUSES = ("Pending", "Starting", "Running", "Stopping", "Stopped")
_SIZE = re.compile(r"ecs\.(\w+?)\d*\w*\.(\d*)(x?large|small|medium|nano)")
_RATIO = {"c": 2, "g": 4, "r": 8}
_PLAIN = {
    "ZoneId": "zone_id",
    "VpcId": "vpc_id",
    "VSwitchId": "vswitch_id",
    "ImageId": "image_id",
    "InstanceType": "instance_type",
    "KeyPairName": "key_pair_name",
}
Answer = Mapping[str, Any]


class InstanceApi:
    def __init__(self, cloud: Cloud, fleet: Fleet) -> None:
        self._cloud = cloud
        self._fleet = fleet

    def actions(self) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        return {
            (VERSION, "DescribeInstances"): self.describe_instances,
            (VERSION, "DescribeInstanceStatus"): self.describe_instance_status,
            (VERSION, "DescribeZones"): self.describe_zones,
            (VERSION, "StartInstance"): lambda request: self._one(request, "Stopped", self._start),
            (VERSION, "StopInstance"): lambda request: self._one(request, "Running", self._stop),
            (VERSION, "RebootInstance"): lambda request: self._one(request, "Running", self._reboot),
            (VERSION, "DeleteInstance"): self.delete_instance,
            (VERSION, "DeleteInstances"): self.delete_instances,
            (VERSION, "StartInstances"): lambda request: self._many(request, "Stopped", self._start),
            (VERSION, "StopInstances"): lambda request: self._many(request, "Running", self._stop),
            (VERSION, "RebootInstances"): lambda request: self._many(request, "Running", self._reboot),
        }

    # --- reading -------------------------------------------------------------------------------------------------

    def describe_instances(self, request: Request) -> Answer:
        params = request.params
        status = params.text("Status")
        if status and status not in STATUSES:
            raise ApiError("InvalidStatus.NotFound", "The specified Status is not found.", 404)
        rows = [row for row in self._cloud.instances if self._matches(row, params)]
        return page(params, "Instances", "Instance", [self._view(row) for row in rows], limit=100)

    def _matches(self, row: Instance, params: Params) -> bool:
        ids, private = _json_list(params, "InstanceIds"), _json_list(params, "PrivateIpAddresses")
        public, group = _json_list(params, "PublicIpAddresses"), params.text("SecurityGroupId")
        return (
            (ids is None or row.instance_id in ids)
            and (private is None or row.private_ip in private)
            and (public is None or (row.public and row.address in public))
            and (not group or group in row.security_group_ids)
            and params.text("Status") in ("", row.status)
            and fnmatch.fnmatchcase(row.name, params.text("InstanceName", "*"))
            and all(params.text(key) in ("", getattr(row, field)) for key, field in _PLAIN.items())
            and tagged(params, _tags(row))
        )

    def describe_instance_status(self, request: Request) -> Answer:
        params = request.params
        ids, zone = params.names("InstanceId"), params.text("ZoneId")
        rows = [
            {"InstanceId": row.instance_id, "Status": row.status}
            for row in self._cloud.instances
            if (not ids or row.instance_id in ids) and zone in ("", row.zone_id)
        ]
        return page(params, "InstanceStatuses", "InstanceStatus", rows, limit=50)

    def describe_zones(self, request: Request) -> Answer:
        return {
            "Zones": {"Zone": [{"ZoneId": zone, "LocalName": zone, "ZoneType": "AvailabilityZone"} for zone in ZONES]}
        }

    def _view(self, row: Instance) -> dict[str, Any]:
        cpu, memory = size(row.instance_type)
        return {
            "InstanceId": row.instance_id,
            "InstanceName": row.name,
            "HostName": row.host_name,
            "Description": row.description,
            "Status": row.status,
            "RegionId": REGION,
            "ZoneId": row.zone_id,
            "ClusterId": "",
            "ResourceGroupId": "rg-default",
            "ImageId": row.image_id,
            "OSName": "Debian  12 64 bit",
            "OSNameEn": "Debian  12 64 bit",
            "OSType": "linux",
            "InstanceType": row.instance_type,
            "InstanceTypeFamily": row.instance_type.rpartition(".")[0],
            "Cpu": cpu,
            "Memory": memory,
            "GPUAmount": 0,
            "GPUSpec": "",
            "CreationTime": minute(row.create_time),
            "StartTime": minute(row.start_time),
            "ExpiredTime": "2099-12-31T15:59Z",
            "AutoReleaseTime": "",
            "InstanceNetworkType": "vpc",
            "SerialNumber": row.serial_number,
            "VpcAttributes": {
                "VpcId": row.vpc_id,
                "VSwitchId": row.vswitch_id,
                "NatIpAddress": "",
                "PrivateIpAddress": {"IpAddress": [row.private_ip]},
            },
            "PublicIpAddress": {"IpAddress": [row.address] if row.public else []},
            "InnerIpAddress": {"IpAddress": []},
            "EipAddress": {"AllocationId": "", "IpAddress": "", "InternetChargeType": "", "Bandwidth": 0},
            "NetworkInterfaces": {"NetworkInterface": [_interface(row)]},
            "SecurityGroupIds": {"SecurityGroupId": row.security_group_ids},
            "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in _tags(row).items()]},
            "InternetChargeType": "PayByTraffic",
            "InternetMaxBandwidthIn": 0,
            "InternetMaxBandwidthOut": row.bandwidth_out,
            "InstanceChargeType": "PostPaid",
            "SpotStrategy": "NoSpot",
            "KeyPairName": row.key_pair_name,
            "DeletionProtection": False,
            "DeviceAvailable": True,
            "StoppedMode": "KeepCharging" if row.status == "Stopped" else "Not-applicable",
            "OperationLocks": {"LockReason": []},
            "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": row.http_tokens},
        }

    # --- power ---------------------------------------------------------------------------------------------------

    def _start(self, row: Instance, params: Params) -> str:
        self._fleet.begin(row, "start")
        return "Starting"

    def _stop(self, row: Instance, params: Params) -> str:
        self._fleet.begin(row, "stop", force=params.boolean("ForceStop"))
        return "Stopping"

    def _reboot(self, row: Instance, params: Params) -> str:
        self._fleet.begin(row, "reboot", force=params.boolean("ForceStop") or params.boolean("ForceReboot"))
        return "Stopping"

    def delete_instance(self, request: Request) -> Answer:
        return self._release([request.params.required("InstanceId")], request.params, "DryRunOperation")

    def delete_instances(self, request: Request) -> Answer:
        return self._release(request.params.names("InstanceId"), request.params, "DRYRUN.SUCCESS")

    def _release(self, ids: list[str], params: Params, dry: str) -> Answer:
        if not 1 <= len(ids) <= 100:
            raise invalid_parameter("InstanceId", "1 to 100 ids are needed")
        for each in ids:
            row = self._instance(each)
            if not params.boolean("Force"):
                _in_status(row, "Stopped")
        _dry(params, dry)
        for each in ids:
            self._fleet.release(each)
        return {}

    def _one(self, request: Request, needed: str, act: Callable[[Instance, Params], str]) -> Answer:
        row = self._instance(request.params.required("InstanceId"))
        _in_status(row, needed)
        _dry(request.params, "DryRunOperation")
        act(row, request.params)
        return {}

    def _many(self, request: Request, needed: str, act: Callable[[Instance, Params], str]) -> Answer:
        params = request.params
        ids = params.names("InstanceId")
        if not 1 <= len(ids) <= 100:
            raise invalid_parameter("InstanceId", "1 to 100 ids are needed")
        lenient = params.text("BatchOptimization") == "SuccessFirst"
        rows, responses = [], []
        for each in ids:
            try:
                rows.append(self._instance(each))
                _in_status(rows[-1], needed)
            except ApiError as error:
                if not lenient:
                    raise
                responses.append(_response(each, error.code, str(error), "", ""))
                rows = [row for row in rows if row.instance_id != each]
        _dry(params, "DRYRUN.SUCCESS")
        for row in rows:
            responses.append(_response(row.instance_id, "200", "success", row.status, act(row, params)))
        return {"InstanceResponses": {"InstanceResponse": responses}}

    def _instance(self, instance_id: str) -> Instance:
        row = self._cloud.instances.get(instance_id)
        if row is None:
            raise ApiError("InvalidInstanceId.NotFound", "The specified InstanceId does not exist.", 404)
        return row


def size(instance_type: str) -> tuple[int, int]:
    """vCPUs and MiB that a type's name promises (``ecs.g6.xlarge``: 4 and 16384); hosts here share the machine's."""
    found = _SIZE.match(instance_type)
    if not found:
        return 1, 1024
    family, factor, word = found.groups()
    cpu = {"xlarge": 4 * int(factor or 1), "large": 2}.get(word, 1)
    return cpu, cpu * _RATIO.get(family[0], 2) * 1024


def _tags(row: Instance) -> dict[str, str]:
    """Without a public address a host is reached on the Docker side; a tag tells the inventory so."""
    return row.tags if row.public else {**row.tags, "opsctl:ssh-address": row.address}


def _interface(row: Instance) -> dict[str, Any]:
    address = {"PrivateIpAddress": row.private_ip, "Primary": True}
    return {
        "NetworkInterfaceId": interface_id(row.instance_id),
        "Type": "Primary",
        "MacAddress": mac(row.instance_id),
        "PrimaryIpAddress": row.private_ip,
        "PrivateIpSets": {"PrivateIpSet": [address]},
        "Ipv6Sets": {"Ipv6Set": []},
    }


def _json_list(params: Params, name: str) -> list[str] | None:
    """A list that the caller wrote as JSON text; ``[]`` is a filter that nothing passes."""
    text = params.text(name)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) > 100:
        raise invalid_parameter(name, 'a JSON list of at most 100 is needed, like ["i-1"]')
    return [str(each) for each in found]


def _in_status(row: Instance, needed: str) -> None:
    if row.status != needed:
        message = "The current status of the resource does not support this operation."
        raise ApiError("IncorrectInstanceStatus", message, 403)


def _dry(params: Params, code: str) -> None:
    if params.boolean("DryRun"):
        raise ApiError(code, "Request validation has been passed with DryRun flag set.")


def _response(instance_id: str, code: str, message: str, before: str, now: str) -> dict[str, str]:
    return {
        "InstanceId": instance_id,
        "Code": code,
        "Message": message,
        "PreviousStatus": before,
        "CurrentStatus": now,
    }
