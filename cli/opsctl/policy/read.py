"""From text to a policy: checked before anything in it is believed, refused in one line that says where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from opsctl.errors import ConfigError, suggest
from opsctl.policy.calendar import Calendar, Entry
from opsctl.policy.grants import Grant, Policy
from opsctl.policy.names import loose
from opsctl.policy.scope import What, Where
from opsctl.policy.times import When

NAME = "policy.yml"
KINDS = {
    "group": ("groups",),
    "role": ("roles",),
    "grant": ("grants",),
    "freeze": ("calendar", "freezes"),
    "window": ("calendar", "windows"),
}
"""What has a name, and where it stands."""
_PARTS: tuple[type[BaseModel], ...] = (Policy, Grant, What, Where, When, Calendar, Entry)
_MOST = 4 * 1024 * 1024
"""Characters; the parser of YAML takes a second for each of them."""


Named = tuple[str, str, Any]
"""Kind, name and body of an entry."""


def read(text: str, path: str = NAME, kept: Mapping[str, Any] | None = None) -> Policy:
    """A policy from its text, with what is kept elsewhere beside it, in the same shape.

    Raises:
        ConfigError: one line with the file, the line where it is known, the key, and what is wrong.
    """
    tree, data = parsed(text, path)
    policy = _valid(data, path, tree)
    if kept:
        policy = _valid(_merged(data, kept, path), path, tree)
    for where, message in loose(policy):
        raise ConfigError(f"{_place(path, tree, where)}: {message}")
    return policy


def shaped(text: str, path: str) -> dict[str, Any]:
    """The data of a text that has the shape of a policy, whatever its names mean.

    Raises:
        ConfigError: it has not.
    """
    tree, data = parsed(text, path)
    _valid(data, path, tree)
    return data


def parsed(text: str, path: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    """The tree, which knows lines, and its data.

    Raises:
        ConfigError: it is not YAML, or no mapping.
    """
    if len(text) > _MOST:
        raise ConfigError(f"{path}: larger than {_MOST // 1024 // 1024} MB")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or 'bad characters'}") from None
    except (RecursionError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(f"{path}: cannot be used: {' '.join(str(error).split()) or type(error).__name__}") from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: want groups, roles, grants or calendar, not a {type(data).__name__}")
    return tree, data


def entries(data: Mapping[str, Any]) -> list[Named]:
    """Kind, name and body of all that has a name. Only for data that was read before."""
    found: list[Named] = []
    for kind, keys in KINDS.items():
        part: Any = data
        for key in keys:
            part = part.get(key) or {}
        named = part.items() if isinstance(part, dict) else ((str(body["name"]), body) for body in part)
        found += [(kind, str(name), _plain(body)) for name, body in named]
    return found


def gathered(found: list[Named]) -> dict[str, Any]:
    """The opposite of `entries`: the shape of the file."""
    data: dict[str, Any] = {}
    for kind, name, body in found:
        *above, key = KINDS[kind]
        part = data
        for upper in above:
            part = part.setdefault(upper, {})
        if kind in ("group", "role"):
            part.setdefault(key, {})[name] = body
        else:
            part.setdefault(key, []).append(body)
    return data


def _plain(value: Any) -> Any:
    """As JSON has it: YAML makes times of some texts."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat(" ") if isinstance(value, datetime) else str(value) if isinstance(value, date) else value


def _valid(data: Any, path: str, tree: yaml.Node | None) -> Policy:
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        first = min(error.errors(include_url=False, include_input=False), key=_depth)
        raise ConfigError(_told(path, tree, first)) from None
    except RecursionError:
        raise ConfigError(f"{path}: cannot be used: it refers to itself") from None


def _merged(data: Mapping[str, Any], kept: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Both; what has a name in both is refused, for one would hide the other."""
    merged: dict[str, Any] = {key: value for key, value in data.items() if value is not None}
    for key, more in kept.items():
        here = merged.get(key)
        if here and isinstance(more, dict):
            if key == "calendar":
                merged[key] = {**here, **{part: [*(here.get(part) or ()), *of] for part, of in more.items()}}
                continue
            if both := sorted(here.keys() & more.keys()):
                kind = key.removesuffix("s")
                raise ConfigError(
                    f"{path}: {kind} {both[0]} is in the database, too; `opsctl access remove {kind} {both[0]}` takes "
                    "that one away"
                )
            merged[key] = {**here, **more}
        else:
            merged[key] = [*(here or ()), *more] if isinstance(more, list) else more
    return merged


def _depth(error: Any) -> tuple[bool, int]:
    """The most telling of several errors: a key that does not exist, then the one that was understood furthest."""
    return error["type"] != "extra_forbidden", -len(error["loc"])


def _told(path: str, tree: yaml.Node | None, error: Any) -> str:
    location = [part for part in error["loc"] if part not in ("What", "str", "tuple[str, ...]")]
    message = " ".join(error["msg"].removeprefix("Value error, ").split())
    if error["type"] == "extra_forbidden":
        known = {field.alias or name for part in _PARTS for name, field in part.model_fields.items()}
        message = f"unknown key{suggest(str(location[-1]), known)}"
    return f"{_place(path, tree, location)}: {message[:1].lower()}{message[1:]}"


def _place(path: str, tree: yaml.Node | None, location: list[Any]) -> str:
    """`FILE, line N: key.key`; what the file does not have is in the database."""
    node, line, missing = tree, 0, False
    for number, part in enumerate(location):
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            missing = isinstance(part, int) or location[number - 1 : number] in (["groups"], ["roles"])
            break
        line, node = found[0].start_mark.line + 1, found[1]
    key = ".".join(str(part) for part in location)
    if missing:
        return f"{path} with the database: {key}"
    return f"{path}{f', line {line}' if line else ''}{f': {key}' if key else ''}"
