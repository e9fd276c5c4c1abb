"""From an instance's properties to its record and its host; shared by Instance and InstanceGroup."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from dataclasses import replace

from opsctl.localcloud.cloud import REGION, Cloud
from opsctl.localcloud.hosts.engine import HostError
from opsctl.localcloud.models import Instance, KeyPair
from opsctl.localcloud.resources.base import Context, Properties, ResourceError, tags_of

USER_DATA_LIMIT = 32 * 1024
_SEQUENCE = re.compile(r"\[(\d*),(\d*)\]")


def user_data(text: str) -> str:
    """A plain script, or one in base64 (facts: official templates give plain text, the schema says base64)."""
    script = text
    if text and not text.lstrip().startswith("#"):
        try:
            script = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            script = text
    if len(script.encode()) > USER_DATA_LIMIT:
        raise ResourceError("UserData is longer than 32 KB.", "InvalidUserData.SizeExceeded")
    if script.strip() and not script.startswith("#!"):
        if script.lstrip().startswith("#cloud-config"):
            raise ResourceError("UserData as #cloud-config is not supported by the local cloud.", "NotSupported")
        script = f"#!/bin/sh\n{script}"
    return script


def password(text: str) -> str:
    classes = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")
    if text and not (8 <= len(text) <= 30 and sum(bool(re.search(each, text)) for each in classes) >= 3):
        words = "Password must have 8 to 30 characters of three of: lower case, upper case, digits, others."
        raise ResourceError(words, "InvalidPassword.Malformed")
    return text


def sequence(name: str, index: int) -> str:
    """``web-[1,3]-x`` at index 1 -> ``web-002-x``: first number, digits (the API's ordered names)."""
    return _SEQUENCE.sub(lambda m: str(int(m[1] or 0) + index).zfill(int(m[2] or 6)), name)


def _hostname(wanted: str, fallback: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9.-]+", "-", wanted).strip("-.")[:63]
    return clean or fallback


def describe(context: Context, properties: Properties, instance_id: str, index: int) -> Instance:
    """The record of instance ``index`` of this resource, before it has addresses."""
    cloud = context.cloud
    vswitch = cloud.vswitches.get(properties["VSwitchId"])
    if vswitch is None:
        raise ResourceError("Specified virtual switch does not exist.", "InvalidVSwitchId.NotFound")
    groups = [*(properties.get("SecurityGroupIds") or []), properties.get("SecurityGroupId") or ""]
    groups = list(dict.fromkeys(group for group in groups if group))
    for group in groups:
        found = cloud.groups.get(group)
        if found is None:
            raise ResourceError(f"Security group {group} does not exist.", "InvalidSecurityGroupId.NotFound")
        if found.vpc_id != vswitch.vpc_id:
            raise ResourceError("Security group and VSwitch are in different VPCs.", "InvalidParameter.Mismatch")
    if not groups:
        raise ResourceError("SecurityGroupId is needed.", "MissingParameter")
    _image(cloud, properties["ImageId"])
    pair = key_pair(cloud, properties)
    name = sequence(properties.get("InstanceName") or instance_id, index)
    bandwidth = int(properties.get("InternetMaxBandwidthOut") or 0)
    return Instance(
        instance_id=instance_id,
        name=name,
        host_name=_hostname(sequence(properties.get("HostName") or "", index) or name, instance_id),
        region_id=REGION,
        zone_id=vswitch.zone_id,
        vpc_id=vswitch.vpc_id,
        vswitch_id=vswitch.vswitch_id,
        security_group_ids=groups,
        private_ip=properties.get("PrivateIpAddress") or "",
        address="",
        image_id=properties["ImageId"],
        instance_type=properties["InstanceType"],
        status="Pending",
        create_time=cloud.timestamp(),
        public=bandwidth > 0 and properties.get("AllocatePublicIP", True),
        key_pair_name=pair.name if pair else "",
        user_data=user_data(properties.get("UserData") or ""),
        description=properties.get("Description") or "",
        bandwidth_out=bandwidth,
        serial_number=str(uuid.uuid4()),
        http_tokens=properties.get("HttpTokens") or "optional",
        password_set=bool(properties.get("Password")),
        tags=tags_of(context, properties),
    )


def key_pair(cloud: Cloud, properties: Properties) -> KeyPair | None:
    name = properties.get("KeyPairName") or ""
    found = cloud.key_pairs.get(name)
    if name and found is None:
        raise ResourceError(f"Key pair {name} does not exist.", "InvalidKeyPairName.NotFound")
    return found


def _image(cloud: Cloud, image_id: str) -> None:
    if cloud.options.any_image or image_id.lower().startswith("debian"):
        return
    raise ResourceError(
        f"Image {image_id} does not exist: hosts of the local cloud run Debian 12 (debian_12); start it with "
        "--any-image to take that for every image.",
        "InvalidImageId.NotFound",
    )


def launch(context: Context, properties: Properties, ids: Sequence[str], first: int = 0) -> None:
    """Instances ``ids`` of one resource, in parallel; those that a broken try left are completed.

    Those that were released are left out: their ids are not used again.
    """
    cloud, fleet = context.cloud, context.fleet
    secret = password(properties.get("Password") or "")
    with cloud.store.transaction():
        rows = [
            cloud.instances.get(each) or fleet.reserve(describe(context, properties, each, first + index))
            for index, each in enumerate(ids)
            if not fleet.released(each)
        ]
    pending = [
        row for row in rows if row.status != "Running" or cloud.docker.state(f"opsctl-{row.instance_id}") is None
    ]
    try:
        list(fleet.pool.map(lambda row: fleet.launch(row, secret), pending))
        fleet.refresh({group for row in rows for group in row.security_group_ids})
    except HostError as error:
        raise ResourceError(str(error), "InstanceLaunchFailed") from error


def retag(context: Context, properties: Properties, ids: Sequence[str]) -> None:
    table = context.cloud.instances
    for each in ids:
        row = table.get(each)
        if row is not None:
            text = properties.get("Description") or ""
            table.put(replace(row, tags=tags_of(context, properties), description=text))


def reset(context: Context, old: Properties, new: Properties, instance_id: str) -> None:
    """Change a host that runs: who may log in at once, user data for whoever reads it (it does not run again)."""
    cloud = context.cloud
    row = cloud.instances.get(instance_id)
    if row is None:
        raise ResourceError(f"Instance {instance_id} does not exist.", "InvalidInstanceId.NotFound")
    if row.image_id != new["ImageId"]:
        raise ResourceError("ImageId of an instance that exists cannot be changed in the local cloud.", "NotSupported")
    script, secret, pair = (
        user_data(new.get("UserData") or ""),
        password(new.get("Password") or ""),
        key_pair(cloud, new),
    )
    # Without any difference this is a second try, of which nobody knows how far the first one came.
    if old == new or any(old.get(name) != new.get(name) for name in ("Password", "KeyPairName")):
        try:
            context.fleet.admit(row, secret, pair.public_key if pair else "")
        except HostError as error:
            raise ResourceError(str(error), "InstanceUpdateFailed") from error
    row = cloud.instances[instance_id]
    name = pair.name if pair else ""
    cloud.instances.put(replace(row, user_data=script, password_set=bool(secret), key_pair_name=name))
