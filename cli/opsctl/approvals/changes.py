"""What differs between a plan as approved and the same plan built again, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 3
_DIGESTS = {"script": "the script's content", "command": "the command", "module": "the module"}


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Each difference as a few words; values are never said, they could be long."""
    found = []
    for name in ("kind", "content", "action", "cloud"):
        if before.get(name) != after.get(name):
            found.append(f"the {name}: {_short(before.get(name))} became {_short(after.get(name))}")
    if before.get("digest") != after.get("digest"):
        found.append(f"{_DIGESTS.get(str(after.get('kind')), 'the content of playbooks, roles or templates')}")
    found += _targets(before.get("targets") or {}, after.get("targets") or {})
    found += _named("parameter", before.get("parameters") or {}, after.get("parameters") or {})
    found += _named("option", before.get("options") or {}, after.get("options") or {})
    return found


def _targets(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = [
        f"the {name}: {_short(before.get(name))} became {_short(after.get(name))}"
        for name in ("stack", "limit")
        if before.get(name) != after.get(name)
    ]
    old, new = set(before.get("hosts", ())), set(after.get("hosts", ()))
    if more := sorted(new - old):
        found.append(f"hosts that came in since: {_list(more)}")
    if fewer := sorted(old - new):
        found.append(f"hosts that are gone: {_list(fewer)}")
    if before.get("groups") != after.get("groups") or before.get("stacks") != after.get("stacks"):
        found.append("the groups or stacks that the hosts are in")
    if old == new and before.get("digest") != after.get("digest"):
        found.append("the addresses of the hosts")
    return found


def _named(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return [f"{what}{'s' if len(names) > 1 else ''} {_list(names)}"] if names else []


def _list(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _short(value: Any) -> str:
    text = " ".join(str(value or "nothing").split())
    return text if len(text) <= 40 else f"{text[:39]}…"
