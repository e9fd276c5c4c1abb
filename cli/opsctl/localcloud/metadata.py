"""The metadata service of the hosts: what ``curl http://100.100.100.200/latest/meta-data/`` answers inside one.

A host is known by its source address alone. In hardened mode (``http_tokens="required"``) it must also show a token
that it fetched with PUT; tokens are sealed to the instance and to their end, so none is stored. Source of the tree and
of the answers: the ECS documentation on instance metadata, and what cloud-init expects of it (``meta-data/all``).
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from opsctl.localcloud.gateway.answer import Answer

TTL_HEADER = "x-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN_HEADER = "x-aliyun-ecs-metadata-token"  # noqa: S105 the name of a header
TTL_LIMIT = 21_600
VERSIONS = ("2016-01-01", "latest")

Tree = dict[str, "str | list[str] | Tree"]


@dataclass(frozen=True)
class InstanceView:
    """What an instance may know about itself; what is empty does not appear in its tree."""

    instance_id: str
    instance_name: str
    instance_type: str
    hostname: str
    image_id: str
    region_id: str
    zone_id: str
    owner_account_id: str
    serial_number: str
    mac: str
    private_ipv4: str
    network_interface_id: str
    vpc_id: str
    vpc_cidr_block: str
    vswitch_id: str
    vswitch_cidr_block: str
    eipv4: str = ""
    nameservers: tuple[str, ...] = ()
    ntp_servers: tuple[str, ...] = ()
    source_address: str = ""
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """Name of a key pair to its public key."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Only tags that the instance may read (its MetadataOptions allow tags)."""
    role: str = ""
    """The RAM role of the instance."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The role's document: AccessKeyId, AccessKeySecret, SecurityToken, Expiration, LastUpdated, Code."""
    user_data: bytes | None = field(default=None, repr=False)
    http_endpoint: bool = True
    http_tokens: str = "optional"


Lookup = Callable[[str], InstanceView | None]
"""The instance behind a source address, None when there is none."""


class Metadata:
    """Answers hosts; ``clock`` gives seconds since the epoch, ``seal`` is the secret tokens are made with."""

    def __init__(self, lookup: Lookup, clock: Callable[[], float] = time.time, seal: bytes | None = None) -> None:
        self._lookup = lookup
        self._clock = clock
        self._seal = seal or secrets.token_bytes(32)

    def answer(self, source: str, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """One request of the host at ``source``; ``headers`` in lower case, ``path`` decoded."""
        view = self._lookup(source)
        if view is None or not view.http_endpoint:
            return _page(403, "Forbidden")
        if path == "/latest/api/token":
            return self._grant(view, method, headers)
        token = headers.get(TOKEN_HEADER)
        if token is not None and not self._valid(view, token):
            return _page(401, "Unauthorized")
        if token is None and view.http_tokens == "required":
            return _page(403, "Forbidden")
        if method not in ("GET", "HEAD"):
            return _page(405, "Method Not Allowed")
        return _find(view, path)

    def _grant(self, view: InstanceView, method: str, headers: Mapping[str, str]) -> Answer:
        if method != "PUT":
            return _page(405, "Method Not Allowed")
        if "x-forwarded-for" in headers:
            # A request that came by way of a proxy is what the token is there to keep out.
            return _page(403, "Forbidden")
        text = headers.get(TTL_HEADER, "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= TTL_LIMIT):
            return _page(400, "Missing or Invalid Parameters")
        token = self._token(view, int(self._clock()) + int(text))
        return Answer(200, token.encode(), "text/plain", {TTL_HEADER: text})

    def _valid(self, view: InstanceView, token: str) -> bool:
        try:
            end = int(token.partition("-")[0], 16)
        except ValueError:
            return False
        # The whole text is compared, so that there is one way to write a token and no other.
        return hmac.compare_digest(token.encode(), self._token(view, end).encode()) and self._clock() < end

    def _token(self, view: InstanceView, end: int) -> str:
        return f"{end:x}-{hmac.digest(self._seal, f'{view.instance_id} {end}'.encode(), 'sha256').hex()}"


def tree(view: InstanceView) -> Tree:
    """Everything under ``meta-data/``: text, lists of text (shown one a line) and directories."""
    network = IPv4Network(view.vswitch_cidr_block)
    interface: Tree = {
        "gateway": str(network.broadcast_address - 2),
        "netmask": str(network.netmask),
        "network-interface-id": view.network_interface_id,
        "primary-ip-address": view.private_ipv4,
        "private-ipv4s": json.dumps([view.private_ipv4]),
        "vpc-cidr-block": view.vpc_cidr_block,
        "vpc-id": view.vpc_id,
        "vswitch-cidr-block": view.vswitch_cidr_block,
        "vswitch-id": view.vswitch_id,
    }
    keys: Tree = {}
    for number, (name, key) in enumerate(view.public_keys.items()):
        keys[str(number)] = keys[name] = {"openssh-key": key}
    role: Tree = {view.role: json.dumps(dict(view.credentials), indent=2)} if view.role else {}
    found: Tree = {
        "dns-conf": {"nameservers": list(view.nameservers)},
        "eipv4": view.eipv4,
        "hostname": view.hostname,
        "image-id": view.image_id,
        "instance": {"instance-name": view.instance_name, "instance-type": view.instance_type},
        "instance-id": view.instance_id,
        "mac": view.mac,
        "network": {"interfaces": {"macs": {view.mac: interface}}},
        "network-type": "vpc",
        "ntp-conf": {"ntp-servers": list(view.ntp_servers)},
        "owner-account-id": view.owner_account_id,
        "private-ipv4": view.private_ipv4,
        "public-ipv4": view.eipv4,
        "public-keys": keys,
        "ram": {"security-credentials": role},
        "region-id": view.region_id,
        "serial-number": view.serial_number,
        "source-address": view.source_address,
        "tags": {"instance": dict(view.tags)},
        "vpc-cidr-block": view.vpc_cidr_block,
        "vpc-id": view.vpc_id,
        "vswitch-cidr-block": view.vswitch_cidr_block,
        "vswitch-id": view.vswitch_id,
        "zone-id": view.zone_id,
    }
    return _pruned(found)


def document(view: InstanceView) -> dict[str, str]:
    """The instance identity document, ``dynamic/instance-identity/document``."""
    return {
        "zone-id": view.zone_id,
        "serial-number": view.serial_number,
        "instance-id": view.instance_id,
        "region-id": view.region_id,
        "private-ipv4": view.private_ipv4,
        "owner-account-id": view.owner_account_id,
        "mac": view.mac,
        "image-id": view.image_id,
        "instance-type": view.instance_type,
    }


def _pruned(node: Tree) -> Tree:
    kept = {name: _pruned(child) if isinstance(child, dict) else child for name, child in node.items()}
    return {name: child for name, child in kept.items() if child}


def _find(view: InstanceView, path: str) -> Answer:
    parts = [part for part in path.split("/") if part]
    if parts[1:] == ["user-data"]:
        if view.user_data is None or parts[0] not in VERSIONS:
            return _page(404, "Not Found")
        return Answer(200, view.user_data, "application/octet-stream")
    meta = tree(view)
    if parts[1:] == ["meta-data", "all"] and parts[0] in VERSIONS:
        return Answer(200, json.dumps(meta).encode(), "text/plain; charset=utf-8")
    version: Tree = {
        "meta-data": meta,
        "dynamic": {"instance-identity": {"document": json.dumps(document(view), separators=(",", ":"))}},
        **({} if view.user_data is None else {"user-data": ""}),
    }
    node: str | list[str] | Tree = dict.fromkeys(VERSIONS, version)
    for part in parts:
        child = node.get(part) if isinstance(node, dict) else None
        if child is None:
            return _page(404, "Not Found")
        node = child
    return Answer(200, _shown(node).encode(), "text/plain; charset=utf-8")


def _shown(node: str | list[str] | Tree) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, dict):
        node = sorted(f"{name}/" if isinstance(child, dict) else name for name, child in node.items())
    return "\n".join(node)


def _page(status: int, title: str) -> Answer:
    text = f"{status} - {title}"
    html = f"<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>\n"
    return Answer(status, html.encode(), "text/html", code=title.replace(" ", ""))
