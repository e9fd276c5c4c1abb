"""Conditions and Rules: what may stand in them, in which order they are decided, and the decision."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from opsctl.localcloud.ros import errors, graph
from opsctl.localcloud.ros.functions import FUNCTIONS, UNSUPPORTED
from opsctl.localcloud.ros.resolve import Resolver, check_known, function_name
from opsctl.localcloud.ros.template import PSEUDO, kind
from opsctl.localcloud.ros.yaml import clip

_ROOTS = frozenset({"Ref", "Fn::And", "Fn::Equals", "Fn::FindInMap", "Fn::Not", "Fn::Or"})
# Computed before any resource exists: all functions but those that need one.
_EARLY = (frozenset(FUNCTIONS) | UNSUPPORTED) - {
    "Fn::GetAtt",
    "Fn::Sub",
    "Fn::GetStackOutput",
    "Fn::MarketplaceImage",
    "Fn::ResourceFacade",
}


def evaluate(conditions: Mapping[str, Any], resolver: Resolver) -> dict[str, bool]:
    """Every condition's value. Raises CircularDependency, InvalidTemplateReference, InvalidSchema."""
    needs: dict[str, set[str]] = {}
    for name, expression in conditions.items():
        path = f"Conditions.{name}"
        _check_root(expression, path)
        needs[name] = set(_names(expression, path, resolver, conditions))
    try:
        ordered = graph.order(needs)
    except graph.CycleError as cycle:
        raise errors.circular([f"Conditions.{name}" for name in cycle.names]) from None
    decided: dict[str, bool] = {}
    for name in ordered:
        # Each decision gets a resolver of its own, so that many conditions do not share one budget.
        decided[name] = replace(resolver, conditions=decided).decide(conditions[name], f"Conditions.{name}")
    return {name: decided[name] for name in conditions}


def check(expression: Any, path: str, resolver: Resolver) -> None:
    """That a condition inside of an Fn::If names what exists and uses only what can be decided early."""
    for _ in _names(expression, path, resolver, resolver.conditions):
        pass


def check_early(value: Any, path: str, resolver: Resolver) -> None:
    """That a value (a Count, say) can be computed before any resource exists."""
    for _ in _operand(value, path, resolver, resolver.conditions):
        pass


def enforce(rules: Mapping[str, Any], resolver: Resolver) -> None:
    """Raise StackValidationFailed with the description of the first assertion that does not hold."""
    for name, rule in rules.items():
        path = f"Rules.{name}"
        if not isinstance(rule, dict) or not isinstance(rule.get("Assertions"), list):
            raise errors.invalid_schema(path, "a rule is a map with a list of Assertions")
        if rule.get("RuleCondition") is not None:
            where = f"{path}.RuleCondition"
            _check_root(rule["RuleCondition"], where)
            check(rule["RuleCondition"], where, resolver)
            if not replace(resolver).decide(rule["RuleCondition"], where):
                continue
        for place, assertion in enumerate(rule["Assertions"]):
            _assert(assertion, f"{path}.Assertions[{place}]", resolver)


def _assert(assertion: Any, path: str, resolver: Resolver) -> None:
    if not isinstance(assertion, dict) or "Assert" not in assertion:
        raise errors.invalid_schema(path, "an assertion is a map with Assert and AssertDescription")
    _check_root(assertion["Assert"], f"{path}.Assert")
    check(assertion["Assert"], f"{path}.Assert", resolver)
    if not replace(resolver).decide(assertion["Assert"], f"{path}.Assert"):
        raise errors.validation_failed(path, str(assertion.get("AssertDescription") or "the assertion does not hold"))


def _check_root(expression: Any, path: str) -> None:
    root = function_name(expression) if isinstance(expression, dict) else None
    if root is None and not _is_named(expression):
        raise errors.invalid_schema(path, f"a condition is a function, not {kind(expression)}")
    if root and root not in _ROOTS:
        raise errors.invalid_schema(path, f"{clip(root)} cannot be a condition; use one of {', '.join(sorted(_ROOTS))}")


def _is_named(expression: Any) -> bool:
    return isinstance(expression, dict) and list(expression) == ["Condition"]


def _names(expression: Any, path: str, resolver: Resolver, known: Collection[str]) -> Iterator[str]:
    """The names of conditions in the place of a condition; checks what it passes."""
    if _is_named(expression):
        expression, path = expression["Condition"], f"{path}.Condition"
    if isinstance(expression, str):
        if expression not in known:
            raise errors.invalid_reference(clip(expression), path)
        yield expression
        return
    name = function_name(expression) if isinstance(expression, dict) else None
    if name is None:
        raise errors.invalid_schema(path, f"a condition is a function or a name, not {kind(expression)}")
    argument, here = expression[name], f"{path}.{name}"
    if name in ("Fn::And", "Fn::Or"):
        for place, item in enumerate(argument if isinstance(argument, list) else []):
            yield from _names(item, f"{here}[{place}]", resolver, known)
    elif name == "Fn::Not":
        if not isinstance(argument, list):  # a list is refused when it is computed
            yield from _names(argument, here, resolver, known)
    else:
        yield from _operand(expression, path, resolver, known)


def _operand(value: Any, path: str, resolver: Resolver, known: Collection[str]) -> Iterator[str]:
    """The same in the place of a value: ``Fn::Equals: ["a", {"Fn::If": [Condition, …]}]``."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _operand(item, f"{path}[{place}]", resolver, known)
        return
    if not isinstance(value, dict):
        return
    name = function_name(value)
    if name is None:
        for key, item in value.items():
            yield from _operand(item, f"{path}.{key}", resolver, known)
        return
    argument, here = value[name], f"{path}.{name}"
    if name.startswith("Fn::") and name not in _EARLY and (name in FUNCTIONS or name in UNSUPPORTED):
        raise errors.invalid_schema(here, f"{name} cannot be used here, no resource exists yet")
    check_known(name, here)
    if name == "Ref":
        if argument not in resolver.values and argument not in PSEUDO and argument not in resolver.locals:
            raise errors.invalid_reference(clip(str(argument)), here)
    elif name == "Fn::If" and isinstance(argument, list) and argument:
        yield from _names(argument[0], f"{here}[0]", resolver, known)
        yield from _operand(argument[1:], here, resolver, known)
    elif name in ("Fn::And", "Fn::Or", "Fn::Not"):
        yield from _names(value, path, resolver, known)
    else:
        yield from _operand(argument, here, resolver, known)
