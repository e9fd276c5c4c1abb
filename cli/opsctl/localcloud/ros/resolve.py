"""From a value as written to the value it means: the walk that calls functions and drops ALIYUN::NoValue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from opsctl.localcloud.ros import errors
from opsctl.localcloud.ros.errors import FunctionError
from opsctl.localcloud.ros.functions import FUNCTIONS, UNSUPPORTED
from opsctl.localcloud.ros.template import PSEUDO


class _NoValue:
    def __repr__(self) -> str:
        return "ALIYUN::NoValue"


NO_VALUE = _NoValue()
# Keys of the pseudo map that no template can name: zone ids of each region; the time, when tests want to set it.
ZONES = "zones"
NOW = "now"

MAX_WEIGHT = 32 * 1024 * 1024  # characters that all functions of one resolution may produce together
_MAX_DEPTH = 150
_MAX_CALLS = 20  # of functions inside functions, as on the service


class ResourceScope(Protocol):
    """What is known of the stack's resources at the moment. Names are those of ``Program.resources``."""

    def ref(self, name: str) -> Any:
        """The physical id (``Ref``)."""

    def attribute(self, resource: str, name: str) -> Any:
        """An attribute (``Fn::GetAtt``)."""


class NoResources:
    """The scope of conditions, rules, counts and evaluated locals: no resource exists yet."""

    def ref(self, name: str) -> Any:
        raise LookupError(name)

    def attribute(self, resource: str, name: str) -> Any:
        raise LookupError(resource)


class Literal(dict[str, Any]):
    """A map whose functions belong to somebody else: the body of a nested template."""


class _Effort:
    """How deep and how much one resolution has gone: functions that double their argument must end somewhere."""

    def __init__(self) -> None:
        self.depth = 0
        self.calls = 0
        self.weight = 0

    def spend(self, value: Any, path: str) -> None:
        weight = weigh(value, MAX_WEIGHT - self.weight)
        if weight is None:
            raise errors.validation_failed(path, "the result is larger or deeper than a stack can hold")
        self.weight += weight


@dataclass(frozen=True)
class Resolver:
    """All that names can mean. ``counted`` gives the copies of a resource with Count, ``absent`` those not created."""

    values: Mapping[str, Any]
    pseudo: Mapping[str, Any]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    locals: Mapping[str, Any] = field(default_factory=dict)
    counted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    existing: Collection[str] = frozenset()
    absent: Collection[str] = frozenset()
    resources: ResourceScope = field(default_factory=NoResources)
    _effort: _Effort = field(default_factory=_Effort, init=False, repr=False, compare=False)

    def resolve(self, value: Any, path: str) -> Any:
        """``value`` with all functions computed; may be :data:`NO_VALUE`."""
        if not isinstance(value, (dict, list)) or isinstance(value, Literal):
            return value
        self._effort.depth += 1
        try:
            if self._effort.depth > _MAX_DEPTH:
                raise errors.invalid_schema(path, f"values are nested deeper than {_MAX_DEPTH} levels")
            if isinstance(value, list):
                return self._list(value, path)
            name = function_name(value)
            return self._call(name, value[name], path) if name else self._map(value, path)
        finally:
            self._effort.depth -= 1

    def _map(self, value: dict[str, Any], path: str) -> dict[str, Any]:
        items = ((key, self.resolve(item, f"{path}.{key}")) for key, item in value.items())
        return {key: item for key, item in items if item is not NO_VALUE}

    def _list(self, value: list[Any], path: str) -> list[Any]:
        items = (self.resolve(item, f"{path}[{index}]") for index, item in enumerate(value))
        return [item for item in items if item is not NO_VALUE]

    def _call(self, name: str, argument: Any, path: str) -> Any:
        here = f"{path}.{name}"
        check_known(name, here)
        self._effort.calls += 1
        try:
            if self._effort.calls > _MAX_CALLS:
                raise errors.invalid_schema(here, f"functions are nested deeper than {_MAX_CALLS} levels")
            result = FUNCTIONS[name](self, argument, here)
        except FunctionError as error:
            raise errors.validation_failed(here, str(error)) from None
        finally:
            self._effort.calls -= 1
        self._effort.spend(result, here)
        return result

    def arguments(self, value: Any, path: str) -> Any:
        """The argument of a function: a list keeps its length, so that no place shifts when an item is NoValue."""
        if isinstance(value, list):
            return [plain(self.resolve(item, f"{path}[{index}]")) for index, item in enumerate(value)]
        return plain(self.resolve(value, path))

    def ref(self, name: str, path: str) -> Any:
        if name == "ALIYUN::NoValue":
            return NO_VALUE
        for known in (self.values, self.locals, self.pseudo if name in PSEUDO else {}):
            if name in known:
                return known[name]
        if name in self.counted:
            return [self.resources.ref(item) for item in self.counted[name]]
        if name in self.existing:
            return self.resources.ref(name)
        if name in self.absent:
            return None
        raise errors.invalid_reference(name, path)

    def attribute(self, resource: str, name: str, path: str) -> Any:
        if resource in self.counted:
            return [self.resources.attribute(item, name) for item in self.counted[resource]]
        if resource in self.existing:
            return self.resources.attribute(resource, name)
        if resource in self.absent:
            return None
        raise errors.invalid_reference(resource, path)

    def named(self, name: str) -> bool:
        """Whether ``name`` as a whole stands for something, so that a dot in it separates nothing."""
        known = (self.values, PSEUDO, self.locals, self.counted, self.existing, self.absent)
        return any(name in names for names in known)

    def decide(self, condition: Any, path: str) -> bool:
        """A condition by name, ``{"Condition": name}``, or an expression."""
        if isinstance(condition, dict) and list(condition) == ["Condition"]:
            condition = condition["Condition"]
        if isinstance(condition, str):
            if condition not in self.conditions:
                raise errors.invalid_reference(condition, path)
            return self.conditions[condition]
        outcome = plain(self.resolve(condition, path))
        if not isinstance(outcome, bool):
            raise errors.invalid_schema(path, "a condition must be true or false")
        return outcome

    def now(self) -> datetime:
        moment = self.pseudo.get(NOW)
        return moment if isinstance(moment, datetime) else datetime.now(UTC)

    def zones(self, region: str) -> list[str]:
        known: Mapping[str, Sequence[str]] = self.pseudo.get(ZONES) or {}
        return list(known.get(region, ()))


def plain(value: Any) -> Any:
    return None if value is NO_VALUE else value


def function_name(value: Mapping[str, Any]) -> str | None:
    """The function a map calls: it has one key, and that names a function. ``{"zh-cn": …, "Fn::Jq": …}`` is data."""
    if len(value) != 1:
        return None
    name = next(iter(value))
    return name if name == "Ref" or name.startswith("Fn::") else None


def check_known(name: str, path: str) -> None:
    if name in UNSUPPORTED:
        raise errors.unsupported(f"{path}: the function {name}")
    if name not in FUNCTIONS:
        raise errors.invalid_schema(path, f"{name} is no function of the template language")


def weigh(value: Any, limit: int, depth: int = 120) -> int | None:
    """Characters of a value, None for more than ``limit`` or deeper than ``depth``; looks no further than needed."""
    weight = 0
    level = [value]
    for _ in range(depth):
        below: list[Any] = []
        for item in level:
            weight += 8
            if isinstance(item, str):
                weight += len(item)
            elif isinstance(item, dict):
                weight += sum(map(len, item))
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            if weight + 8 * len(below) > limit:
                return None
        if not below:
            return weight
        level = below
    return None
