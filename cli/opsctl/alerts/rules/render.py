"""From a rule and an alert to an order. What an alert says is data: it is put in, and never read as anything else.

Whoever can raise an alert chooses its texts, so they are treated as hostile: a command's words stay words, a host is
one host's plain name, and nothing that Ansible or Jinja would evaluate once more gets through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from opsctl.alerts.alert import Alert
from opsctl.alerts.rules.rule import HOST, Do, Rule
from opsctl.errors import UsageError
from opsctl.orders.spec import Spec

_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
_WIDE = frozenset({"all", "ungrouped"})
"""Names that mean more than a host, whatever the inventory says."""
_MARKS = ("{{", "{%", "{#")
_WHOLE = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}|\{%).)*)\}\}\s*", re.DOTALL)
_MOST = 64 * 1024
"""Characters of one text."""
ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


class Unrenderable(UsageError):
    """An alert does not give what a rule needs, or gives what must not be used."""


def spec(rule: Rule, alert: Alert, *, reason: str = "") -> Spec:
    """The order of the rule's remedy for this alert.

    Raises:
        Unrenderable: the alert has not what the rule needs, or what it has is no host's name or not harmless.
        ValueError: the rule is a notice, for which nothing is run.
    """
    return _spec(rule, alert, rule.do, rule.parameters, reason or f"rule {rule.name}: {alert.name}")


def undo(rule: Rule, alert: Alert, *, reason: str = "") -> Spec | None:
    """The order that takes the remedy back; None when the rule has none.

    Raises:
        Unrenderable: as of `spec`.
    """
    way = rule.on_failure.undo
    if way is None:
        return None
    return _spec(rule, alert, way, way.parameters, reason or f"rule {rule.name}, undone: {alert.name}")


def check(rule: Rule, alert: Alert, *, reason: str = "") -> Spec | None:
    """The order of the playbook that verifies; None when the rule has none.

    Raises:
        Unrenderable: as of `spec`.
    """
    if not rule.verify.playbook:
        return None
    way = Do(playbook=rule.verify.playbook, cloud=rule.do.cloud, inventory=rule.do.inventory)
    return _spec(rule, alert, way, rule.verify.parameters, reason or f"rule {rule.name}, verified: {alert.name}")


def _spec(rule: Rule, alert: Alert, way: Do, parameters: Mapping[str, Any], reason: str) -> Spec:
    if way.kind == "notify":
        raise ValueError(f"rule {rule.name} only notifies")
    values = alert.plain()
    given = {name: _rendered(value, values, f"parameters.{name}") for name, value in parameters.items()}
    hosts = limit(rule, alert)
    common: dict[str, Any] = {
        "cloud": way.cloud,
        "files": tuple(way.inventory),
        "pattern": ",".join(hosts),
        # Whoever wrote the rule said which hosts, and a host that an alert names is checked below.
        "everything": True,
        # A name that is a group's in the inventory is refused: these must be hosts.
        "only": hosts if hosts and all(map(_marked, rule.limit)) else (),
        "timeout": rule.timeout,
        "reason": " ".join(reason.split())[:500],
    }
    if way.kind == "command":
        words = tuple(_text(word, values, "do.command") for word in way.command)
        if not words[0]:
            raise Unrenderable(f"Rule {rule.name}: the command is empty for this alert")
        return Spec(kind="command", content="", words=words, user=way.user, become=way.become, **common)
    if way.kind == "playbook":
        return Spec(kind="playbook", content=way.playbook, parameters=given, **common)
    if alert.stack and "stack_name" not in given:
        given["stack_name"] = _name(alert.stack, "the alert's stack")
    return Spec(kind="scenario", content=way.scenario, action=way.action, parameters=given, **common)


def limit(rule: Rule, alert: Alert) -> tuple[str, ...]:
    """The hosts, as patterns; what comes from the alert is a plain name of one host each.

    Raises:
        Unrenderable: it is not.
    """
    if rule.limit == (HOST,):
        return (_name(alert.host, f"limit {HOST}"),)
    values = alert.plain()
    return tuple(
        _name(_text(part, values, "limit"), f"limit {part}") if _marked(part) else part.strip() for part in rule.limit
    )


def scope(rule: Rule, alert: Alert, members: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The hosts that would be changed, as far as is known: of groups their hosts, of no limit those of the stack.

    `members`: host -> its groups and stack, as the inventory says. Names that it does not know stay as they are.

    Raises:
        Unrenderable: as of `limit`.
    """
    found: dict[str, None] = {}
    for name in limit(rule, alert) or (alert.stack,):
        inside = [] if name in members else sorted(host for host, of in members.items() if name in (*of, "all"))
        found |= dict.fromkeys(inside or [name])
    return tuple(name for name in found if name not in ("", "localhost"))


def _rendered(value: Any, values: Mapping[str, Any], where: str) -> Any:
    """A value of the rule with the alert put into all texts of it."""
    if isinstance(value, str):
        whole = _WHOLE.fullmatch(value)
        return _safe(_object(whole[1], values, where), where) if whole else _text(value, values, where)
    if isinstance(value, Mapping):
        return {str(name): _rendered(item, values, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rendered(item, values, where) for item in value]
    return value


def _object(expression: str, values: Mapping[str, Any], where: str) -> Any:
    """What one expression comes to, as it is: a number stays a number, a list a list."""
    try:
        found = _expression(expression)(alert=values)
    except TemplateError as error:
        raise Unrenderable(f"{where}: {_line(error)}") from None
    except Exception as error:
        raise Unrenderable(f"{where}: cannot be worked out: {_line(error)}") from None
    if isinstance(found, Undefined):
        raise Unrenderable(f"{where}: the alert has no {expression.strip()}")
    return found


def _text(text: str, values: Mapping[str, Any], where: str) -> str:
    """A template with the alert put in."""
    if not _marked(text):
        return text
    try:
        found = _template(text).render(alert=values)
    except TemplateError as error:
        raise Unrenderable(f"{where}: {_line(error)}") from None
    except Exception as error:
        raise Unrenderable(f"{where}: cannot be worked out: {_line(error)}") from None
    return str(_safe(found, where))


def _safe(value: Any, where: str, depth: int = 0) -> Any:
    """Plain data without anything that Ansible would take for a template of its own."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > 20:
        raise Unrenderable(f"{where}: too deep")
    if isinstance(value, str):
        if len(value) > _MOST:
            raise Unrenderable(f"{where}: longer than {_MOST} characters")
        if any(mark in value for mark in _MARKS):
            raise Unrenderable(f"{where}: what the alert says holds a template ({_shown(value)}); it is not run")
        if "\0" in value:
            raise Unrenderable(f"{where}: what the alert says holds a null character")
        return str(value)
    if isinstance(value, Mapping):
        return {str(_safe(str(name), where)): _safe(item, where, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(item, where, depth + 1) for item in value]
    raise Unrenderable(f"{where}: comes to no plain value but to a {type(value).__name__}")


def _name(text: str, where: str) -> str:
    """A plain name: of one host, or of a stack."""
    if not text:
        raise Unrenderable(f"{where}: the alert names none")
    if not _PLAIN.fullmatch(text) or text in _WIDE:
        raise Unrenderable(f"{where}: {_shown(text)} is no plain name of a host")
    return text


def _marked(text: str) -> bool:
    return any(mark in text for mark in _MARKS)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@lru_cache(maxsize=512)
def _template(text: str) -> Any:
    return ENVIRONMENT.from_string(text)


@lru_cache(maxsize=512)
def _expression(text: str) -> Any:
    return ENVIRONMENT.compile_expression(text, undefined_to_none=False)
