"""Instances as hosts: launch, power, filter. Between the records and Docker."""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from opsctl.localcloud.cloud import Cloud
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.boot import STATE, Boot, files, pack
from opsctl.localcloud.hosts.engine import HostError, HostSpec
from opsctl.localcloud.hosts.firewall import render
from opsctl.localcloud.ids import mac
from opsctl.localcloud.models import Instance

PARALLEL = 8
log = logging.getLogger(__name__)


class Fleet:
    """All hosts of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._applied: dict[str, str] = {}
        self.pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="host")

    # --- addresses -----------------------------------------------------------------------------------------------

    def reserve(self, instance: Instance) -> Instance:
        """Write the record with its two addresses taken: the private one asked for (or free), and Docker's."""
        cloud = self._cloud
        with cloud.store.transaction():
            vswitch = cloud.vswitches[instance.vswitch_id]
            taken = {row.private_ip for row in cloud.instances if row.vpc_id == instance.vpc_id}
            private = instance.private_ip or _first_free(vswitch.cidr, taken, skip=3)
            if private in taken:
                raise ApiError("InvalidPrivateIpAddress.Duplicated", f"Private address {private} is in use.")
            if ipaddress.ip_address(private) not in ipaddress.ip_network(vswitch.cidr):
                raise ApiError("InvalidPrivateIpAddress", f"Private address {private} is outside {vswitch.cidr}.")
            used = {row.address for row in cloud.instances}
            address = _first_free(cloud.wiring.subnet, used, skip=9)
            return cloud.instances.put(replace(instance, private_ip=private, address=address))

    # --- life ----------------------------------------------------------------------------------------------------

    def launch(self, instance: Instance, password: str) -> Instance:
        """The host of a reserved record, made or found; the record then says Running."""
        cloud = self._cloud
        vpc = cloud.vpcs[instance.vpc_id]
        pair = cloud.key_pairs.get(instance.key_pair_name) if instance.key_pair_name else None
        private_key, public_key = _host_key()
        boot = Boot(
            hostname=instance.host_name,
            private=f"{instance.private_ip}/{vpc.cidr.rsplit('/', 1)[1]}",
            mac=mac(instance.instance_id),
            vni=vpc.vni,
            filter=self._filter(instance),
            host_key=private_key,
            public_key=pair.public_key if pair else "",
            password=password,
            user_data=instance.user_data,
            apt_proxy=f"http://{cloud.wiring.gateway}:{cloud.wiring.port}" if cloud.options.apt_cache else "",
        )
        self._applied[instance.instance_id] = boot.filter
        cloud.docker.ensure(
            HostSpec(
                name=container(instance),
                hostname=instance.host_name,
                image=cloud.image,
                address=instance.address,
                files=files(boot, cloud.wiring),
                labels={"opsctl.instance": instance.instance_id, "opsctl.name": instance.name},
            )
        )
        now = cloud.timestamp()
        return cloud.instances.put(replace(instance, status="Running", start_time=now, host_key=public_key))

    def start(self, instance: Instance) -> None:
        self._cloud.docker.start(container(instance))
        self.mark(instance.instance_id, "Running")
        # Members may have come and gone while it slept; its boot unit has loaded the filter of before.
        self.refresh(instance.security_group_ids)

    def stop(self, instance: Instance, *, force: bool) -> None:
        self._cloud.docker.stop(container(instance), force=force)
        self.mark(instance.instance_id, "Stopped")

    def reboot(self, instance: Instance, *, force: bool) -> None:
        self._cloud.docker.restart(container(instance), force=force)
        self.mark(instance.instance_id, "Running")

    def mark(self, instance_id: str, status: str) -> None:
        """Write a status down."""
        rows = self._cloud.instances
        with self._cloud.store.transaction():
            current = rows.get(instance_id)
            if current is not None:
                started = self._cloud.timestamp() if status == "Running" else current.start_time
                rows.put(replace(current, status=status, start_time=started))

    def observe(self, instance_id: str) -> None:
        """Set a status by what Docker says."""
        instance = self._cloud.instances.get(instance_id)
        if instance is not None:
            running = self._cloud.docker.state(container(instance)) == "running"
            self.mark(instance_id, "Running" if running else "Stopped")

    def resume(self) -> None:
        """After a restart: power transitions that were under way, and hosts that changed meanwhile."""
        for instance in self._cloud.instances:
            if instance.status != "Pending":
                self.observe(instance.instance_id)

    def background(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except HostError as error:
                log.error("%s", error)

        threading.Thread(target=guarded, daemon=True).start()

    def remove(self, instance_id: str) -> None:
        instance = self._cloud.instances.get(instance_id)
        if instance is None:
            return
        self._cloud.docker.remove(container(instance))
        self._cloud.instances.delete(instance_id)
        self._applied.pop(instance_id, None)

    # --- security groups -----------------------------------------------------------------------------------------

    def _filter(self, instance: Instance) -> str:
        cloud = self._cloud
        groups = [group for group in map(cloud.groups.get, instance.security_group_ids) if group]
        rules = [rule for group in groups for added in group.rules.values() for rule in added]
        members: dict[str, list[str]] = {}
        own: set[str] = set()
        wanted = {rule["GroupId"] for rule in rules if rule["GroupId"]}
        normal = {group.security_group_id for group in groups if group.type == "normal"}
        for other in cloud.instances:
            if other.vpc_id != instance.vpc_id:
                continue
            for group_id in wanted.intersection(other.security_group_ids):
                members.setdefault(group_id, []).append(other.private_ip)
            if normal.intersection(other.security_group_ids):
                own.add(other.private_ip)
        return render(cloud.wiring, rules, members, own)

    def refresh(self, group_ids: Iterable[str]) -> None:
        """Bring the filters of all running hosts that these groups touch up to date, in parallel."""
        touched = set(group_ids)
        groups = [
            group
            for group in self._cloud.groups
            if group.security_group_id in touched
            or any(rule["GroupId"] in touched for added in group.rules.values() for rule in added)
        ]
        ids = {group.security_group_id for group in groups}
        hosts = [row for row in self._cloud.instances if ids.intersection(row.security_group_ids)]
        running = [row for row in hosts if row.status == "Running"]
        list(self.pool.map(self._apply, running))

    def _apply(self, instance: Instance) -> None:
        docker, name = self._cloud.docker, container(instance)
        with self._locks[instance.instance_id]:
            text = self._filter(instance)
            if self._applied.get(instance.instance_id) == text:
                return
            docker.put(name, pack({f"{STATE}/filter.rules": (0o600, text)}))
            code, output = docker.run(name, ["iptables-restore", "--noflush", f"{STATE}/filter.rules"])
            if code:
                raise HostError(f"Security groups of {instance.instance_id} could not be applied: {output.strip()}")
            self._applied[instance.instance_id] = text


def container(instance: Instance) -> str:
    """The container's name: the instance's id says which, its name says what."""
    return f"opsctl-{instance.instance_id}"


def _first_free(cidr: str, taken: set[str], skip: int) -> str:
    network = ipaddress.ip_network(cidr)
    last = network.broadcast_address
    for number in range(int(network.network_address) + 1 + skip, int(last) - 1):
        text = str(ipaddress.ip_address(number))
        if text not in taken:
            return text
    raise ApiError("QuotaExceeded.PrivateIpAddress", f"No free address left in {cidr}.")


def _host_key() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()
