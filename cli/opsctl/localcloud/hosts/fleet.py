"""Instances as hosts: launch, power, filter. Between the records and Docker."""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from opsctl.localcloud.cloud import Cloud
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.boot import LIBRARY, STATE, Boot, access, files, pack
from opsctl.localcloud.hosts.engine import HostError, HostSpec
from opsctl.localcloud.hosts.firewall import render
from opsctl.localcloud.ids import mac
from opsctl.localcloud.models import Fact, Instance

PARALLEL = 8
RESERVED = 3
"""Addresses at the end of every VSwitch that the cloud keeps for itself, besides the first one."""
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
            if instance.private_ip:
                private = _asked(instance.private_ip, vswitch.cidr, taken)
            else:
                private = _first_free(vswitch.cidr, taken, skip=3, last=RESERVED)
            used = {row.address for row in cloud.instances}
            address = _first_free(cloud.wiring.subnet, used, skip=9, last=1)
            return cloud.instances.put(replace(instance, private_ip=private, address=address))

    # --- life ----------------------------------------------------------------------------------------------------

    def launch(self, instance: Instance, password: str) -> Instance:
        """The host of a reserved record, made or found; the record then says Running."""
        cloud = self._cloud
        vpc = cloud.vpcs[instance.vpc_id]
        pair = cloud.key_pairs.get(instance.key_pair_name) if instance.key_pair_name else None
        boot = Boot(
            hostname=instance.host_name,
            private=f"{instance.private_ip}/{vpc.cidr.rsplit('/', 1)[1]}",
            mac=mac(instance.instance_id),
            vni=vpc.vni,
            filter=self._filter(instance),
            host_key=_host_key(),
            public_key=pair.public_key if pair else "",
            password=password,
            user_data=instance.user_data,
            apt_proxy=f"http://{cloud.wiring.gateway}:{cloud.wiring.port}" if cloud.options.apt_cache else "",
        )
        made = cloud.docker.ensure(
            HostSpec(
                name=container(instance),
                hostname=instance.host_name,
                image=cloud.image,
                address=instance.address,
                files=files(boot, cloud.wiring),
                labels={"opsctl.instance": instance.instance_id, "opsctl.name": instance.name},
            )
        )
        if made:  # one that was there already has the filter of then
            self._applied[instance.instance_id] = boot.filter
        return cloud.instances.put(replace(instance, status="Running", start_time=cloud.timestamp()))

    def remove(self, instance_id: str) -> None:
        instance = self._cloud.instances.get(instance_id)
        if instance is None:
            return
        self._cloud.docker.remove(container(instance))
        self._cloud.instances.delete(instance_id)
        self._applied.pop(instance_id, None)

    def release(self, instance_id: str) -> None:
        """Take a host away for good outside of its stack, whose group knows its id on and never makes it again."""
        cloud = self._cloud
        instance = cloud.instances.get(instance_id)
        if instance is None:
            return
        cloud.facts.put(Fact(_released(instance_id), cloud.timestamp()))
        self.remove(instance_id)
        self.refresh(instance.security_group_ids)

    def released(self, instance_id: str) -> bool:
        return self._cloud.facts.get(_released(instance_id)) is not None

    def forget(self, instance_id: str) -> None:
        """Remove what is left of a host, with its stack's resource."""
        self.remove(instance_id)
        self._cloud.facts.delete(_released(instance_id))

    def admit(self, instance: Instance, password: str, public_key: str) -> None:
        """Change who may log in to a host; where it sleeps, it wakes up with that."""
        docker, name = self._cloud.docker, container(instance)
        docker.put(name, pack(access(password, public_key)))
        if docker.state(name) == "running":
            script = f"[ ! -e {STATE}/password ] || {LIBRARY}/password; systemctl reload-or-restart ssh"
            code, output = docker.run(name, ["sh", "-ec", script])
            if code:
                raise HostError(f"The login of {instance.instance_id} could not be changed: {output.strip()}")

    # --- power ---------------------------------------------------------------------------------------------------

    def begin(self, instance: Instance, power: str, *, force: bool = False) -> None:
        """``start``, ``stop`` or ``reboot``: written down and visible at once, done in the background."""
        status = "Starting" if power == "start" else "Stopping"
        self._mark(instance.instance_id, status, power=f"{power}!" if force else power)
        threading.Thread(target=self._settle, args=([instance.instance_id],), daemon=True).start()

    def resume(self) -> None:
        """After a restart: what was promised is done, and what ran runs again."""
        self._settle([row.instance_id for row in self._cloud.instances if row.status != "Pending"])

    def _settle(self, instance_ids: list[str]) -> None:
        """Make hosts what their records promise; where that fails, the record follows what Docker says."""
        up = [group for groups in self.pool.map(self._power, instance_ids) for group in groups]
        try:
            # Members may have come and gone meanwhile; the boot unit has loaded the filter of before.
            self.refresh(up)
        except HostError as error:
            log.error("%s", error)

    def _power(self, instance_id: str) -> list[str]:
        """Its security groups, when it has come up."""
        instance = self._cloud.instances.get(instance_id)
        if instance is None:
            return []
        docker, name, force = self._cloud.docker, container(instance), instance.power.endswith("!")
        try:
            match instance.power.rstrip("!"):
                case "stop":
                    docker.stop(name, force=force)
                    self._mark(instance_id, "Stopped")
                    return []
                case "reboot":
                    docker.restart(name, force=force)
                case "start":
                    docker.start(name)
                case _ if instance.status == "Running" and docker.state(name) == "exited":
                    docker.start(name)
                case _:
                    self._observe(instance)
                    return []
        except HostError as error:
            log.error("%s of %s: %s", instance.power or "look", instance_id, error)
            self._observe(instance)
            return []
        self._mark(instance_id, "Running")
        return instance.security_group_ids

    def _mark(self, instance_id: str, status: str, power: str = "") -> None:
        rows = self._cloud.instances
        with self._cloud.store.transaction():
            current = rows.get(instance_id)
            if current is not None:
                started = self._cloud.timestamp() if status == "Running" else current.start_time
                rows.put(replace(current, status=status, start_time=started, power=power))

    def _observe(self, instance: Instance) -> None:
        """Set a status by what Docker says. A host that somebody removed there is gone, as a released instance is."""
        try:
            state = self._cloud.docker.state(container(instance))
            if state is None and instance.status != "Pending":
                log.error("%s is not in Docker any more: it is taken for released", instance.instance_id)
                self.release(instance.instance_id)
                return
        except HostError as error:
            log.error("%s", error)
            return
        status = "Running" if state == "running" else "Stopped"
        if status != instance.status:
            self._mark(instance.instance_id, status)

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
        """Bring the filters of all running hosts in the VPCs of these groups up to date, in parallel.

        All of a VPC: an address that a removed host left may still be let in somewhere, and be another's by now.
        """
        groups = [group for group in map(self._cloud.groups.get, group_ids) if group]
        vpcs = {group.vpc_id for group in groups}
        running = [row for row in self._cloud.instances if row.vpc_id in vpcs and row.status == "Running"]
        list(self.pool.map(self._apply, running))

    def _apply(self, instance: Instance) -> None:
        docker, name = self._cloud.docker, container(instance)
        with self._locks[instance.instance_id]:
            text = self._filter(instance)
            if self._applied.get(instance.instance_id) == text:
                return
            try:
                docker.put(name, pack({f"{STATE}/filter.rules": (0o600, text)}))
                code, output = docker.run(name, ["iptables-restore", "--noflush", f"{STATE}/filter.rules"])
            except HostError:
                if docker.state(name) == "running":
                    raise
                self._observe(instance)  # a host that broke down holds up nobody else
                return
            if code:
                raise HostError(f"Security groups of {instance.instance_id} could not be applied: {output.strip()}")
            self._applied[instance.instance_id] = text


def container(instance: Instance) -> str:
    """The container's name: the instance's id says which, its name says what."""
    return f"opsctl-{instance.instance_id}"


def _released(instance_id: str) -> str:
    return f"released/{instance_id}"


def _asked(text: str, cidr: str, taken: set[str]) -> str:
    network = ipaddress.IPv4Network(cidr)
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise ApiError("InvalidPrivateIpAddress.Malformed", f"Private address {text} is not an address.") from None
    if not network.network_address < address <= network.broadcast_address - RESERVED:
        raise ApiError("InvalidPrivateIpAddress", f"Private address {text} is outside {cidr}, or reserved in it.")
    if text in taken:
        raise ApiError("InvalidPrivateIpAddress.Duplicated", f"Private address {text} is in use.")
    return str(address)


def _first_free(cidr: str, taken: set[str], *, skip: int, last: int) -> str:
    """The first address that nobody has; the ``skip`` first only when no other is left, the ``last`` ones never."""
    network = ipaddress.IPv4Network(cidr)
    begin, end = int(network.network_address) + 1, int(network.broadcast_address) + 1 - last
    for number in chain(range(begin + skip, end), range(begin, min(begin + skip, end))):
        text = str(ipaddress.IPv4Address(number))
        if text not in taken:
            return text
    raise ApiError("QuotaExceeded.PrivateIpAddress", f"No free address left in {cidr}.")


def _host_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
