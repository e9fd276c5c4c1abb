"""The local cloud as one object: its records, its hosts, its clock. No HTTP here."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from opsctl.localcloud.hosts.engine import Docker
from opsctl.localcloud.hosts.firewall import Wiring
from opsctl.localcloud.models import (
    Command,
    Fact,
    Instance,
    KeyPair,
    SecurityGroup,
    Signal,
    Stack,
    StackResource,
    Token,
    Vpc,
    VSwitch,
)
from opsctl.localcloud.store import Store, Table

REGION = "cn-hangzhou"
ZONES = ("cn-hangzhou-h", "cn-hangzhou-i")
FIRST_VNI = 4096


@dataclass(frozen=True)
class Options:
    """What ``opsctl cloud up`` decides. ``any_image``: take the one host image for whatever ImageId is asked."""

    home: Path
    port: int
    host_image: str | None = None
    any_image: bool = False
    apt_cache: bool = True


class Cloud:
    """Tables of records, and what all products share."""

    def __init__(self, store: Store, docker: Docker, options: Options, wiring: Wiring, image: str) -> None:
        self.store = store
        self.docker = docker
        self.options = options
        self.wiring = wiring
        self.image = image
        self.stacks = Table(store, Stack)
        self.resources = Table(store, StackResource)
        self.vpcs = Table(store, Vpc)
        self.vswitches = Table(store, VSwitch)
        self.groups = Table(store, SecurityGroup)
        self.key_pairs = Table(store, KeyPair)
        self.instances = Table(store, Instance)
        self.commands = Table(store, Command)
        self.signals = Table(store, Signal)
        self.tokens = Table(store, Token)
        self.facts = Table(store, Fact)
        self.signalled = threading.Condition()
        self.account_id = self.fact("account_id", lambda: str(10**15 + secrets.randbelow(9 * 10**15)))
        self.signing_key = self.fact("signing_key", lambda: secrets.token_hex(32))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def fact(self, name: str, make: Callable[[], str]) -> str:
        """A value made once and kept."""
        with self.store.transaction():
            found = self.facts.get(name) or self.facts.put(Fact(name, make()))
        return str(found.value)

    def next_vni(self) -> int:
        with self.store.transaction():
            found = self.facts.get("vni")
            vni = int(found.value) + 1 if found else FIRST_VNI
            self.facts.put(Fact("vni", vni))
        return vni

    def timestamp(self) -> str:
        """ROS style: no trailing Z (facts, section 3, GetStack)."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S")


def iso(text: str) -> str:
    """A stored time as products other than ROS write it: with a trailing Z."""
    return f"{text}Z" if text else ""


def minute(text: str) -> str:
    """A stored time as ECS instances carry it: minute precision (``2017-12-10T04:04Z``)."""
    return f"{text[:16]}Z" if text else ""
