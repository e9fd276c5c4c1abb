"""Answers to: may somebody run this there, which grant says so, and what is dangerous about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from opsctl.clock import now, uuid7
from opsctl.clouds import access
from opsctl.errors import OpsctlError, UsageError
from opsctl.output import say
from opsctl.policy.ceiling import limits
from opsctl.policy.decide import decided
from opsctl.policy.finding import worst
from opsctl.policy.grants import Policy
from opsctl.policy.identity import Identity
from opsctl.policy.load import load
from opsctl.policy.match import Case
from opsctl.runs.request import Requester, RunRequest, Targets
from opsctl.settings import LOCAL, Cloud

_KINDS = ("scenario", "playbook", "module", "script")


def request(who: Identity, content: str, cloud: str, stack: str) -> RunRequest:
    """What is asked about: a command, `scenario:NAME[/ACTION]`, `playbook:NAME`, `module:NAME` or `script:FILE`.

    Raises:
        UsageError: it is empty, or the script cannot be read.
    """
    kind, colon, name = content.partition(":")
    if not colon or kind not in _KINDS:
        kind, name = "command", content
    action = ""
    if kind == "scenario":
        name, _, action = name.partition("/")
        action = action or "deploy"
    if not name.strip():
        raise UsageError(f"CONTENT is empty; give a command, or one of {', '.join(f'{kind}:NAME' for kind in _KINDS)}")
    kinds: Any = kind
    return RunRequest(
        id=uuid7(),
        kind=kinds,
        content=name,
        action=action,
        playbook=name if kind == "playbook" else "",
        cloud=cloud,
        requester=Requester(who.name, -1 if who.uid is None else who.uid),
        created=now(),
        targets=Targets(stack=stack),
        text=_read(name) if kind == "script" else None,
    )


def explained(
    who: Identity, host: str, asked: RunRequest, home: Path, profile: Cloud, *, groups: list[str] | None
) -> dict[str, Any]:
    """The decision and all that led to it, as JSON. Groups and stack of the host are looked up where grants ask."""
    policy = load(home)
    case = Case(asked, who, datetime.now().astimezone())
    stack = asked.targets.stack or None
    known = None if groups is None else frozenset({"all", *groups})
    if host != "-":
        if _asks(policy) and known is None and asked.kind != "scenario":
            known, found = _whereabouts(host, asked.cloud, profile, home)
            stack = stack or found
        case = replace(case, hosts={host: known}, stacks={} if stack is None else {host: stack})
    owner = home.stat().st_uid
    decision = decided(case, owner, policy)
    found_limits = limits(case, owner, policy) if asked.kind in ("scenario", "playbook") else None
    return {
        "user": who.name,
        "host": host,
        "groups": None if known is None else sorted(known - {"all"}),
        "stack": stack,
        "content": {"kind": asked.kind, "name": asked.content, "action": asked.action},
        "decision": decision.plain(),
        "risk": None if case.findings is None else worst(case.findings),
        "findings": [finding.plain() for finding in case.findings or ()],
        "limits": [] if found_limits is None else found_limits.plain()["limits"],
    }


def _asks(policy: Policy) -> bool:
    entries = [entry.where for _kind, entry in policy.calendar.entries()]
    return any(where.group or where.stack for where in (*entries, *(grant.where for grant in policy.grants)))


def _whereabouts(host: str, name: str, profile: Cloud, home: Path) -> tuple[frozenset[str] | None, str | None]:
    """Groups and stack of a host, as the inventory knows them."""
    from opsctl.localcloud.service import status
    from opsctl.targets import find

    if name == LOCAL and profile.kind != "hosts" and status(home).pid is None:
        say(f"Groups and stack of {host} are not known: the local cloud does not run; --group and --stack say them")
        return None, None
    try:
        found = find(host, access(name, profile, home), everything=True)
    except OpsctlError as error:
        say(f"Groups and stack of {host} are not known: {error}")
        return None, None
    return found.groups.get(host), str(found.variables.get(host, {}).get("stack_name") or "")


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"Cannot read script {path}: {error.strerror}") from error
