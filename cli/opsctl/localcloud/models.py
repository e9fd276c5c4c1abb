"""What the local cloud knows: one frozen record a thing, JSON values only, times as ISO text in UTC.

Records say what was asked for and what was given; what runs is asked of Docker (:mod:`opsctl.localcloud.hosts`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

Tags = dict[str, str]


@dataclass(frozen=True)
class Stack:
    """A stack and, while ``operation`` is set, the work on it that a restart takes up again."""

    kind: ClassVar[str] = "stack"
    stack_id: str
    name: str
    region_id: str
    status: str
    status_reason: str
    template_body: str
    parameters: dict[str, str]
    tags: Tags
    create_time: str
    update_time: str = ""
    timeout_in_minutes: int = 60
    disable_rollback: bool = False
    deletion_protection: str = "Disabled"
    description: str = ""
    notification_urls: list[str] = field(default_factory=list)
    operation: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        return self.stack_id


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack; ``properties`` are the resolved ones last applied, ``data`` belongs to its type.

    ``pending``: an update began and did not end well. ``stale``: replaced, to be removed. ``uid`` tells the two sides
    of a replacement apart where their physical ids are the same (a key pair's name, a rule's group).
    """

    kind: ClassVar[str] = "resource"
    stack_id: str
    logical_id: str
    type: str
    physical_id: str
    status: str
    reason: str
    properties: dict[str, Any]
    depends_on: list[str]
    create_time: str
    update_time: str = ""
    deletion_policy: str = "Delete"
    metadata: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)
    stale: bool = False
    pending: bool = False
    uid: str = ""

    @property
    def key(self) -> str:
        return f"{self.stack_id}/{self.logical_id}/{self.uid or self.physical_id}"


@dataclass(frozen=True)
class Vpc:
    kind: ClassVar[str] = "vpc"
    vpc_id: str
    name: str
    cidr: str
    region_id: str
    vni: int
    create_time: str
    description: str = ""
    router_id: str = ""
    route_table_id: str = ""
    tags: Tags = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.vpc_id


@dataclass(frozen=True)
class VSwitch:
    kind: ClassVar[str] = "vswitch"
    vswitch_id: str
    vpc_id: str
    zone_id: str
    cidr: str
    name: str
    create_time: str
    description: str = ""
    tags: Tags = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.vswitch_id


@dataclass(frozen=True)
class SecurityGroup:
    """``rules``: dicts of :func:`opsctl.localcloud.hosts.firewall.rule` by who added them (a resource's key)."""

    kind: ClassVar[str] = "security_group"
    security_group_id: str
    vpc_id: str
    name: str
    create_time: str
    description: str = ""
    type: str = "normal"
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.security_group_id


@dataclass(frozen=True)
class KeyPair:
    kind: ClassVar[str] = "key_pair"
    name: str
    public_key: str
    fingerprint: str
    create_time: str
    tags: Tags = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True)
class Instance:
    """A host. ``status`` is the one wanted or in transition; ``address`` is its address on the Docker network.

    ``power``: what was promised and is not done yet: start, stop or reboot, with an exclamation mark when forced.
    """

    kind: ClassVar[str] = "instance"
    instance_id: str
    name: str
    host_name: str
    region_id: str
    zone_id: str
    vpc_id: str
    vswitch_id: str
    security_group_ids: list[str]
    private_ip: str
    address: str
    image_id: str
    instance_type: str
    status: str
    create_time: str
    start_time: str = ""
    public: bool = False
    key_pair_name: str = ""
    user_data: str = ""
    description: str = ""
    bandwidth_out: int = 0
    serial_number: str = ""
    http_tokens: str = "optional"
    power: str = ""
    password_set: bool = False
    tags: Tags = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.instance_id


@dataclass(frozen=True)
class Command:
    """A Cloud Assistant command and its one execution on ``results``' instances."""

    kind: ClassVar[str] = "command"
    invoke_id: str
    command_id: str
    name: str
    description: str
    type: str
    content: str
    timeout: int
    working_dir: str
    username: str
    parameters: dict[str, str] | None
    create_time: str
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.invoke_id


@dataclass(frozen=True)
class Signal:
    """One call of a wait condition's handle; the same id again replaces it."""

    kind: ClassVar[str] = "signal"
    handle: str
    id: str
    status: str
    reason: str
    data: Any
    seq: int

    @property
    def key(self) -> str:
        return f"{self.handle}/{self.id}"


@dataclass(frozen=True)
class Token:
    """A ClientToken: the same call again gets the same answer."""

    kind: ClassVar[str] = "token"
    name: str
    digest: str
    answer: dict[str, Any]
    time: str

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True)
class Fact:
    """A value of the installation itself: keys, the Docker network, the next VNI."""

    kind: ClassVar[str] = "fact"
    name: str
    value: Any

    @property
    def key(self) -> str:
        return self.name
