"""A template made ready to run: checked, conditions decided, counts spread, dependencies in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opsctl.localcloud.ros import conditions, count, errors, graph
from opsctl.localcloud.ros.early import settle
from opsctl.localcloud.ros.macros import expand
from opsctl.localcloud.ros.references import Reference, Scanner
from opsctl.localcloud.ros.resolve import ZONES, Literal, Resolver, ResourceScope, check_known, function_name, plain
from opsctl.localcloud.ros.template import PSEUDO, OutputSpec, ResourceSpec, Template
from opsctl.localcloud.ros.yaml import clip

__all__ = ["ZONES", "Attributes", "Node", "OutputNode", "Program", "ResourceScope", "compile", "references"]

Attributes = Callable[[str], Collection[str] | None]

_NESTED = frozenset({"ALIYUN::ROS::Stack"})
_WITH_TEMPLATE = frozenset({"ALIYUN::ROS::Stack", "ALIYUN::ROS::StackGroup"})
_POLICIES = ("Delete", "Retain")


@dataclass(frozen=True)
class Node:
    """A resource to create. ``properties`` are raw; ``index`` is its place among the copies that Count makes."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    depends_on: frozenset[str]
    deletion_policy: str
    update_policy: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    index: int | None = None


@dataclass(frozen=True)
class OutputNode:
    """An output whose condition holds. ``value`` is raw; ``depends_on`` names the resources it reads."""

    name: str
    value: Any
    description: Any = None
    label: Any = None
    no_echo: bool = False
    depends_on: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Program:
    """``order`` names every resource after all it depends on; its reverse is the order of deletion."""

    template: Template
    resources: Mapping[str, Node]
    order: tuple[str, ...]
    outputs: Mapping[str, OutputNode]
    conditions: Mapping[str, bool]
    values: Mapping[str, Any]
    pseudo: Mapping[str, Any]
    resolver: Resolver = field(repr=False)

    def resolve(self, value: Any, resources: ResourceScope, path: str) -> Any:
        """``value`` with all functions computed and ALIYUN::NoValue dropped; None if it is NoValue as a whole."""
        return plain(replace(self.resolver, resources=resources).resolve(value, path))

    def reads(self, value: Any, path: str = "value") -> frozenset[str]:
        """The resources that must exist before a raw ``value`` can be computed."""
        return frozenset(_needs(value, path, self.resolver))

    def resolve_output(self, output: OutputNode, resources: ResourceScope) -> Any:
        return self.resolve(output.value, resources, f"Outputs.{output.name}.Value")


def compile(
    template: Template, values: Mapping[str, Any], pseudo: Mapping[str, Any], attributes: Attributes
) -> Program:
    """Make ``template`` ready.

    ``values`` come from ``parameters.bind``; ``pseudo`` maps names such as ``ALIYUN::Region`` to values, and
    :data:`ZONES` to the zone ids of each region; ``attributes`` gives the attributes of a resource type, None for a
    type it does not know.  Raises :class:`ApiError` of the template family.
    """
    early, macros = settle(template, Resolver(values=values, pseudo=pseudo, mappings=template.mappings))
    conditions.enforce(expand(template.rules, macros, "Rules"), early)
    specs = {
        name: replace(spec, properties=expand(_literal(spec), macros, f"Resources.{name}.Properties"))
        for name, spec in template.resources.items()
    }
    outputs = {
        name: replace(spec, value=expand(spec.value, macros, f"Outputs.{name}.Value"))
        for name, spec in template.outputs.items()
    }
    live = {name: spec for name, spec in specs.items() if _holds(spec.condition, f"Resources.{name}", early.conditions)}
    copies, counted = count.spread(live, early)
    resolver = replace(early, counted=counted, existing=frozenset(copies), absent=frozenset(specs.keys() - live.keys()))
    _check_template(specs, outputs, copies, resolver, attributes)
    return _linked(template, copies, outputs, resolver)


def references(value: Any) -> frozenset[str]:
    """The names that a raw ``value`` refers to by Ref, Fn::GetAtt or Fn::Sub, whatever they stand for."""
    scanner = Scanner(named=lambda name: False, standalone=True)
    return frozenset(found.name for found in scanner.scan(value, "value"))


def _literal(spec: ResourceSpec) -> Mapping[str, Any]:
    """Properties in which the template of a nested stack is data: its functions are for the child to compute."""
    body = spec.properties.get("TemplateBody")
    if spec.type not in _WITH_TEMPLATE or not isinstance(body, dict) or function_name(body):
        return spec.properties
    return {**spec.properties, "TemplateBody": Literal(body)}


def _holds(condition: str | None, path: str, decided: Mapping[str, bool]) -> bool:
    if condition is None:
        return True
    if condition not in decided:
        raise errors.invalid_reference(clip(condition), f"{path}.Condition")
    return decided[condition]


def _check_template(
    specs: Mapping[str, ResourceSpec],
    outputs: Mapping[str, OutputSpec],
    copies: Mapping[str, count.Copy],
    resolver: Resolver,
    attributes: Attributes,
) -> None:
    """All of the template, also what no condition lets live: a wrong name is wrong even where it is not reached."""
    types = {name: spec.type for name, spec in specs.items()} | {name: copy.spec.type for name, copy in copies.items()}
    scanner = Scanner(
        named=lambda name: name in types or resolver.named(name),
        condition=lambda expression, path: conditions.check(expression, path, resolver),
    )
    for name, spec in specs.items():
        allowed = PSEUDO if spec.count is not None else PSEUDO - {count.INDEX}
        for found in scanner.scan(spec.properties, f"Resources.{name}.Properties"):
            _check_reference(found, types, resolver, allowed, attributes)
    for name, output in outputs.items():
        for found in scanner.scan(output.value, f"Outputs.{name}.Value"):
            _check_reference(found, types, resolver, PSEUDO - {count.INDEX}, attributes)


def _check_reference(
    found: Reference, types: Mapping[str, str], resolver: Resolver, pseudo: Collection[str], attributes: Attributes
) -> None:
    if found.attribute is None:
        known = found.name in types or found.name in resolver.values or found.name in resolver.locals
        if not known and found.name not in pseudo:
            raise errors.invalid_reference(clip(found.name), found.path)
        return
    if found.name not in types:
        name = f"{found.name}.{found.attribute}" if found.attribute else found.name
        raise errors.invalid_reference(clip(name), found.path)
    offered = attributes(types[found.name])
    if found.attribute and offered is not None and found.attribute not in offered:
        raise errors.invalid_attribute(found.name, clip(found.attribute), found.path, sorted(offered))


def _linked(
    template: Template, copies: Mapping[str, count.Copy], outputs: Mapping[str, OutputSpec], resolver: Resolver
) -> Program:
    nodes = {name: _node(copy, resolver) for name, copy in copies.items()}
    try:
        order = graph.order({name: node.depends_on for name, node in nodes.items()})
    except graph.CycleError as cycle:
        raise errors.circular(cycle.names) from None
    ready: dict[str, OutputNode] = {}
    for name, spec in outputs.items():
        if _holds(spec.condition, f"Outputs.{name}", resolver.conditions):
            needs = frozenset(_needs(spec.value, f"Outputs.{name}.Value", resolver))
            ready[name] = OutputNode(name, spec.value, spec.description, spec.label, spec.no_echo, needs)
    return Program(template, nodes, order, ready, resolver.conditions, resolver.values, resolver.pseudo, resolver)


def _node(copy: count.Copy, resolver: Resolver) -> Node:
    spec, path = copy.spec, f"Resources.{copy.logical_id}"
    if spec.type in _NESTED:
        raise errors.unsupported(f"{path}.Type: the nested stack {spec.type}")
    needs = {
        *_needs(spec.properties, f"{path}.Properties", resolver),
        *_explicit(spec, path, resolver),
    }
    return Node(
        logical_id=copy.logical_id,
        type=spec.type,
        properties=spec.properties,
        depends_on=frozenset(needs),
        deletion_policy=_deletion_policy(spec, path, resolver),
        update_policy=spec.update_policy,
        metadata=spec.metadata,
        index=copy.index,
    )


def _needs(value: Any, path: str, resolver: Resolver) -> list[str]:
    """The resources that must exist before ``value`` can be computed."""
    # A decision inside of Fn::If is computed with a budget of its own.
    scanner = Scanner(
        named=resolver.named, decide=lambda expression, at: replace(resolver).decide(expression, at), call=check_known
    )
    names = dict.fromkeys(found.name for found in scanner.scan(value, path))
    return _present(names, resolver)


def _explicit(spec: ResourceSpec, path: str, resolver: Resolver) -> list[str]:
    wanted: dict[str, None] = {}
    for item in spec.depends_on:
        conditions.check_early(item, f"{path}.DependsOn", resolver)
        found = plain(replace(resolver).resolve(item, f"{path}.DependsOn"))
        for name in found if isinstance(found, list) else [found]:
            if name is None or name == "":
                continue
            if not isinstance(name, str):
                raise errors.invalid_type(path, "DependsOn", "It must be the name of a resource or a list of names")
            if not (name in resolver.existing or name in resolver.counted or name in resolver.absent):
                # A name that was computed may be a secret.
                raise errors.invalid_reference(clip(name) if name == item else "", f"{path}.DependsOn")
            wanted[name] = None
    return _present(wanted, resolver)


def _present(names: Mapping[str, None], resolver: Resolver) -> list[str]:
    members: Sequence[str] = count.members(names, resolver.counted)
    return [name for name in members if name in resolver.existing]


def _deletion_policy(spec: ResourceSpec, path: str, resolver: Resolver) -> str:
    where = f"{path}.DeletionPolicy"
    conditions.check_early(spec.deletion_policy, where, resolver)
    policy = plain(replace(resolver).resolve(spec.deletion_policy, where))
    if policy is None:
        return "Delete"
    if policy not in _POLICIES:
        raise errors.validation_failed(where, f"it must be one of {', '.join(_POLICIES)}")
    return str(policy)
