"""Conditions and Locals settled together, since each may need the other, in the order of their needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from opsctl.localcloud.ros import errors, graph
from opsctl.localcloud.ros.conditions import EARLY, Walker, check_root
from opsctl.localcloud.ros.macros import expand
from opsctl.localcloud.ros.references import Scanner
from opsctl.localcloud.ros.resolve import Resolver, plain
from opsctl.localcloud.ros.template import LocalSpec, Template


def settle(template: Template, resolver: Resolver) -> tuple[Resolver, dict[str, Any]]:
    """(``resolver`` with conditions and evaluated locals, the macros with their own macros put in).

    Raises CircularDependency, InvalidTemplateReference, InvalidSchema; NotSupported for ``DATASOURCE::`` locals.
    """
    ordered = _order(template, resolver)
    decided: dict[str, bool] = {}
    computed: dict[str, Any] = {}
    macros: dict[str, Any] = {}
    settled = replace(resolver, conditions=decided, locals=computed)
    # The id of the stack is not known yet when the service computes locals.
    anonymous = {key: item for key, item in resolver.pseudo.items() if key != "ALIYUN::StackId"}
    for path in ordered:
        section, _, name = path.partition(".")
        # Each gets a fresh resolver, so that many expressions do not share one budget.
        if section == "Conditions":
            decided[name] = replace(settled).decide(expand(template.conditions[name], macros, path), path)
            continue
        value = expand(template.locals[name].value, macros, f"{path}.Value")
        if template.locals[name].type == "Macro":
            macros[name] = value
        else:
            computed[name] = plain(replace(settled, pseudo=anonymous).resolve(value, f"{path}.Value"))
    conditions = {name: decided[name] for name in template.conditions}
    return replace(resolver, conditions=conditions, locals=computed), macros


def _order(template: Template, resolver: Resolver) -> tuple[str, ...]:
    walker = Walker(template.conditions, resolver.values, template.locals)
    needs: dict[str, set[str]] = {}
    for name, expression in template.conditions.items():
        path = f"Conditions.{name}"
        check_root(expression, path)
        needs[path] = set(walker.condition(expression, path))
    for name, spec in template.locals.items():
        needs[f"Locals.{name}"] = set(_local(spec, f"Locals.{name}", walker))
    try:
        return graph.order(needs)
    except graph.CycleError as cycle:
        raise errors.circular(cycle.names) from None


def _local(spec: LocalSpec, path: str, walker: Walker) -> Iterator[str]:
    if spec.type == "Eval":
        yield from replace(walker, allowed=EARLY).value(spec.value, f"{path}.Value")
    elif spec.type == "Macro":
        # A macro may name resources: they are checked where it is put in.
        inner: list[str] = []

        def note(expression: Any, at: str) -> None:
            inner.extend(walker.condition(expression, at))

        scanner = Scanner(named=lambda name: True, condition=note, standalone=True)
        for found in scanner.scan(spec.value, f"{path}.Value"):
            if found.name in walker.locals:
                yield f"Locals.{found.name}"
        yield from inner
    else:
        raise errors.unsupported(f"{path}.Type: {spec.type}")
