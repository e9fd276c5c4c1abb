"""Security groups as packet filter rules. Pure: rules in, text for ``iptables-restore`` out.

A rule is a dict with the API's own names: ``Direction`` (ingress, egress), ``IpProtocol`` (tcp, udp, icmp, gre, all),
``PortRange`` ("22/22", "-1/-1"), ``Policy`` (accept, drop), ``Priority`` (1-100, low first; at one priority drop
wins), ``Cidr`` or ``GroupId``. Groups stand for the private addresses of their members.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.localcloud.errors import ApiError

METADATA = "100.100.100.200"
SIGNALS = "100.100.100.110"
VXLAN_PORT = 4789
PROTOCOLS = ("tcp", "udp", "icmp", "gre", "all")

Rule = dict[str, Any]


@dataclass(frozen=True)
class Wiring:
    """How a host is wired: the Docker side's subnet, its gateway (the operator) and the service's port there."""

    subnet: str
    gateway: str
    port: int


def rule(direction: str, raw: Mapping[str, Any]) -> Rule:
    """One rule of a template, checked. Raises InvalidParameter-like :class:`ApiError` that names the field."""
    protocol = str(raw.get("IpProtocol", "")).lower()
    if protocol not in PROTOCOLS:
        raise ApiError("InvalidIpProtocol.Malformed", f"IpProtocol {protocol!r} must be one of {', '.join(PROTOCOLS)}.")
    ports = str(raw.get("PortRange", "-1/-1"))
    _ports(ports, protocol)
    policy = str(raw.get("Policy") or "accept").lower()
    if policy not in ("accept", "drop"):
        raise ApiError("InvalidPolicy.Malformed", f"Policy {policy!r} must be accept or drop.")
    priority = str(raw.get("Priority") or 1)
    if not (priority.isdecimal() and 1 <= int(priority) <= 100):
        raise ApiError("InvalidPriority.Malformed", f"Priority {priority!r} must be a number from 1 to 100.")
    side = "Source" if direction == "ingress" else "Dest"
    cidr, group = raw.get(f"{side}CidrIp"), raw.get(f"{side}GroupId")
    if cidr:
        try:
            cidr = str(ipaddress.IPv4Network(str(cidr), strict=False))
        except ValueError:
            raise ApiError("InvalidParamter", f"{side}CidrIp {cidr!r} is not an IPv4 address range.") from None
    elif not group:
        raise ApiError("MissingParameter.Source", f"A rule needs {side}CidrIp or {side}GroupId.")
    return {
        "Direction": direction,
        "IpProtocol": protocol,
        "PortRange": ports,
        "Policy": policy,
        "Priority": int(priority),
        "Cidr": cidr or "",
        "GroupId": group or "",
        "Description": str(raw.get("Description") or ""),
    }


def _ports(text: str, protocol: str) -> tuple[int, int] | None:
    """``"80/90"`` -> (80, 90); ``"-1/-1"`` -> None (all)."""
    try:
        low, high = (int(part) for part in text.split("/"))
    except ValueError:
        raise ApiError("InvalidPortRange.Malformed", f"PortRange {text!r} must read like 22/22.") from None
    if (low, high) == (-1, -1):
        return None
    if protocol in ("icmp", "gre", "all") or not 1 <= low <= high <= 65535:
        raise ApiError("InvalidPortRange.Malformed", f"PortRange {text!r} does not fit protocol {protocol}.")
    return low, high


def render(wiring: Wiring, rules: Iterable[Rule], members: Mapping[str, Iterable[str]], own: Iterable[str]) -> str:
    """The whole filter of one host.

    ``rules``: those of its groups; ``members``: private addresses by group id; ``own``: addresses of hosts in the
    same groups (a normal group lets its members talk). The Docker side takes the operator, on whom the groups'
    rules work as on a public address, and vxlan from peers; nothing else.
    """
    lines = ["*filter"]
    lines += [f":{chain} - [0:0]" for chain in ("OPSCTL-IN", "OPSCTL-OUT", "SG-IN", "SG-OUT")]
    lines += [
        "-F INPUT",
        "-F OUTPUT",
        "-A INPUT -j OPSCTL-IN",
        "-A OUTPUT -j OPSCTL-OUT",
        "-A OPSCTL-IN -i lo -j ACCEPT",
        "-A OPSCTL-IN -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        f"-A OPSCTL-IN -i eth0 -p udp --dport {VXLAN_PORT} -s {wiring.subnet} -j ACCEPT",
        f"-A OPSCTL-IN -i eth0 -s {wiring.gateway}/32 -j SG-IN",
        "-A OPSCTL-IN -i eth0 -j DROP",
        "-A OPSCTL-IN -i vpc0 -j SG-IN",
        "-A OPSCTL-IN -i vpc0 -j DROP",
        "-A OPSCTL-OUT -o lo -j ACCEPT",
        "-A OPSCTL-OUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        f"-A OPSCTL-OUT -o eth0 -p udp --dport {VXLAN_PORT} -j ACCEPT",
        f"-A OPSCTL-OUT -o eth0 -p tcp -d {wiring.gateway} --dport {wiring.port} -j ACCEPT",
        "-A OPSCTL-OUT -j SG-OUT",
    ]
    ordered = sorted(rules, key=lambda item: (item["Priority"], item["Policy"] != "drop"))
    for item in ordered:
        for address in [item["Cidr"]] if item["Cidr"] else _blocks(members.get(item["GroupId"], ())):
            lines.append(_line(item, address))
    lines += [f"-A SG-IN -i vpc0 -s {block} -j ACCEPT" for block in _blocks(own)]
    lines += ["-A SG-IN -j DROP", "COMMIT", ""]
    return "\n".join(lines)


def _blocks(addresses: Iterable[str]) -> list[str]:
    """Exactly these addresses in the fewest blocks: a hundred neighbours must not cost each host a hundred rules."""
    return [str(block) for block in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, addresses))]


def _line(item: Rule, address: str) -> str:
    inward = item["Direction"] == "ingress"
    words: list[str] = ["-A", "SG-IN" if inward else "SG-OUT", "-s" if inward else "-d", address]
    if item["IpProtocol"] != "all":
        words += ["-p", item["IpProtocol"]]
    ports = _ports(item["PortRange"], item["IpProtocol"])
    if ports:
        words += ["--dport", f"{ports[0]}:{ports[1]}"]
    return " ".join([*words, "-j", "ACCEPT" if item["Policy"] == "accept" else "DROP"])


def render_nat(wiring: Wiring) -> str:
    """The two intranet addresses of the real cloud, led to the service on this machine."""
    lines = ["*nat", ":OPSCTL - [0:0]"]
    lines += [
        f"-A OPSCTL -d {address}/32 -p tcp --dport 80 -j DNAT --to-destination {wiring.gateway}:{wiring.port}"
        for address in (METADATA, SIGNALS)
    ]
    return "\n".join([*lines, "COMMIT", ""])
