"""Docker, and nothing else of the local cloud knows it: images, the one network, hosts as containers.

Every object carries the labels ``opsctl.cloud`` (which installation) and ``opsctl.home`` (its folder), so that a
machine's own containers are never touched and ours are always found again.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool
from docker.utils import kwargs_from_env

TIMEOUT = 120
CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"]
# Where hosts get their Docker addresses, first choice first: shared address space (RFC 6598) and the range for
# benchmarks (RFC 2544) are neither a VPC's nor a LAN's usual ones.
RANGES = ("100.80.0.0/12", "198.18.0.0/15", "172.16.0.0/12", "10.192.0.0/10")
PREFIX = 20
ATTEMPTS = 20
# The library lets through what its HTTP client raises when the daemon goes away or does not answer.
FAULTS = (DockerException, requests.RequestException)


class HostError(Exception):
    """Docker refused or failed; the text is one line for a person."""


@dataclass(frozen=True)
class HostSpec:
    """A container to be: ``address`` is fixed on the Docker network, ``files`` is a tar unpacked before boot."""

    name: str
    hostname: str
    image: str
    address: str
    files: bytes = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)


class Docker:
    """Calls to one Docker daemon for one installation (``cloud_id``, ``home``)."""

    def __init__(self, cloud_id: str, home: str) -> None:
        try:
            self._api = docker.APIClient(**kwargs_from_env(), version="auto", timeout=TIMEOUT, max_pool_size=32)
        except FAULTS as error:
            raise HostError(explain(error)) from error
        self.labels = {"opsctl.cloud": cloud_id, "opsctl.home": home}
        self.network = f"opsctl-{cloud_id}"

    # --- network -------------------------------------------------------------------------------------------------

    def ensure_network(self) -> tuple[str, str]:
        """The Docker network as (subnet, gateway), made on a range that is free on this machine."""
        found = self._find_network()
        if found is None:
            last = ""
            for subnet in islice(_free(self._taken()), ATTEMPTS):
                pool = IPAMPool(subnet=subnet, gateway=str(ipaddress.ip_network(subnet)[1]))
                try:
                    self._api.create_network(
                        self.network, driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels=self.labels
                    )
                    break
                except APIError as error:
                    last = str(error.explanation)
                except FAULTS as error:
                    raise HostError(explain(error)) from error
            else:
                raise HostError(f"No free address range for the Docker network {self.network}: {last}")
            found = self._find_network()
        if found is None:
            raise HostError(f"Docker network {self.network} disappeared while it was made")
        pool = found["IPAM"]["Config"][0]
        return pool["Subnet"], pool["Gateway"]

    def _find_network(self) -> dict[str, Any] | None:
        found = self._networks()
        return found[0] if found else None

    def _networks(self) -> list[dict[str, Any]]:
        """Ours; Docker does not keep two that are made at once from having one name."""
        wanted = {"label": f"opsctl.cloud={self.labels['opsctl.cloud']}"}
        rows = self._call(self._api.networks, names=[self.network], filters=wanted)
        return sorted((row for row in rows if row["Name"] == self.network), key=lambda row: str(row["Created"]))

    def _taken(self) -> list[ipaddress.IPv4Network]:
        pools = [pool for net in self._call(self._api.networks) for pool in (net.get("IPAM") or {}).get("Config") or []]
        taken = [_network(pool["Subnet"]) for pool in pools if pool.get("Subnet")]
        taken += [_network(row["dst"]) for row in _routes() if row.get("dst") not in (None, "default")]
        return [net for net in taken if net is not None]

    # --- hosts ---------------------------------------------------------------------------------------------------

    def ensure(self, spec: HostSpec) -> bool:
        """Make and start the host, or start the one of that name which a broken call left; whether it was made."""
        state = self.state(spec.name)
        if state == "running":
            return False
        if state == "created":  # perhaps without its files
            self.remove(spec.name)
            state = None
        if state is None:
            self._call(self._create, spec)
        self.start(spec.name)
        return state is None

    def _create(self, spec: HostSpec) -> None:
        tmpfs = {"/run": "exec,mode=755", "/run/lock": "", "/tmp": "exec,mode=1777"}  # noqa: S108
        config = self._api.create_host_config(
            cap_add=CAPABILITIES,
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            cgroupns="host",
            binds=["/sys/fs/cgroup:/sys/fs/cgroup:rw"],
            tmpfs=tmpfs,
            network_mode=self.network,
            restart_policy={"Name": "unless-stopped"},
        )
        endpoint: EndpointConfig = self._api.create_endpoint_config(ipv4_address=spec.address)
        self._api.create_container(
            spec.image,
            command=["/sbin/init"],
            name=spec.name,
            hostname=spec.hostname,
            labels={**self.labels, **spec.labels},
            host_config=config,
            networking_config={"EndpointsConfig": {self.network: endpoint}},
            stop_signal="SIGRTMIN+3",
            detach=True,
        )
        self._api.put_archive(spec.name, "/", spec.files)

    def start(self, name: str) -> None:
        self._call(self._api.start, name)

    def stop(self, name: str, *, force: bool) -> None:
        self._call(self._api.stop, name, timeout=0 if force else 10)

    def restart(self, name: str, *, force: bool) -> None:
        self._call(self._api.restart, name, timeout=0 if force else 10)

    def remove(self, name: str) -> None:
        """Gone afterwards, whether or not it was there."""
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                self._api.remove_container(name, force=True, v=True)
            except NotFound:
                return
            except FAULTS as error:
                busy = "already in progress" in str(getattr(error, "explanation", ""))
                if not busy or time.monotonic() > end:
                    raise HostError(explain(error)) from error
                time.sleep(0.1)

    def state(self, name: str) -> str | None:
        """``running``, ``exited``, ``created`` ... or None when there is no such host."""
        found = self._find(self._api.inspect_container, name)
        return str(found["State"]["Status"]) if found else None

    def put(self, name: str, files: bytes) -> None:
        self._call(self._api.put_archive, name, "/", files)

    def run(self, name: str, argv: list[str]) -> tuple[int, str]:
        """Run a short helper in a host: (exit code, output). Never give it a secret: argv is visible there."""
        try:
            made = self._api.exec_create(name, argv)
            output = self._api.exec_start(made["Id"])
            code = self._api.exec_inspect(made["Id"])["ExitCode"]
        except FAULTS as error:
            raise HostError(f"{shlex.join(argv[:2])} on {name}: {explain(error)}") from error
        return int(code if code is not None else -1), bytes(output or b"").decode(errors="replace")

    def hosts(self) -> list[str]:
        wanted = {"label": f"opsctl.cloud={self.labels['opsctl.cloud']}"}
        rows = self._call(self._api.containers, all=True, filters=wanted)
        return [(row.get("Names") or [row["Id"]])[0].lstrip("/") for row in rows]

    def anybodys_hosts(self) -> bool:
        """Whether any installation has hosts on this machine."""
        return bool(self._call(self._api.containers, filters={"label": "opsctl.cloud"}))

    def remove_network(self) -> None:
        for found in self._networks():
            self._find(self._api.remove_network, found["Id"])

    # --- images --------------------------------------------------------------------------------------------------

    def has_image(self, name: str) -> bool:
        return self._find(self._api.inspect_image, name) is not None

    def pull(self, name: str) -> None:
        self._call(self._api.pull, name)

    def import_image(self, tar: str, name: str) -> None:
        repository, _, tag = name.partition(":")
        changes = [f"LABEL {key}={json.dumps(value)}" for key, value in self.labels.items()]
        self._call(self._api.import_image_from_file, tar, repository=repository, tag=tag, changes=changes)

    def remove_images(self) -> None:
        wanted = {"label": f"opsctl.cloud={self.labels['opsctl.cloud']}"}
        for image in self._call(self._api.images, filters=wanted):
            self._call(self._api.remove_image, image["Id"], force=True)

    def version(self) -> str:
        return str(self._call(self._api.version)["Version"])

    def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except FAULTS as error:
            raise HostError(explain(error)) from error

    def _find(self, function: Any, name: str) -> Any:
        """What a call answers, or None where there is no such thing."""
        try:
            return function(name)
        except NotFound:
            return None
        except FAULTS as error:
            raise HostError(explain(error)) from error


def explain(error: Exception) -> str:
    """One line that says what is wrong with Docker and what to do."""
    text = str(getattr(error, "explanation", "") or error).strip().splitlines()[0]
    low = text.lower()
    if "permission denied" in low:
        return "No permission to use Docker: run as root, or add yourself to the group docker and log in again."
    if "filenotfound" in low or "no such file" in low:
        return "No Docker daemon answers: install Docker Engine (Debian: apt-get install docker.io) and start it."
    if "connection refused" in low or "connection aborted" in low:
        return "The Docker daemon is not running: start it (systemctl start docker)."
    if "timed out" in low:
        return f"The Docker daemon did not answer within {TIMEOUT} s."
    if "no space left" in low:
        return f"The disk that Docker uses is full: {text}"
    return text


def _routes() -> list[dict[str, Any]]:
    """Where this machine already goes; nothing where it has no iproute2."""
    try:
        shown = subprocess.run(["ip", "-j", "route"], capture_output=True, text=True, timeout=10, check=False)
        found: list[dict[str, Any]] = json.loads(shown.stdout or "[]")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return found


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def _free(taken: list[ipaddress.IPv4Network]) -> Iterator[str]:
    for text in RANGES:
        for subnet in ipaddress.IPv4Network(text).subnets(new_prefix=PREFIX):
            if not any(subnet.overlaps(net) for net in taken):
                yield str(subnet)
