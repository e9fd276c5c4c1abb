"""What is wrong with the templates of a rule, as far as can be seen before an alert comes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.meta import find_undeclared_variables

from opsctl.alerts.alert import Alert
from opsctl.alerts.rules.render import ENVIRONMENT
from opsctl.alerts.rules.rule import Rule
from opsctl.errors import suggest

FIELDS = frozenset(field.name for field in fields(Alert))
"""What templates may say of an alert."""
Place = tuple[str | int, ...]


def wrong(rule: Rule) -> Iterator[tuple[Place, str]]:
    """Where, and what."""
    undo = rule.on_failure.undo
    texts: list[tuple[Place, Any]] = [
        (("do", "command"), rule.do.command),
        (("parameters",), rule.parameters),
        (("limit",), rule.limit),
        (("verify", "parameters"), rule.verify.parameters),
        (("on_failure", "undo", "command"), undo.command if undo else ()),
        (("on_failure", "undo", "parameters"), undo.parameters if undo else {}),
    ]
    for place, value in texts:
        for where, text in _texts(place, value):
            if message := fault(text):
                yield where, message


def _texts(place: Place, value: Any) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts((*place, str(name)), item)
    elif isinstance(value, list | tuple):
        # A command may be written as one text: its words have no places of their own.
        for number, item in enumerate(value):
            yield from _texts(place if place[-1] == "command" else (*place, number), item)


def fault(text: str) -> str:
    """What is wrong with one template; empty = nothing."""
    try:
        tree = ENVIRONMENT.parse(text)
        ENVIRONMENT.compile(tree)
    except TemplateError as error:
        return f"no template: {' '.join(str(error.message or error).split())}: {text!r}"
    except RecursionError:
        return "no template: too deep"
    if unknown := sorted(find_undeclared_variables(tree) - {"alert", *ENVIRONMENT.globals}):
        return f"only the alert is known here, as {{{{ alert.host }}}}; not {unknown[0]}"
    for found in tree.find_all(nodes.Getattr):
        if isinstance(found.node, nodes.Name) and found.node.name == "alert" and found.attr not in FIELDS:
            return f"an alert has no {found.attr}{suggest(found.attr, FIELDS)}; it has {', '.join(sorted(FIELDS))}"
    return ""
