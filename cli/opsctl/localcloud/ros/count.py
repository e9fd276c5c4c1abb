"""Count: one resource of the template becomes ``Name[0]`` … ``Name[n-1]``, each with its own ALIYUN::Index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsctl.localcloud.ros import conditions, errors
from opsctl.localcloud.ros.functions import attribute_parts, sub_parts
from opsctl.localcloud.ros.parameters import to_number
from opsctl.localcloud.ros.resolve import Literal, Resolver, function_name, weigh
from opsctl.localcloud.ros.template import ResourceSpec

INDEX = "ALIYUN::Index"
_MAX_RESOURCES = 300
_MAX_WEIGHT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Copy:
    """A resource to be created; ``spec.properties`` have macros and the index put in."""

    logical_id: str
    spec: ResourceSpec
    index: int | None


def spread(specs: Mapping[str, ResourceSpec], resolver: Resolver) -> tuple[dict[str, Copy], dict[str, tuple[str, ...]]]:
    """(copies by logical id, names of the copies of each resource with Count).

    Raises InvalidSchema for a Count that is no natural number, for more than 300 resources or names that collide.
    """
    counted = {name: names_of(spec, resolver) for name, spec in specs.items() if spec.count is not None}
    total = sum(len(counted.get(name, (name,))) for name in specs)
    if total > _MAX_RESOURCES:
        raise errors.invalid_section("Resources", f"{total} resources with Count, allowed are {_MAX_RESOURCES}")
    weight = sum((weigh(specs[name].properties, _MAX_WEIGHT) or _MAX_WEIGHT) * len(counted[name]) for name in counted)
    if weight > _MAX_WEIGHT:
        raise errors.invalid_section("Resources", "the copies made by Count are larger than a stack can hold")
    copies: dict[str, Copy] = {}
    for name, spec in specs.items():
        for index, logical_id in enumerate(counted.get(name, (name,))):
            if logical_id in copies or (name in counted and logical_id in specs):
                raise errors.invalid_schema(
                    f"Resources.{name}.Count", f"its copy {logical_id} collides with a resource"
                )
            if name in counted:
                properties = _indexed(spec.properties, index, counted, f"Resources.{name}.Properties")
                copies[logical_id] = Copy(logical_id, replace(spec, properties=properties), index)
            else:
                copies[logical_id] = Copy(logical_id, spec, None)
    return copies, counted


def names_of(spec: ResourceSpec, resolver: Resolver) -> tuple[str, ...]:
    path = f"Resources.{spec.logical_id}.Count"
    conditions.check_early(spec.count, path, resolver)
    number = to_number(replace(resolver).resolve(spec.count, path))
    if not isinstance(number, int) or number < 0:
        raise errors.invalid_schema(path, "it must be a whole number of 0 or more")
    if number > _MAX_RESOURCES:
        raise errors.invalid_schema(path, f"it must be at most {_MAX_RESOURCES}")
    return tuple(f"{spec.logical_id}[{index}]" for index in range(number))


def _indexed(value: Any, index: int, counted: Mapping[str, Sequence[str]], path: str) -> Any:
    if isinstance(value, list):
        return [_indexed(item, index, counted, path) for item in value]
    if not isinstance(value, dict) or isinstance(value, Literal):
        return value
    name = function_name(value)
    if name == "Ref" and value[name] == INDEX:
        return index
    if name == "Fn::Select" and isinstance(value[name], list):
        folded = _folded(value[name], index, counted, f"{path}.{name}")
        if folded is not None:
            return folded
    if name == "Fn::Sub":
        template, variables = sub_parts(value[name], f"{path}.{name}")
        own = {key: _indexed(item, index, counted, path) for key, item in variables.items()}
        if isinstance(template, str):
            template = template.replace("${" + INDEX + "}", str(index))
        return {name: [template, own]}
    return {key: _indexed(item, index, counted, path) for key, item in value.items()}


def _folded(argument: list[Any], index: int, counted: Mapping[str, Sequence[str]], path: str) -> Any:
    """``Fn::Select: [index, {Ref: Other}]`` is the one copy of Other, so that only that copy is waited for."""
    if len(argument) != 2 or argument[0] != {"Ref": INDEX} or not isinstance(argument[1], dict):
        return None
    name = function_name(argument[1])
    inner = argument[1].get(name) if name else None
    if name == "Ref" and isinstance(inner, str) and index < len(counted.get(inner, ())):
        return {"Ref": counted[inner][index]}
    if name == "Fn::GetAtt":
        resource, attribute = attribute_parts(inner, f"{path}[1].{name}")
        if index < len(counted.get(resource, ())):
            return {"Fn::GetAtt": [counted[resource][index], attribute]}
    return None


def members(names: Collection[str], counted: Mapping[str, Sequence[str]]) -> list[str]:
    """Names with each resource that has Count replaced by its copies."""
    return [member for name in names for member in counted.get(name, (name,))]
