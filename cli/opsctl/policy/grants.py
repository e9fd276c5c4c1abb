"""`OPSCTL_HOME/policy.yml`: groups, roles and grants, checked before anything in them is believed."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from opsctl.clock import span
from opsctl.errors import ConfigError, suggest
from opsctl.policy.finding import Level

NAME = "policy.yml"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Many = Annotated[tuple[str, ...], BeforeValidator(_many)]
"""One text, or a list of them."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class What(_Part):
    """What is run: any of the named contents; then the action and the risk, where they are given."""

    scenario: Many = ()
    playbook: Many = ()
    module: Many = ()
    command: Many = ()
    action: Many = ()
    risk: Level | None = None


class Where(_Part):
    """Where: all that are given must fit."""

    cloud: Many = ()
    stack: Many = ()
    group: Many = ()
    host: Many = ()


class When(_Part):
    """At which time of this machine's clock."""

    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], BeforeValidator(_many)] = ()
    hours: Many = ()
    """`HH:MM-HH:MM`; one that ends before it begins goes over midnight and belongs to the day it begins on."""

    @field_validator("hours")
    @classmethod
    def _spans(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _HOURS.fullmatch(text):
                raise ValueError(f'want hours as "09:00-17:30", not "{text}"')
        return value


class Grant(_Part):
    """Who may do what, where and when; or may not; or only after an approval."""

    name: Annotated[str, Field(min_length=1)]
    who: Many
    what: What | tuple[str, ...] = What()
    where: Where = Where()
    when: When = When()
    effect: Literal["allow", "deny", "approve"]
    approvers: Many = ()
    """Effect approve: who may say yes: users, group:NAME, os:GROUP; unset = the installation's owner."""
    needed: Annotated[int, Field(ge=1, le=100)] | None = None
    """Effect approve: how many must; unset = one."""
    expires: str | None = None
    """Effect approve: how long it may take from the question to the start, as `24h`; unset = as settings say."""
    break_glass: Many = ()
    """Effect approve: who may go without in an emergency, to be looked at afterwards; the owner always may."""

    @field_validator("expires")
    @classmethod
    def _span(cls, value: str | None) -> str | None:
        if value is not None:
            span(value)
        return value

    @field_validator("what", mode="before")
    @classmethod
    def _role(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("who")
    @classmethod
    def _somebody(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names nobody; use everybody, a user, group:NAME or os:GROUP")
        return value


class Policy(_Part):
    """The whole file."""

    groups: dict[str, Many] = {}
    """Name -> users, `os:GROUP`."""
    roles: dict[str, What] = {}
    """Name -> what its holder may do, to be named as a grant's `what`."""
    grants: tuple[Grant, ...] = ()

    def what(self, grant: Grant) -> tuple[What, ...]:
        """What a grant is about, roles looked up."""
        return (grant.what,) if isinstance(grant.what, What) else tuple(self.roles[name] for name in grant.what)


def load(home: Path) -> Policy:
    """The policy of this home; an empty one when it has no file.

    Raises:
        ConfigError: it cannot be read or used, or others than the home's owner could have written it.
    """
    path = home / NAME
    try:
        _own(path, home)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Policy()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    return read(text, str(path))


def _own(path: Path, home: Path) -> None:
    """What others can write is no policy."""
    found = path.stat()
    if found.st_uid not in (0, home.stat().st_uid):
        raise ConfigError(f"{path} belongs to uid {found.st_uid}, not to the owner of {home}; the owner must write it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path} can be written by others than its owner; run chmod go-w on it")


def read(text: str, path: str = NAME) -> Policy:
    """A policy from its text.

    Raises:
        ConfigError: one line with the file, the line where it is known, the key, and what is wrong.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or 'bad characters'}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be used: {type(error).__name__}") from None
    try:
        policy = Policy.model_validate({} if data is None else data)
    except ValidationError as error:
        first = min(error.errors(include_url=False, include_input=False), key=_depth)
        raise ConfigError(_told(path, tree, first)) from None
    for where, message in _loose(policy):
        raise ConfigError(f"{_place(path, tree, where)}: {message}")
    return policy


def _depth(error: Any) -> tuple[bool, int]:
    """The most telling of several errors: a key that does not exist, then the one that was understood furthest."""
    return error["type"] != "extra_forbidden", -len(error["loc"])


def _told(path: str, tree: yaml.Node | None, error: Any) -> str:
    location = [part for part in error["loc"] if part not in ("What", "tuple[str, ...]")]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = {name for part in (Policy, Grant, What, Where, When) for name in part.model_fields}
        message = f"unknown key{suggest(str(location[-1]), known)}"
    return f"{_place(path, tree, location)}: {message[:1].lower()}{message[1:]}"


def _place(path: str, tree: yaml.Node | None, location: list[Any]) -> str:
    """`FILE, line N: key.key`."""
    node, line = tree, 0
    for part in location:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    key = ".".join(str(part) for part in location)
    return f"{path}{f', line {line}' if line else ''}{f': {key}' if key else ''}"


def _loose(policy: Policy) -> list[tuple[list[Any], str]]:
    """Names that mean nothing, or two things."""
    found: list[tuple[list[Any], str]] = []
    seen: set[str] = set()
    for name, members in policy.groups.items():
        if any(member.startswith("group:") for member in members):
            found.append((["groups", name], "a group cannot hold groups; name users and os:GROUP"))
    for number, grant in enumerate(policy.grants):
        at: list[Any] = ["grants", number]
        if grant.name in seen or grant.name in ("owner", "default"):
            found.append(([*at, "name"], f"the name {grant.name} is taken; a decision must name one rule"))
        seen.add(grant.name)
        if not isinstance(grant.what, What):
            for role in grant.what:
                if role not in policy.roles:
                    found.append(([*at, "what"], f"unknown role {role}{suggest(role, policy.roles)}"))
        for key in ("who", "approvers", "break_glass"):
            found += [([*at, key], text) for text in _nobody(policy, getattr(grant, key))]
        if grant.effect != "approve":
            for key in ("approvers", "needed", "expires", "break_glass"):
                if getattr(grant, key):
                    found.append(([*at, key], "is for grants whose effect is approve"))
        # Users are counted here; how many a group of the operating system has is known only when they vote.
        elif (plain := _counted(policy, grant.approvers)) is not None and plain < (grant.needed or 1):
            found.append(([*at, "needed"], f"{grant.needed} must approve, and approvers are {plain}"))
    return found


def _nobody(policy: Policy, names: tuple[str, ...]) -> list[str]:
    found = []
    for who in names:
        kind, _, name = who.rpartition(":")
        if kind == "group" and name not in policy.groups:
            found.append(f"unknown group {name}{suggest(name, policy.groups)}")
        elif kind not in ("", "group", "os"):
            found.append(f"{who}: want a user, group:NAME, os:GROUP or everybody")
    return found


def _counted(policy: Policy, names: tuple[str, ...]) -> int | None:
    """How many people these are; None when that cannot be told."""
    people: set[str] = set()
    for name in names:
        people.update(policy.groups.get(name[6:], ()) if name.startswith("group:") else (name,))
    return None if not names or any(name == "everybody" or name.startswith("os:") for name in people) else len(people)
