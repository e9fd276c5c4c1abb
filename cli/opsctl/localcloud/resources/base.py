"""What a resource type is: a declared set of properties and attributes, and four verbs over a :class:`Context`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from opsctl.localcloud.errors import ApiError

if TYPE_CHECKING:
    from opsctl.localcloud.cloud import Cloud
    from opsctl.localcloud.hosts.assistant import Assistant
    from opsctl.localcloud.hosts.fleet import Fleet

Properties = dict[str, Any]


class ResourceError(Exception):
    """A resource could not be made, changed or removed. ``exception`` is the class name that the reason shows."""

    def __init__(self, message: str, exception: str = "ResourceFailure") -> None:
        super().__init__(message)
        self.exception = exception


@dataclass(frozen=True)
class Property:
    """One property. ``kind``: text, number, boolean, list, map or any. ``update``: changeable in place.

    ``item`` checks one item of a list: (value, path) in, the typed value out.
    """

    kind: str = "text"
    required: bool = False
    update: bool = False
    allowed: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    pattern: str = ""
    secret: bool = False
    item: Callable[[Any, str], Any] | None = None


@dataclass
class Context:
    """One resource of one stack while it is worked on. ``save`` writes ``data`` through at once.

    ``key`` is its record's: unlike the logical id, not shared with what replaces it.
    """

    cloud: Cloud
    fleet: Fleet
    assistant: Assistant
    stack_id: str
    stack_name: str
    logical_id: str
    physical_id: str
    key: str
    tags: dict[str, str]
    data: dict[str, Any]
    save: Callable[[dict[str, Any]], None]
    canceled: Callable[[], bool]

    def remember(self, **values: Any) -> None:
        self.data.update(values)
        self.save(self.data)

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the end of the operation."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.canceled():
            time.sleep(min(left, 0.2))


class Resource:
    """A type. Verbs may be called again after a crash and must then finish what was begun."""

    type: ClassVar[str]
    properties: ClassVar[Mapping[str, Property]] = {}
    attributes: ClassVar[frozenset[str]] = frozenset()
    prefix: ClassVar[str] = ""

    def new_id(self, properties: Properties) -> str:
        """The physical id, reserved before ``create`` so that a second try finds what the first one made."""
        from opsctl.localcloud.ids import new_id

        return new_id(self.prefix) if self.prefix else ""

    def ref(self, context: Context) -> str:
        return context.physical_id

    def create(self, context: Context, properties: Properties) -> None:
        raise NotImplementedError

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        raise ResourceError(f"{self.type} cannot be changed in place")

    def delete(self, context: Context) -> None:
        raise NotImplementedError

    def attribute(self, context: Context, name: str) -> Any:
        raise NotImplementedError


def check(cls: type[Resource], properties: Mapping[str, Any], path: str) -> Properties:
    """Typed properties, or the first thing wrong with them as StackValidationFailed with its path."""
    for name in properties:
        if name not in cls.properties:
            raise _invalid(f"{path}.{name}", f"Unknown property {name} of {cls.type}")
    checked: Properties = {}
    for name, spec in cls.properties.items():
        value = properties.get(name)
        if value is None:
            if spec.required:
                raise _invalid(path, f"Property {name} of {cls.type} not assigned")
            continue
        checked[name] = _value(spec, value, f"{path}.{name}")
    return checked


def _value(spec: Property, value: Any, path: str) -> Any:
    typed = _KINDS[spec.kind](value, path)
    shown = "the value" if spec.secret else repr(typed)
    if spec.allowed and typed not in spec.allowed:
        raise _invalid(path, f"{shown} is not an allowed value [{', '.join(map(str, spec.allowed))}]")
    measure = typed if spec.kind == "number" else len(typed) if spec.kind in ("text", "list", "map") else None
    if measure is not None:
        unit = "" if spec.kind == "number" else "length "
        if (spec.low is not None and measure < spec.low) or (spec.high is not None and measure > spec.high):
            top = "" if spec.high is None else f" to {spec.high:g}"
            raise _invalid(path, f"{unit}{measure} is out of range {spec.low or 0:g}{top or ' or more'}")
    if spec.pattern and not re.fullmatch(spec.pattern, typed):
        raise _invalid(path, f"{shown} does not match {spec.pattern}")
    return [spec.item(each, f"{path}[{index}]") for index, each in enumerate(typed)] if spec.item else typed


def text(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _invalid(path, f"a text is needed, not {type(value).__name__}")


def _number(value: Any, path: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _invalid(path, f"a number is needed, not {type(value).__name__}")
    try:
        number = float(value)
    except ValueError:
        raise _invalid(path, f"{value!r} is not a number") from None
    return int(number) if number.is_integer() else number


def _boolean(value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise _invalid(path, f"{value!r} is not a boolean")


def _list(value: Any, path: str) -> list[Any]:
    if isinstance(value, list):
        return [item for item in value if item is not None]
    raise _invalid(path, f"a list is needed, not {type(value).__name__}")


def _map(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _invalid(path, f"a map is needed, not {type(value).__name__}")


_KINDS: dict[str, Callable[[Any, str], Any]] = {
    "text": text,
    "number": _number,
    "boolean": _boolean,
    "list": _list,
    "map": _map,
    "any": lambda value, path: value,
}


def _invalid(path: str, reason: str) -> ApiError:
    return ApiError("StackValidationFailed", f"{path}: {reason}.")


def _tag(value: Any, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or not value.get("Key"):
        raise _invalid(path, "a tag is a map with a Key and a Value")
    shown = "" if value.get("Value") is None else value["Value"]
    return {"Key": text(value["Key"], f"{path}.Key"), "Value": text(shown, f"{path}.Value")}


TAGS = Property("list", update=True, high=20, item=_tag)


def tags_of(context: Context, properties: Properties) -> dict[str, str]:
    """The stack's tags, overridden by the resource's own."""
    own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
    return {**context.tags, **own}
