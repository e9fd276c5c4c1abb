"""What an instance may know of itself, for the metadata service."""

from __future__ import annotations

from opsctl.localcloud.cloud import REGION, Cloud
from opsctl.localcloud.ids import interface_id, mac
from opsctl.localcloud.metadata import InstanceView


def selfview(cloud: Cloud, source: str) -> InstanceView | None:
    """The host that asks, known by its address on the Docker network."""
    row = next((each for each in cloud.instances if each.address == source), None)
    if row is None:
        return None
    vpc, vswitch = cloud.vpcs[row.vpc_id], cloud.vswitches[row.vswitch_id]
    pair = cloud.key_pairs.get(row.key_pair_name)
    return InstanceView(
        instance_id=row.instance_id,
        instance_name=row.name,
        instance_type=row.instance_type,
        hostname=row.host_name,
        image_id=row.image_id,
        region_id=REGION,
        zone_id=row.zone_id,
        owner_account_id=cloud.account_id,
        serial_number=row.serial_number,
        mac=mac(row.instance_id),
        private_ipv4=row.private_ip,
        network_interface_id=interface_id(row.instance_id),
        vpc_id=vpc.vpc_id,
        vpc_cidr_block=vpc.cidr,
        vswitch_id=vswitch.vswitch_id,
        vswitch_cidr_block=vswitch.cidr,
        eipv4=row.address if row.public else "",
        public_keys={pair.name: pair.public_key} if pair else {},
        user_data=row.user_data.encode() if row.user_data else None,
        http_tokens=row.http_tokens,
    )
