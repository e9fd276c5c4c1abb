"""What a host is told about itself, and how hardened mode keeps strangers out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.gateway.answer import Answer
from opsctl.localcloud.metadata import TOKEN_HEADER, TTL_HEADER, InstanceView, Metadata

MAC = "00:16:3e:0f:00:01"
VIEW = InstanceView(
    instance_id="i-1",
    instance_name="cache-1",
    instance_type="ecs.g7.large",
    hostname="cache-1",
    image_id="debian_12",
    region_id="cn-hangzhou",
    zone_id="cn-hangzhou-h",
    owner_account_id="1000000000000001",
    serial_number="4acd2b47-b328-4762-852f-998000000000",
    mac=MAC,
    private_ipv4="192.168.1.10",
    network_interface_id="eni-1",
    vpc_id="vpc-1",
    vpc_cidr_block="192.168.0.0/16",
    vswitch_id="vsw-1",
    vswitch_cidr_block="192.168.1.0/24",
    nameservers=("100.100.2.136", "100.100.2.138"),
    ntp_servers=("ntp1.aliyun.com",),
    public_keys={"operator": "ssh-ed25519 AAAA operator"},
    user_data=b"#!/bin/sh\n\xff",
)
FULL = replace(
    VIEW,
    eipv4="203.0.113.9",
    source_address="http://mirrors.example",
    tags={"opsctl:group": "redis"},
    role="worker",
    credentials={"AccessKeyId": "STS.1", "AccessKeySecret": "CANARY", "Code": "Success"},
)
HARD = replace(VIEW, http_tokens="required")
META = "/latest/meta-data"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def get(view: InstanceView, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
    return service(view).answer("172.30.0.5", method, path, headers or {})


def service(view: InstanceView, clock: Clock | None = None) -> Metadata:
    return Metadata({"172.30.0.5": view, "172.30.0.6": replace(view, instance_id="i-2")}.get, clock or Clock(), b"seal")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{META}/instance-id", "i-1"),
        ("/2016-01-01/meta-data/instance-id", "i-1"),
        (f"{META}/instance/instance-name", "cache-1"),
        (f"{META}/instance/instance-type", "ecs.g7.large"),
        (f"{META}/hostname", "cache-1"),
        (f"{META}/zone-id", "cn-hangzhou-h"),
        (f"{META}/private-ipv4", "192.168.1.10"),
        (f"{META}/network-type", "vpc"),
        (f"{META}/dns-conf/nameservers", "100.100.2.136\n100.100.2.138"),
        (f"{META}/ntp-conf/ntp-servers", "ntp1.aliyun.com"),
        (f"{META}/public-keys/0/openssh-key", "ssh-ed25519 AAAA operator"),
        (f"{META}/public-keys/operator/openssh-key", "ssh-ed25519 AAAA operator"),
        (f"{META}/network/interfaces/macs/{MAC}/gateway", "192.168.1.253"),
        (f"{META}/network/interfaces/macs/{MAC}/netmask", "255.255.255.0"),
        (f"{META}/network/interfaces/macs/{MAC}/private-ipv4s", '["192.168.1.10"]'),
        (f"{META}/network/interfaces/macs/{MAC}/network-interface-id", "eni-1"),
        (f"{META}/network/interfaces/macs/", f"{MAC}/"),
        (f"{META}/instance/", "instance-name\ninstance-type"),
        ("/latest/", "dynamic/\nmeta-data/\nuser-data"),
        ("/latest", "dynamic/\nmeta-data/\nuser-data"),
        ("/", "2016-01-01/\nlatest/"),
    ],
)
def test_items_and_directories_read_as_the_real_ones(path: str, text: str) -> None:
    answer = get(VIEW, path)
    assert (answer.status, answer.body.decode()) == (200, text)


def test_the_top_directory_lists_exactly_what_there_is() -> None:
    plain = get(VIEW, f"{META}/").body.decode().split("\n")
    assert plain == sorted(plain)
    assert {"dns-conf/", "instance/", "instance-id", "network/", "public-keys/"} <= set(plain)
    full = get(FULL, f"{META}/").body.decode().split("\n")
    assert set(full) - set(plain) == {"eipv4", "public-ipv4", "ram/", "source-address", "tags/"}


def test_every_listed_name_can_be_read() -> None:
    seen = 0

    def walk(path: str) -> None:
        nonlocal seen
        answer = get(FULL, path)
        assert answer.status == 200, path
        seen += 1
        if path.endswith("/"):
            for name in answer.body.decode().split("\n"):
                walk(path + name)

    walk("/")
    assert seen > 80


def test_everything_at_once_is_the_same_tree() -> None:
    every = json.loads(get(FULL, f"{META}/all").body)
    assert every["instance-id"] == "i-1"
    assert every["dns-conf"]["nameservers"] == ["100.100.2.136", "100.100.2.138"]
    assert every["tags"]["instance"] == {"opsctl:group": "redis"}


def test_the_role_gives_its_credentials() -> None:
    assert get(FULL, f"{META}/ram/security-credentials/").body == b"worker"
    assert json.loads(get(FULL, f"{META}/ram/security-credentials/worker").body) == dict(FULL.credentials)
    assert "CANARY" not in repr(FULL)


def test_the_identity_document_names_the_instance() -> None:
    document = json.loads(get(VIEW, "/latest/dynamic/instance-identity/document").body)
    assert document == {
        "zone-id": "cn-hangzhou-h",
        "serial-number": VIEW.serial_number,
        "instance-id": "i-1",
        "region-id": "cn-hangzhou",
        "private-ipv4": "192.168.1.10",
        "owner-account-id": "1000000000000001",
        "mac": MAC,
        "image-id": "debian_12",
        "instance-type": "ecs.g7.large",
    }


def test_user_data_is_given_byte_for_byte() -> None:
    assert get(VIEW, "/latest/user-data").body == b"#!/bin/sh\n\xff"
    assert get(replace(VIEW, user_data=None), "/latest/user-data").status == 404
    assert get(replace(VIEW, user_data=b""), "/latest/user-data").body == b""
    assert get(VIEW, "/1999-01-01/user-data").status == 404


@pytest.mark.parametrize(
    "path", [f"{META}/nothing", f"{META}/instance-id/more", "/latest/x", "/2000-01-01/", f"{META}/eipv4", "/../etc"]
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    answer = get(VIEW, path)
    assert (answer.status, b"404 - Not Found" in answer.body) == (404, True)


@given(st.text(alphabet="/latesm-dui.0%é", max_size=30))
def test_any_path_gets_an_answer(path: str) -> None:
    assert get(VIEW, f"/{path}").status in (200, 404)


def test_a_stranger_and_a_disabled_endpoint_learn_nothing() -> None:
    assert service(VIEW).answer("172.30.0.99", "GET", f"{META}/", {}).status == 403
    assert get(replace(VIEW, http_endpoint=False), f"{META}/").status == 403


def test_only_reading_is_allowed() -> None:
    assert get(VIEW, f"{META}/", method="POST").status == 405
    assert get(VIEW, "/latest/api/token").status == 405


def grant(metadata: Metadata, ttl: str = "60", source: str = "172.30.0.5") -> str:
    answer = metadata.answer(source, "PUT", "/latest/api/token", {TTL_HEADER: ttl})
    assert answer.status == 200
    return answer.body.decode()


def read(metadata: Metadata, token: str, source: str = "172.30.0.5") -> int:
    return metadata.answer(source, "GET", f"{META}/instance-id", {TOKEN_HEADER: token}).status


def test_hardened_mode_asks_for_a_token() -> None:
    metadata = service(HARD)
    assert metadata.answer("172.30.0.5", "GET", f"{META}/instance-id", {}).status == 403
    assert read(metadata, grant(metadata)) == 200


@pytest.mark.parametrize("view", [VIEW, HARD])
def test_a_token_is_for_its_time_and_its_instance(view: InstanceView) -> None:
    clock = Clock()
    metadata = service(view, clock)
    token = grant(metadata, "60")
    assert read(metadata, token, "172.30.0.6") == 401
    clock.now += 59
    assert read(metadata, token) == 200
    clock.now += 1
    assert read(metadata, token) == 401


@given(at=st.integers(0, 72), new=st.sampled_from([*"0123456789abcdefABCDEF-_ xé", ""]))
def test_a_touched_token_is_refused(at: int, new: str) -> None:
    metadata = service(VIEW)
    token = grant(metadata)
    touched = token[:at] + new + token[at + 1 :]
    assert read(metadata, touched) == (200 if touched == token else 401)


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "1.5", "x", "٣", "9" * 5000])
def test_a_token_lasts_from_a_second_to_six_hours(ttl: str) -> None:
    metadata = service(VIEW)
    assert metadata.answer("172.30.0.5", "PUT", "/latest/api/token", {TTL_HEADER: ttl}).status == 400
    grant(metadata, "1")
    grant(metadata, "21600")


def test_a_proxied_request_gets_no_token() -> None:
    headers = {TTL_HEADER: "60", "x-forwarded-for": "10.0.0.1"}
    assert get(VIEW, "/latest/api/token", headers, "PUT").status == 403
