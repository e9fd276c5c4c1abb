"""What can be said before any resource exists: conditions, counts, evaluated locals, and the Rules over them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsctl.localcloud.ros import errors
from opsctl.localcloud.ros.functions import FUNCTIONS, UNSUPPORTED, placeholders, sub_parts
from opsctl.localcloud.ros.resolve import Resolver, check_known, function_name
from opsctl.localcloud.ros.template import PSEUDO, kind
from opsctl.localcloud.ros.yaml import clip

_ROOTS = frozenset({"Ref", "Fn::And", "Fn::Equals", "Fn::FindInMap", "Fn::Not", "Fn::Or"})
_LATE = frozenset({"Fn::GetAtt", "Fn::GetStackOutput", "Fn::MarketplaceImage", "Fn::ResourceFacade"})
EARLY = (frozenset(FUNCTIONS) | UNSUPPORTED) - _LATE
_IN_CONDITIONS = EARLY - {"Fn::Sub"}


@dataclass(frozen=True)
class Walker:
    """Reads an expression that must do without resources: checks its names and functions, yields what it needs.

    A condition is yielded as ``Conditions.Name``, a local as ``Locals.Name``.
    """

    conditions: Collection[str]
    values: Collection[str]
    locals: Collection[str]
    allowed: Collection[str] = _IN_CONDITIONS

    def condition(self, expression: Any, path: str) -> Iterator[str]:
        """An expression in the place of a condition: a name, ``{"Condition": name}``, or a function."""
        if _is_named(expression):
            expression, path = expression["Condition"], f"{path}.Condition"
        if isinstance(expression, str):
            if expression not in self.conditions:
                raise errors.invalid_reference(clip(expression), path)
            yield f"Conditions.{expression}"
            return
        name = function_name(expression) if isinstance(expression, dict) else None
        if name is None:
            raise errors.invalid_schema(path, f"a condition is a function or a name, not {kind(expression)}")
        argument, here = expression[name], f"{path}.{name}"
        if name in ("Fn::And", "Fn::Or"):
            for place, item in enumerate(argument if isinstance(argument, list) else []):
                yield from self.condition(item, f"{here}[{place}]")
        elif name == "Fn::Not":
            if not isinstance(argument, list):  # a list is refused when it is computed
                yield from self.condition(argument, here)
        else:
            yield from self.value(expression, path)

    def value(self, value: Any, path: str) -> Iterator[str]:
        """An expression in the place of a value: ``Fn::Equals: ["a", {"Fn::If": [Condition, …]}]``."""
        if isinstance(value, list):
            for place, item in enumerate(value):
                yield from self.value(item, f"{path}[{place}]")
            return
        if not isinstance(value, dict):
            return
        name = function_name(value)
        if name is None:
            for key, item in value.items():
                yield from self.value(item, f"{path}.{key}")
            return
        yield from self._function(name, value[name], path)

    def _function(self, name: str, argument: Any, path: str) -> Iterator[str]:
        here = f"{path}.{name}"
        if name not in self.allowed and (name in FUNCTIONS or name in UNSUPPORTED):
            raise errors.invalid_schema(here, f"{name} cannot be used here, where no resource exists yet")
        check_known(name, here)
        if name == "Ref":
            yield from self._name(argument, here)
        elif name == "Fn::Sub":
            template, variables = sub_parts(argument, here)
            yield from self.value([template, variables], here)
            for word in placeholders(template) if isinstance(template, str) else ():
                if word not in variables:
                    yield from self._name(word, here)
        elif name == "Fn::If" and isinstance(argument, list) and argument:
            yield from self.condition(argument[0], f"{here}[0]")
            yield from self.value(argument[1:], here)
        elif name in ("Fn::And", "Fn::Or", "Fn::Not"):
            yield from self.condition({name: argument}, path)
        else:
            yield from self.value(argument, here)

    def _name(self, name: Any, path: str) -> Iterator[str]:
        if isinstance(name, str) and name in self.locals:
            yield f"Locals.{name}"
        elif not isinstance(name, str) or not (name in self.values or name in PSEUDO):
            raise errors.invalid_reference(clip(str(name)), path)


def walker(resolver: Resolver, allowed: Collection[str] = _IN_CONDITIONS) -> Walker:
    """A walker once conditions and locals are settled."""
    return Walker(resolver.conditions, resolver.values, resolver.locals, allowed)


def check(expression: Any, path: str, resolver: Resolver) -> None:
    """That the condition of an Fn::If names what exists and can be decided early."""
    for _ in walker(resolver).condition(expression, path):
        pass


def check_early(value: Any, path: str, resolver: Resolver) -> None:
    """That a value (a Count, say) can be computed before any resource exists."""
    for _ in walker(resolver, EARLY).value(value, path):
        pass


def check_root(expression: Any, path: str) -> None:
    """That the outermost function of a condition is one that decides."""
    root = function_name(expression) if isinstance(expression, dict) else None
    if root is None and not _is_named(expression):
        raise errors.invalid_schema(path, f"a condition is a function, not {kind(expression)}")
    if root and root not in _ROOTS:
        raise errors.invalid_schema(path, f"{clip(root)} cannot be a condition; use one of {', '.join(sorted(_ROOTS))}")


def enforce(rules: Mapping[str, Any], resolver: Resolver) -> None:
    """Raise StackValidationFailed with the description of the first assertion that does not hold."""
    for name, rule in rules.items():
        path = f"Rules.{name}"
        if not isinstance(rule, dict) or not isinstance(rule.get("Assertions"), list):
            raise errors.invalid_schema(path, "a rule is a map with a list of Assertions")
        condition = rule.get("RuleCondition")
        if condition is not None and not _decided(condition, f"{path}.RuleCondition", resolver):
            continue
        for place, assertion in enumerate(rule["Assertions"]):
            _assert(assertion, f"{path}.Assertions[{place}]", resolver)


def _assert(assertion: Any, path: str, resolver: Resolver) -> None:
    if not isinstance(assertion, dict) or "Assert" not in assertion:
        raise errors.invalid_schema(path, "an assertion is a map with Assert and AssertDescription")
    if not _decided(assertion["Assert"], f"{path}.Assert", resolver):
        description = assertion.get("AssertDescription") or "the assertion does not hold"
        raise errors.validation_failed(path, " ".join(str(description).split()))


def _decided(expression: Any, path: str, resolver: Resolver) -> bool:
    check_root(expression, path)
    check(expression, path, resolver)
    return replace(resolver).decide(expression, path)


def _is_named(expression: Any) -> bool:
    return isinstance(expression, dict) and list(expression) == ["Condition"]
