"""What a create or update would do, without doing it; and the checks a template gets before it is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.models import Stack, StackResource
from opsctl.localcloud.resources import TYPES
from opsctl.localcloud.resources.base import Resource, check
from opsctl.localcloud.ros.changes import UNKNOWN, decide, unknown
from opsctl.localcloud.ros.parameters import MASK
from opsctl.localcloud.ros.program import Node, Program
from opsctl.localcloud.ros.state import State
from opsctl.localcloud.ros.veil import Veil

_ACTIONS = {"create": "Add", "resume": "Add", "keep": "None", "modify": "Modify", "replace": "Modify"}


class _Nothing:
    """A scope in which no resource exists yet."""

    def ref(self, name: str) -> Any:
        return f"{UNKNOWN}{name}"

    def attribute(self, resource: str, name: str) -> Any:
        return f"{UNKNOWN}{resource}.{name}"


class _Known:
    """A scope of a live stack: what stays is known, what is made or changed is not."""

    def __init__(self, state: State, stack_id: str) -> None:
        self._live = state.scope(stack_id)
        self.made: set[str] = set()
        self.changed: set[str] = set()

    def ref(self, name: str) -> Any:
        return f"{UNKNOWN}{name}" if name in self.made else self._live.ref(name)

    def attribute(self, resource: str, name: str) -> Any:
        if resource in self.made or resource in self.changed:
            return f"{UNKNOWN}{resource}.{name}"
        return self._live.attribute(resource, name)


def validate(program: Program) -> None:
    """Every type known here, every property that can be known now well formed. Raises ApiError with the path."""
    for name, node in program.resources.items():
        cls = TYPES.get(node.type)
        if cls is None:
            text = f"Resources.{name}.Type: resource type {node.type} is not supported by the local cloud."
            raise ApiError("NotSupported", text)
        Veil(program).over(partial(resolve, program, node, cls, _Nothing()))


def resolve(program: Program, node: Node, cls: type[Resource], scope: Any) -> dict[str, Any]:
    """Properties as far as they can be known: what hangs on things not made yet holds :data:`UNKNOWN`."""
    path = f"Resources.{node.logical_id}.Properties"
    found: dict[str, Any] = {}
    for name, raw in node.properties.items():
        here = f"{path}.{name}"
        try:
            value = program.resolve(raw, scope, path=here)
        except ApiError:
            if not program.reads(raw):
                raise
            value = UNKNOWN
        found[name] = value
    clear = {name: value for name, value in found.items() if value is not None and not unknown(value)}
    dark = {name: value for name, value in found.items() if unknown(value)}
    if missing := [name for name in dark if name not in cls.properties]:
        check(cls, {missing[0]: ""}, path)
    return {**_check(cls, clear, dark, path), **dark}


def _check(cls: type[Resource], clear: Mapping[str, Any], dark: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Check the known ones; a required property that is not known yet is there all the same."""
    needed = [name for name, spec in cls.properties.items() if spec.required and name in dark]

    class Relaxed(cls):  # type: ignore[misc,valid-type]
        properties: ClassVar = {name: spec for name, spec in cls.properties.items() if name not in needed}

    return check(Relaxed, clear, path)


class Preview:
    """``rows()``: what would happen to each resource, as PreviewStack answers it."""

    def __init__(self, state: State, program: Program, stack: Stack | None, tags: Mapping[str, str]) -> None:
        self._state = state
        self._program = program
        self._tags = tags
        self._veil = Veil(program)
        self._records = [row for row in state.records(stack.stack_id) if not row.stale] if stack else []
        self._scope: Any = _Known(state, stack.stack_id) if stack else _Nothing()

    def rows(self) -> list[dict[str, Any]]:
        known = {row.logical_id: row for row in self._records}
        rows = [self._row(self._program.resources[name], known.get(name)) for name in self._program.order]
        gone = [row for row in self._records if row.logical_id not in self._program.resources]
        return rows + [_shape(row.logical_id, row.type, "Remove", row.physical_id, {}) for row in gone]

    def _row(self, node: Node, record: StackResource | None) -> dict[str, Any]:
        cls = TYPES[node.type]
        properties = resolve(self._program, node, cls, self._scope)
        decision = decide(cls, record, properties, self._tags)
        if isinstance(self._scope, _Known):
            if decision.verdict in ("create", "replace"):
                self._scope.made.add(node.logical_id)
            elif decision.verdict == "modify":
                self._scope.changed.add(node.logical_id)
        shown = self._veil.value({name: _shown(cls, name, value) for name, value in properties.items()})
        row = _shape(
            node.logical_id, node.type, _ACTIONS[decision.verdict], record.physical_id if record else "", shown
        )
        if decision.verdict in ("modify", "replace"):
            row["Replacement"] = "True" if decision.verdict == "replace" else "False"
        row["RequiredBy"] = sorted(
            other.logical_id for other in self._program.resources.values() if node.logical_id in other.depends_on
        )
        return row


def _shape(logical: str, kind: str, action: str, physical: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "LogicalResourceId": logical,
        "ResourceType": kind,
        "AcsResourceType": "",
        "Action": action,
        "PhysicalResourceId": physical,
        "Properties": properties,
        "RequiredBy": [],
        "Description": "",
        "Stack": {},
    }


def _shown(cls: type[Resource], name: str, value: Any) -> Any:
    if cls.properties[name].secret:
        return MASK
    return _plain(value)


def _plain(value: Any) -> Any:
    """What is not known yet reads as the reference to it."""
    if isinstance(value, str):
        return value.replace(UNKNOWN, "")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
