"""`opsctl access`: who may do what, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import CloudName, Output, group, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Say who may do what, check policy.yml.")

_Host = Annotated[str, typer.Argument(metavar="HOST", help="A host's name; `-` = hosts that are not known yet.")]
_Content = Annotated[
    str,
    typer.Argument(
        metavar="CONTENT",
        help="A command; or scenario:NAME[/ACTION], playbook:NAME or module:NAME.",
        show_default=False,
    ),
]
_Stack = Annotated[str, typer.Option("--stack", help="The stack that is worked on.")]
_Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group the host is in; may be given more than once.")
]
_EXIT = {"allow": 0, "deny": 6, "approve": 7}


@app.command()
def explain(  # noqa: PLR0917 - Typer passes options by name
    user: Annotated[str, typer.Argument(metavar="USER", help="A user of this machine.")],
    host: _Host,
    content: _Content,
    cloud: CloudName = None,
    stack: _Stack = "",
    groups: _Groups = None,
    output: Output = None,
) -> None:
    """Say which grant decides whether USER may run CONTENT on HOST, and what is dangerous about it."""
    from opsctl.errors import UsageError
    from opsctl.output import emit
    from opsctl.policy.identity import of_name

    who = of_name(user)
    if who.uid is None:
        raise UsageError(f"Unknown user {user}: this machine has none of that name")
    chosen = settings(output=output)
    emit(
        _explained(who, host, content, cloud=chosen.chosen(cloud)[0], stack=stack, groups=groups), chosen.output, _table
    )


@app.command()
def check(  # noqa: PLR0917 - Typer passes options by name
    host: _Host,
    content: _Content,
    cloud: CloudName = None,
    stack: _Stack = "",
    groups: _Groups = None,
    output: Output = None,
) -> None:
    """Say whether you may run CONTENT on HOST. Exit status 6 when you may not, 7 when an approval is needed."""
    import os

    from opsctl.output import emit
    from opsctl.policy.identity import of_uid

    chosen = settings(output=output)
    result = _explained(of_uid(os.getuid()), host, content, cloud=chosen.chosen(cloud)[0], stack=stack, groups=groups)
    emit(result, chosen.output, _table)
    raise typer.Exit(_EXIT[result["decision"]["verdict"]])


@app.command()
def lint(output: Output = None) -> None:
    """Check policy.yml. Exit status 2 when it cannot be used."""
    from opsctl.home import locate
    from opsctl.output import emit, fields
    from opsctl.policy.load import load
    from opsctl.policy.read import NAME

    chosen, home = settings(output=output), locate()
    policy = load(home)
    found = {"path": str(home / NAME), "exists": (home / NAME).exists(), "grants": len(policy.grants)}
    found |= {"roles": sorted(policy.roles), "groups": sorted(policy.groups)}
    emit(found, chosen.output, lambda shown: fields(shown.items()))


def _explained(
    who: Any, host: str, content: str, *, cloud: str, stack: str, groups: list[str] | None
) -> dict[str, Any]:
    from datetime import datetime

    from opsctl.home import home
    from opsctl.policy.decide import decided
    from opsctl.policy.finding import worst
    from opsctl.policy.load import load
    from opsctl.policy.match import Case

    place = home()
    known = {} if host == "-" else {host: None if groups is None else frozenset(groups)}
    request = _request(who, content, cloud, stack)
    case = Case(request, who, datetime.now().astimezone(), known)
    decision = decided(case, place.stat().st_uid, load(place))
    return {
        "user": who.name,
        "host": host,
        "content": {"kind": request.kind, "name": request.content, "action": request.action},
        "decision": decision.plain(),
        "risk": None if case.findings is None else worst(case.findings),
        "findings": [finding.plain() for finding in case.findings or ()],
    }


def _request(who: Any, content: str, cloud: str, stack: str) -> Any:
    from opsctl.clock import now, uuid7
    from opsctl.errors import UsageError
    from opsctl.runs.request import Requester, RunRequest, Targets

    kind, colon, name = content.partition(":")
    if not colon or kind not in ("scenario", "playbook", "module"):
        kind, name = "command", content
    action = ""
    if kind == "scenario":
        name, _, action = name.partition("/")
        action = action or "deploy"
    if not name.strip():
        raise UsageError("CONTENT is empty; give a command, scenario:NAME[/ACTION], playbook:NAME or module:NAME")
    kinds: Any = kind
    return RunRequest(
        id=uuid7(),
        kind=kinds,
        content=name,
        action=action,
        playbook=name if kind == "playbook" else "",
        cloud=cloud,
        requester=Requester(who.name, who.uid),
        created=now(),
        targets=Targets(stack=stack),
    )


def _table(shown: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from opsctl.output import fields, grid

    decision = shown["decision"]
    head = fields(
        [
            ("verdict", decision["verdict"]),
            ("rule", decision["rule"]),
            ("why", decision["text"]),
            ("risk", shown["risk"] or "not judged beforehand"),
        ]
    )
    if not shown["findings"]:
        return head
    rows = [(row["level"], row["category"], row["reason"], row["excerpt"]) for row in shown["findings"]]
    return Group(head, grid(("level", "category", "reason", "in"), rows))
