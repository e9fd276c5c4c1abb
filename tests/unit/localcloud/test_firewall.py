"""Security rules: what is taken, what is refused, and the packet filter that comes of it."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.firewall import METADATA, SIGNALS, Rule, Wiring, render, render_nat, rule

WIRING = Wiring("100.80.0.0/20", "100.80.0.1", 8460)
SSH = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}


def test_a_rule_is_taken_as_templates_write_it() -> None:
    assert rule("ingress", {**SSH, "IpProtocol": "TCP", "Policy": None, "Priority": "5", "NicType": "intranet"}) == {
        "Direction": "ingress",
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "Policy": "accept",
        "Priority": 5,
        "Cidr": "0.0.0.0/0",
        "GroupId": "",
        "Description": "",
    }


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"IpProtocol": "sctp"}, "IpProtocol"),
        ({"PortRange": "22"}, "PortRange"),
        ({"PortRange": "23/22"}, "PortRange"),
        ({"PortRange": "0/22"}, "PortRange"),
        ({"PortRange": "1/65536"}, "PortRange"),
        ({"PortRange": "a/b"}, "PortRange"),
        ({"PortRange": "-1/22"}, "PortRange"),
        ({"IpProtocol": "icmp"}, "PortRange"),
        ({"Policy": "reject"}, "Policy"),
        ({"Priority": 101}, "Priority"),
        ({"Priority": "high"}, "Priority"),
        ({"Priority": -1}, "Priority"),
        ({"Priority": 1.5}, "Priority"),
        ({"SourceCidrIp": "1.2.3"}, "SourceCidrIp"),
        ({"SourceCidrIp": "::/0"}, "SourceCidrIp"),
        ({"SourceCidrIp": "1.2.3.4 -j ACCEPT"}, "SourceCidrIp"),
        ({"SourceCidrIp": ""}, "SourceGroupId"),
    ],
)
def test_what_a_filter_could_not_say_is_refused_by_the_fields_name(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ApiError, match=word):
        rule("ingress", {**SSH, **change})


@given(
    st.dictionaries(
        st.sampled_from(
            ["IpProtocol", "PortRange", "Policy", "Priority", "SourceCidrIp", "SourceGroupId", "Description"]
        ),
        st.none() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=1) | st.booleans(),
    )
)
def test_whatever_a_template_says_is_a_rule_or_a_clear_refusal(raw: dict[str, Any]) -> None:
    try:
        found = rule("ingress", {**SSH, **raw})
    except ApiError:
        return
    assert 1 <= found["Priority"] <= 100
    shown = _rules_in(render(WIRING, [found], {}, []), "SG-IN")
    assert all(re.fullmatch(r"[-\w./: ]*", line) for line in shown)


ports = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(lambda pair: f"{min(pair)}/{max(pair)}")
cidrs = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}")


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    side, direction = draw(st.sampled_from([("Source", "ingress"), ("Dest", "egress")]))
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp", "gre", "all"]))
    raw: dict[str, Any] = {
        "IpProtocol": protocol,
        "PortRange": draw(ports) if protocol in ("tcp", "udp") else "-1/-1",
        "Policy": draw(st.sampled_from(["accept", "drop"])),
        "Priority": draw(st.integers(1, 100)),
    }
    if draw(st.booleans()):
        raw[f"{side}CidrIp"] = draw(cidrs)
    else:
        raw[f"{side}GroupId"] = draw(st.sampled_from(["sg-a", "sg-b"]))
    return rule(direction, raw)


def _rules_in(text: str, chain: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"-A {chain} ")]


@given(st.lists(rules(), max_size=6))
def test_low_priorities_come_first_and_at_one_priority_drop_wins(wanted: list[Rule]) -> None:
    text = render(WIRING, wanted, {"sg-a": ["10.0.0.5"], "sg-b": []}, [])
    for direction, chain in (("ingress", "SG-IN"), ("egress", "SG-OUT")):
        mine = [each for each in wanted if each["Direction"] == direction and each["GroupId"] != "sg-b"]
        mine.sort(key=lambda each: (each["Priority"], each["Policy"] != "drop"))
        shown = _rules_in(text, chain)[: len(mine)]
        assert [line.split()[-1] for line in shown] == [
            "ACCEPT" if each["Policy"] == "accept" else "DROP" for each in mine
        ]
        for line, each in zip(shown, mine, strict=True):
            address = line.split()[3]
            assert ipaddress.ip_network(address) == ipaddress.ip_network(each["Cidr"] or "10.0.0.5/32")


@given(st.lists(rules(), max_size=6), st.sets(st.sampled_from(["10.0.0.5", "10.0.0.6"])))
def test_what_no_rule_lets_in_is_dropped(wanted: list[Rule], own: set[str]) -> None:
    text = render(WIRING, wanted, {"sg-a": ["10.0.0.5"]}, own)
    assert _rules_in(text, "SG-IN")[-1] == "-A SG-IN -j DROP"
    assert _rules_in(text, "OPSCTL-IN")[-1] == "-A OPSCTL-IN -i vpc0 -j DROP"
    blocks = ipaddress.collapse_addresses(map(ipaddress.IPv4Network, own))
    peers = [f"-A SG-IN -i vpc0 -s {block} -j ACCEPT" for block in blocks]
    assert _rules_in(text, "SG-IN")[-1 - len(peers) : -1] == peers


def test_the_docker_side_takes_the_operator_and_vxlan_and_nothing_else() -> None:
    text = render(WIRING, [], {}, [])
    doors = [line for line in _rules_in(text, "OPSCTL-IN") if "-i eth0" in line]
    assert doors == [
        "-A OPSCTL-IN -i eth0 -p udp --dport 4789 -s 100.80.0.0/20 -j ACCEPT",
        "-A OPSCTL-IN -i eth0 -s 100.80.0.1/32 -j SG-IN",
        "-A OPSCTL-IN -i eth0 -j DROP",
    ]


def test_metadata_and_signals_are_led_to_the_service() -> None:
    text = render_nat(WIRING)
    for address in (METADATA, SIGNALS):
        assert f"-A OPSCTL -d {address}/32 -p tcp --dport 80 -j DNAT --to-destination 100.80.0.1:8460" in text
