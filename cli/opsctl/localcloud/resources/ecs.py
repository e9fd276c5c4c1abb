"""Instances, groups of them, key pairs, commands on them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import replace
from typing import Any, ClassVar

from opsctl.localcloud.hosts.assistant import record_status
from opsctl.localcloud.ids import new_hex, new_id
from opsctl.localcloud.models import Command, KeyPair
from opsctl.localcloud.resources.base import (
    TAGS,
    Context,
    Properties,
    Property,
    Resource,
    ResourceError,
    tags_of,
    text,
)
from opsctl.localcloud.resources.instances import launch, reset, retag

# Accepted as asked and kept in the record, without effect on a container.
_NEUTRAL = (
    "SystemDiskCategory",
    "SystemDiskDiskName",
    "SystemDiskDescription",
    "SystemDiskPerformanceLevel",
    "SystemDiskAutoSnapshotPolicyId",
    "IoOptimized",
    "InstanceChargeType",
    "PeriodUnit",
    "InternetChargeType",
    "SpotStrategy",
    "SpotPriceLimit",
    "AutoRenew",
    "ResourceGroupId",
    "NetworkType",
    "DeploymentSetId",
    "DedicatedHostId",
    "CreditSpecification",
    "Tenancy",
    "SecurityEnhancementStrategy",
)
_NEUTRAL_NUMBERS = (
    "SystemDiskSize",
    "Period",
    "AutoRenewPeriod",
    "InternetMaxBandwidthIn",
    "SpotDuration",
    "SystemDiskProvisionedIops",
)

_COMMON: dict[str, Property] = {
    "ImageId": Property(required=True, update=True),
    "InstanceType": Property(required=True, update=True),
    "VpcId": Property(),
    "VSwitchId": Property(required=True),
    "ZoneId": Property(),
    "SecurityGroupId": Property(),
    "SecurityGroupIds": Property("list", item=text),
    "InstanceName": Property(low=1, high=128),
    "HostName": Property(low=2, high=64),
    "Description": Property(update=True),
    "Password": Property(update=True, secret=True),
    "KeyPairName": Property(update=True),
    "UserData": Property(update=True, secret=True),
    "AllocatePublicIP": Property("boolean"),
    "InternetMaxBandwidthOut": Property("number", low=0, high=200),
    "PrivateIpAddress": Property(),
    "DeletionProtection": Property("boolean"),
    "HttpTokens": Property(allowed=("optional", "required")),
    "Tags": TAGS,
    **{name: Property(update=True) for name in _NEUTRAL},
    **{name: Property("number", update=True) for name in _NEUTRAL_NUMBERS},
}


class InstanceType(Resource):
    type: ClassVar[str] = "ALIYUN::ECS::Instance"
    prefix = "i"
    properties = {**_COMMON, "InstanceType": Property(required=True)}
    attributes = frozenset(
        {
            "InstanceId",
            "PrivateIp",
            "PublicIp",
            "InnerIp",
            "HostName",
            "ZoneId",
            "InstanceName",
            "ImageId",
            "InstanceType",
            "VpcAttributes",
            "SecurityGroupIds",
            "Tags",
            "CreateTime",
            "StartTime",
            "SerialNumber",
            "KeyPairName",
            "Description",
            "OsType",
        }
    )

    def create(self, context: Context, properties: Properties) -> None:
        launch(context, properties, [context.physical_id])

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        reset(context, old, new, context.physical_id)
        retag(context, new, [context.physical_id])

    def delete(self, context: Context) -> None:
        context.fleet.forget(context.physical_id)

    def attribute(self, context: Context, name: str) -> Any:
        row = context.cloud.instances.get(context.physical_id)
        if row is None:
            raise ResourceError(f"Instance {context.physical_id} does not exist.", "InvalidInstanceId.NotFound")
        return {
            "InstanceId": row.instance_id,
            "PrivateIp": row.private_ip,
            "PublicIp": row.address if row.public else "",
            "InnerIp": "",
            "HostName": row.host_name,
            "ZoneId": row.zone_id,
            "InstanceName": row.name,
            "ImageId": row.image_id,
            "InstanceType": row.instance_type,
            "VpcAttributes": {"VpcId": row.vpc_id, "VSwitchId": row.vswitch_id},
            "SecurityGroupIds": row.security_group_ids,
            "Tags": [{"Key": key, "Value": value} for key, value in row.tags.items()],
            "CreateTime": row.create_time,
            "StartTime": row.start_time,
            "SerialNumber": row.serial_number,
            "KeyPairName": row.key_pair_name,
            "Description": row.description,
            "OsType": "linux",
        }[name]


class InstanceGroup(Resource):
    """``data``: ``instance_ids`` in order. Property changes other than MaxAmount and Tags reach new instances only."""

    type: ClassVar[str] = "ALIYUN::ECS::InstanceGroup"
    prefix = "i"
    properties = {
        **_COMMON,
        "MaxAmount": Property("number", required=True, update=True, low=0, high=1000),
        "UniqueSuffix": Property("boolean"),
        "UpdatePolicy": Property(update=True, allowed=("ForNewInstances", "ForAllInstances")),
    }
    attributes = frozenset({"InstanceIds", "PrivateIps", "PublicIps", "HostNames", "ZoneIds", "InnerIps"})

    def create(self, context: Context, properties: Properties) -> None:
        self._resize(context, properties)

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        self._resize(context, new)
        retag(context, new, context.data["instance_ids"])

    def _resize(self, context: Context, properties: Properties) -> None:
        wanted = int(properties["MaxAmount"])
        if properties.get("UpdatePolicy") == "ForAllInstances":
            raise ResourceError("UpdatePolicy ForAllInstances is not supported by the local cloud.", "NotSupported")
        if properties.get("PrivateIpAddress") and wanted > 1:
            raise ResourceError("PrivateIpAddress needs MaxAmount 1.", "InvalidParam.Amount")
        ids: list[str] = list(context.data.get("instance_ids", []))
        while len(ids) < wanted:
            ids.append(new_id("i") if context.physical_id in ids else context.physical_id)
        # Both lists are written before anything happens: a crash in between leaves nothing unknown.
        context.remember(instance_ids=ids)
        if properties.get("UniqueSuffix"):
            properties = {**properties, "InstanceName": f"{properties.get('InstanceName') or 'ecs'}[1,3]"}
        launch(context, properties, ids[:wanted])
        for gone in ids[wanted:]:
            context.fleet.forget(gone)
        context.remember(instance_ids=ids[:wanted])
        if ids[wanted:]:
            context.fleet.refresh(_groups(properties))

    def delete(self, context: Context) -> None:
        list(context.fleet.pool.map(context.fleet.forget, context.data.get("instance_ids", [])))

    def attribute(self, context: Context, name: str) -> Any:
        ids = context.data.get("instance_ids", [])
        rows = [row for each in ids if (row := context.cloud.instances.get(each)) is not None]
        return {
            "InstanceIds": ids,
            "PrivateIps": [row.private_ip for row in rows],
            "PublicIps": [row.address for row in rows if row.public],
            "HostNames": [row.host_name for row in rows],
            "ZoneIds": [row.zone_id for row in rows],
            "InnerIps": [],
        }[name]


def _groups(properties: Properties) -> list[str]:
    return [*(properties.get("SecurityGroupIds") or []), *filter(None, [properties.get("SecurityGroupId")])]


class SSHKeyPair(Resource):
    type: ClassVar[str] = "ALIYUN::ECS::SSHKeyPair"
    properties = {
        "KeyPairName": Property(
            required=True, pattern=r"(?!https?://)[A-Za-z\u4e00-\u9fa5][\w\u4e00-\u9fa5:.-]{1,127}"
        ),
        "PublicKeyBody": Property(required=True),
        "ResourceGroupId": Property(),
        "Tags": TAGS,
    }
    attributes = frozenset({"KeyPairName", "KeyPairFingerPrint"})

    def new_id(self, properties: Properties) -> str:
        return str(properties["KeyPairName"])

    def create(self, context: Context, properties: Properties) -> None:
        body = properties["PublicKeyBody"].strip()
        try:
            blob = body.split()[1]
            digest = hashlib.md5(base64.b64decode(blob, validate=True), usedforsecurity=False).hexdigest()
        except (IndexError, binascii.Error):
            raise ResourceError("PublicKeyBody is not an OpenSSH public key.", "InvalidPublicKeyBody") from None
        pairs = context.cloud.key_pairs
        known = pairs.get(context.physical_id)
        if known is not None and not context.data.get("made"):
            raise ResourceError(f"Key pair {context.physical_id} exists already.", "KeyPair.AlreadyExist")
        context.remember(made=True)
        pairs.put(KeyPair(context.physical_id, body, digest, context.cloud.timestamp(), tags_of(context, properties)))

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        row = context.cloud.key_pairs[context.physical_id]
        context.cloud.key_pairs.put(replace(row, tags=tags_of(context, new)))

    def delete(self, context: Context) -> None:
        if context.data.get("made"):
            context.cloud.key_pairs.delete(context.physical_id)

    def attribute(self, context: Context, name: str) -> Any:
        row = context.cloud.key_pairs[context.physical_id]
        return {"KeyPairName": row.name, "KeyPairFingerPrint": row.fingerprint}[name]


class RunCommand(Resource):
    """A command run once at creation. With Sync the resource is as good as the command."""

    type: ClassVar[str] = "ALIYUN::ECS::RunCommand"
    properties = {
        "Type": Property(required=True, allowed=("RunShellScript",)),
        "CommandContent": Property(required=True, secret=True),
        "InstanceIds": Property("list", required=True, low=1, high=50, item=text),
        "Timeout": Property("number", low=10, high=86400),
        "Sync": Property("boolean"),
        "ContentEncoding": Property(),
        "Parameters": Property("map"),
        "EnableParameter": Property("boolean"),
        "Name": Property(high=128),
        "Description": Property(high=512),
        "WorkingDir": Property(high=200),
        "Username": Property(high=255),
        "KeepCommand": Property("boolean"),
    }
    attributes = frozenset({"CommandId", "InvokeId", "InvokeInstances", "InvokeResults"})

    def new_id(self, properties: Properties) -> str:
        return new_hex("t")

    def create(self, context: Context, properties: Properties) -> None:
        cloud, timeout = context.cloud, int(properties.get("Timeout") or 60)
        if cloud.commands.get(context.physical_id) is None:
            targets = [cloud.instances.get(each) for each in properties["InstanceIds"]]
            if None in targets:
                raise ResourceError("The specified instance does not exist.", "InvalidInstance.NotFound")
            context.assistant.start(
                Command(
                    invoke_id=context.physical_id,
                    command_id=new_hex("c"),
                    name=properties.get("Name") or "",
                    description=properties.get("Description") or "",
                    type="RunShellScript",
                    content=decode(properties["CommandContent"], properties.get("ContentEncoding") or ""),
                    timeout=timeout,
                    working_dir=properties.get("WorkingDir") or "",
                    username=properties.get("Username") or "root",
                    parameters=(properties.get("Parameters") or {}) if properties.get("EnableParameter") else None,
                    create_time=cloud.timestamp(),
                ),
                [target for target in targets if target],
            )
        if properties.get("Sync"):
            self._wait(context, timeout)

    def _wait(self, context: Context, timeout: int) -> None:
        for _ in range(timeout + 120):
            command = context.assistant.wait(context.physical_id, timeout=1)
            states = {key: row["InvocationStatus"] for key, row in command.results.items()}
            if not {"Pending", "Running"} & set(states.values()):
                bad = {key: row for key, row in command.results.items() if row["InvocationStatus"] != "Success"}
                if bad:
                    key, row = next(iter(bad.items()))
                    text = f"Command {row['InvocationStatus']} on {key}, exit code {row['ExitCode']} {row['ErrorInfo']}"
                    raise ResourceError(text.strip(), "RunCommandFailed")
                return
            if context.canceled():
                return

    def delete(self, context: Context) -> None:
        context.cloud.commands.delete(context.physical_id)

    def attribute(self, context: Context, name: str) -> Any:
        command = context.cloud.commands[context.physical_id]
        rows = [
            {
                "InstanceId": key,
                "InvokeRecordStatus": record_status(row["InvocationStatus"]),
                "Output": row["Output"],
                "ExitCode": row["ExitCode"],
            }
            for key, row in command.results.items()
        ]
        return {
            "CommandId": command.command_id,
            "InvokeId": command.invoke_id,
            "InvokeInstances": list(command.results),
            "InvokeResults": rows,
        }[name]


def decode(content: str, encoding: str) -> str:
    """CommandContent as text; an unknown encoding counts as PlainText (facts: ecs-api, section 4)."""
    if encoding.lower() != "base64":
        return content
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ResourceError("CommandContent is not base64 text.", "InvalidParameter.CommandContent") from None


ECS = (InstanceType, InstanceGroup, SSHKeyPair, RunCommand)
