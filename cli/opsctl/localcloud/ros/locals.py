"""Locals: a Macro is put in wherever it is named, an Eval is computed once before any resource exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opsctl.localcloud.ros import errors, graph
from opsctl.localcloud.ros.functions import placeholders, sub_parts
from opsctl.localcloud.ros.references import Scanner
from opsctl.localcloud.ros.resolve import Resolver, check_known, function_name, plain, weigh
from opsctl.localcloud.ros.template import PSEUDO, LocalSpec

_MAX_WEIGHT = 8 * 1024 * 1024


def settle(specs: Mapping[str, LocalSpec], resolver: Resolver) -> tuple[dict[str, Any], dict[str, Any]]:
    """(macros with their own macros put in, values of evaluated locals).

    Raises NotSupported for ``DATASOURCE::`` locals, CircularDependency, InvalidTemplateReference.
    """
    scanner = Scanner(named=lambda name: True, standalone=True)
    needs: dict[str, set[str]] = {}
    for name, spec in specs.items():
        if spec.type not in ("Macro", "Eval"):
            raise errors.unsupported(f"Locals.{name}.Type: {spec.type}")
        needs[name] = {found.name for found in scanner.scan(spec.value, f"Locals.{name}.Value")} & set(specs)
    try:
        ordered = graph.order(needs)
    except graph.CycleError as cycle:
        raise errors.circular([f"Locals.{name}" for name in cycle.names]) from None
    macros: dict[str, Any] = {}
    values: dict[str, Any] = {}
    # The id of the stack is not known yet when locals are computed.
    early = replace(resolver, pseudo={key: item for key, item in resolver.pseudo.items() if key != "ALIYUN::StackId"})
    for name in ordered:
        path = f"Locals.{name}.Value"
        expanded = expand(specs[name].value, macros, path)
        if specs[name].type == "Macro":
            macros[name] = expanded
        else:
            values[name] = _evaluate(expanded, path, replace(early, locals=values))
    return macros, values


def _evaluate(value: Any, path: str, resolver: Resolver) -> Any:
    known = {*resolver.values, *resolver.locals, *PSEUDO}
    scanner = Scanner(named=known.__contains__, decide=resolver.decide, call=check_known, standalone=True)
    for found in scanner.scan(value, path):
        if found.attribute is not None or found.name not in known or found.name == "ALIYUN::StackId":
            raise errors.invalid_reference(found.name, found.path)
    return plain(resolver.resolve(value, path))


def expand(value: Any, macros: Mapping[str, Any], path: str) -> Any:
    """``value`` with every ``Ref`` to a macro replaced by the macro's own value."""
    if not macros:
        return value
    expanded = _expand(value, macros, path)
    if weigh(expanded, _MAX_WEIGHT) is None:
        raise errors.invalid_schema(path, "its macros expand to more than a template can hold")
    return expanded


def _expand(value: Any, macros: Mapping[str, Any], path: str) -> Any:
    if isinstance(value, list):
        return [_expand(item, macros, path) for item in value]
    if not isinstance(value, dict):
        return value
    name = function_name(value)
    if name == "Ref" and isinstance(value[name], str) and value[name] in macros:
        return macros[value[name]]
    if name == "Fn::Sub":
        template, variables = sub_parts(value[name], f"{path}.{name}")
        own = {key: _expand(item, macros, path) for key, item in variables.items()}
        if isinstance(template, str):
            own |= {key: macros[key] for key in placeholders(template) if key in macros and key not in own}
        return {name: [_expand(template, macros, path), own]}
    return {key: _expand(item, macros, path) for key, item in value.items()}
