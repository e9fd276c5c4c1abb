"""Names in a policy that mean nothing, or two things. Pure."""

from __future__ import annotations

from typing import Any

from opsctl.errors import suggest
from opsctl.policy.grants import Grant, Policy

Place = list[Any]
_RESERVED = ("owner", "default")


def loose(policy: Policy) -> list[tuple[Place, str]]:
    """Each with its place: keys and numbers from the outermost on."""
    found: list[tuple[Place, str]] = []
    seen: set[str] = set()
    for name, members in policy.groups.items():
        if any(member.startswith("group:") for member in members):
            found.append((["groups", name], "a group cannot hold groups; name users and os:GROUP"))
    for number, grant in enumerate(policy.grants):
        at: Place = ["grants", number]
        if grant.name in seen or grant.name in _RESERVED or grant.name.startswith(("freeze:", "window:")):
            found.append(([*at, "name"], f"the name {grant.name} is taken; a decision must name one rule"))
        seen.add(grant.name)
        found += [([*at, *where], text) for where, text in _grant(policy, grant)]
    found += _calendar(policy)
    return found


def _grant(policy: Policy, grant: Grant) -> list[tuple[Place, str]]:
    found: list[tuple[Place, str]] = []
    if isinstance(grant.what, tuple):
        found += [(["what"], text) for text in _unknown(policy, grant.what)]
    for key in ("who", "approvers", "break_glass"):
        found += [([key], text) for text in _nobody(policy, getattr(grant, key))]
    if grant.effect != "approve":
        for key in ("approvers", "needed", "expires", "break_glass", "checks"):
            if getattr(grant, key):
                found.append(([key], "is for grants whose effect is approve"))
    # Users are counted here; how many a group of the operating system has is known only when they vote.
    elif (plain := _counted(policy, grant.approvers)) is not None and plain < (grant.needed or 1):
        found.append((["needed"], f"{grant.needed} must approve, and approvers are {plain}"))
    return found


def _calendar(policy: Policy) -> list[tuple[Place, str]]:
    found: list[tuple[Place, str]] = []
    for key in ("freezes", "windows"):
        seen: set[str] = set()
        for number, entry in enumerate(getattr(policy.calendar, key)):
            at: Place = ["calendar", key, number]
            if entry.name in seen:
                found.append(([*at, "name"], f"the name {entry.name} is taken"))
            seen.add(entry.name)
            roles = tuple(part for part in entry.exempt if isinstance(part, str))
            found += [([*at, "except"], text) for text in _unknown(policy, roles)]
    return found


def _unknown(policy: Policy, roles: tuple[str, ...]) -> list[str]:
    return [f"unknown role {role}{suggest(role, policy.roles)}" for role in roles if role not in policy.roles]


def _nobody(policy: Policy, names: tuple[str, ...]) -> list[str]:
    found = []
    for who in names:
        kind, _, name = who.rpartition(":")
        if kind == "group" and name not in policy.groups:
            found.append(f"unknown group {name}{suggest(name, policy.groups)}")
        elif kind not in ("", "group", "os"):
            found.append(f"{who}: want a user, group:NAME, os:GROUP or everybody")
    return found


def _counted(policy: Policy, names: tuple[str, ...]) -> int | None:
    """How many people these are; None when that cannot be told."""
    people: set[str] = set()
    for name in names:
        people.update(policy.groups.get(name[6:], ()) if name.startswith("group:") else (name,))
    return None if not names or any(name == "everybody" or name.startswith("os:") for name in people) else len(people)
