"""Hosts that tests share: a key, and a stack of a few hosts that no test changes for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from tests.integration.cloud.lab import Lab, Stack
from tests.integration.cloud.parts import allow, att, group, host, hosts, network, piece, ref, template

PASSWORD = "Canary-Password-77"


@dataclass(frozen=True)
class Key:
    path: Path
    public: str


@dataclass(frozen=True)
class Town:
    """``web``: two hosts of a group, by key. ``mail``: one, by password. The SSH port is open, nothing else."""

    stack: Stack
    web: tuple[str, str]
    mail: str

    def __iter__(self) -> Iterator[str]:
        """All its hosts."""
        return iter((*self.web, self.mail))


@pytest.fixture(scope="session")
def key(lab_home: Path) -> Key:
    made = asyncssh.generate_private_key("ssh-ed25519")
    path = lab_home / "key"
    made.write_private_key(path)
    path.chmod(0o600)
    return Key(path, made.export_public_key().decode())


@pytest.fixture(scope="session")
def town(cloud: Lab, key: Key) -> Town:
    script = '#!/bin/sh\necho booted >> /root/boots\necho "$HOME $(pwd) $(id -un)" > /root/told\n'
    body = template(
        {
            **network(),
            "Key": piece("ALIYUN::ECS::SSHKeyPair", {"KeyPairName": "town-key", "PublicKeyBody": ref("PublicKey")}),
            "Web": hosts(2, KeyPairName=ref("Key"), InstanceName="web-[1,2]", HostName="web-[1,2]", UserData=script),
            "Private": group(allow("22/22")),
            "Mail": host(
                "Private",
                Password=ref("Password"),
                PrivateIpAddress="192.168.0.77",
                InstanceName="mail",
                Tags=[{"Key": "opsctl:group", "Value": "mail"}],
            ),
        },
        outputs={"Web": att("Web", "InstanceIds"), "Mail": ref("Mail"), "Address": att("Mail", "PrivateIp")},
        parameters={"PublicKey": {"Type": "String"}, "Password": {"Type": "String", "NoEcho": True}},
    )
    stack = cloud.create(body, {"StackName": "town"}, PublicKey=key.public, Password=PASSWORD)
    assert stack.status == "CREATE_COMPLETE", stack.reason
    first, second = stack.output("Web")
    return Town(stack, (first, second), stack.output("Mail"))
