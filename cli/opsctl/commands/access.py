"""`opsctl access`: who may do what, where and when, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import CloudName, Output, desk, group, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.policy.identity import Identity

app = group("Say who may do what, and let people do more or less.")

_Host = Annotated[str, typer.Argument(metavar="HOST", help="A host's name; `-` = hosts that are not known yet.")]
_Content = Annotated[
    str,
    typer.Argument(
        metavar="CONTENT",
        help="A command; or scenario:NAME[/ACTION], playbook:NAME, module:NAME or script:FILE.",
        show_default=False,
    ),
]
_Inventory = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", metavar="FILE", help="The inventory that knows HOST.", show_default=False),
]
_Stack = Annotated[str, typer.Option("--stack", help="The stack that is worked on.")]
_Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group the host is in, instead of those the inventory says. May be repeated."),
]
_EXIT = {"allow": 0, "deny": 6, "approve": 7}


@app.command()
def explain(  # noqa: PLR0917 - Typer passes options by name
    user: Annotated[str, typer.Argument(metavar="USER", help="A user of this machine.")],
    host: _Host,
    content: _Content,
    cloud: CloudName = None,
    inventory: _Inventory = None,
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
    form = settings(output=output).output
    emit(_explained(who, host, content, (cloud, inventory, stack, groups)), form, _explanation)


@app.command()
def check(  # noqa: PLR0917 - Typer passes options by name
    host: _Host,
    content: _Content,
    cloud: CloudName = None,
    inventory: _Inventory = None,
    stack: _Stack = "",
    groups: _Groups = None,
    output: Output = None,
) -> None:
    """Say whether you may run CONTENT on HOST. Exit status 6 when you may not, 7 when an approval is needed."""
    import os

    from opsctl.output import emit
    from opsctl.policy.identity import of_uid

    form = settings(output=output).output
    result = _explained(of_uid(os.getuid()), host, content, (cloud, inventory, stack, groups))
    emit(result, form, _explanation)
    raise typer.Exit(_EXIT[result["decision"]["verdict"]])


@app.command()
def calendar(output: Output = None) -> None:
    """Freezes and windows: which hold now, and what changes next."""
    from datetime import datetime

    from opsctl.home import home
    from opsctl.output import emit
    from opsctl.policy.calendar import states
    from opsctl.policy.load import load

    form, now = settings(output=output).output, datetime.now().astimezone()
    found = sorted(states(load(home()).calendar, now), key=lambda state: (not state.forbids, state.soon))
    emit([state.plain() for state in found], form, _calendar)


@app.command("list")
def list_(output: Output = None) -> None:
    """Groups, roles, grants, freezes and windows, of policy.yml and of the database."""
    from opsctl.home import home
    from opsctl.output import emit
    from opsctl.policy.kept import everything

    form = settings(output=output).output
    emit(everything(home()), form, _entries)


@app.command()
def add(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What to add, in the shape of policy.yml; `-` = stdin.")],
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of others of the same name.")] = False,
    output: Output = None,
) -> None:
    """Add groups, roles, grants, freezes or windows to the database: all of a file or nothing, recorded."""
    from opsctl.errors import UsageError
    from opsctl.output import emit, grid
    from opsctl.policy import kept

    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {file}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    state = desk(output=output)
    made = kept.add(state.home, state.ledger, text, "stdin" if file == "-" else file, replace=replace)
    columns = ("kind", "name", "change")
    emit(made, state.settings.output, lambda rows: grid(columns, ([row[name] for name in columns] for row in rows)))


@app.command()
def remove(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="group, role, grant, freeze or window.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
) -> None:
    """Take something out of the database, recorded. What policy.yml has is not touched."""
    from opsctl.policy import kept

    state = desk()
    kept.remove(state.home, state.ledger, kind, name)


@app.command()
def export() -> None:
    """Print what the database has in the shape of policy.yml."""
    import yaml

    from opsctl.home import home
    from opsctl.policy.stored import data

    print(yaml.safe_dump(data(home()), allow_unicode=True, sort_keys=False), end="")


@app.command()
def lint(output: Output = None) -> None:
    """Check policy.yml and what the database adds to it. Exit status 2 when they cannot be used."""
    from opsctl.home import locate
    from opsctl.output import emit, fields
    from opsctl.policy.load import load
    from opsctl.policy.read import NAME
    from opsctl.policy.stored import listed

    chosen, home = settings(output=output), locate()
    policy = load(home)
    found = {"path": str(home / NAME), "exists": (home / NAME).exists(), "grants": len(policy.grants)}
    found |= {"roles": sorted(policy.roles), "groups": sorted(policy.groups)}
    found |= {"freezes": [entry.name for entry in policy.calendar.freezes]}
    found |= {"windows": [entry.name for entry in policy.calendar.windows], "in_database": len(listed(home))}
    emit(found, chosen.output, lambda shown: fields(shown.items()))


def _explained(
    who: Identity, host: str, content: str, where: tuple[str | None, Path | None, str, list[str] | None]
) -> dict[str, Any]:
    from opsctl.home import home
    from opsctl.policy.explain import explained, request
    from opsctl.settings import Cloud
    from opsctl.targets import files

    cloud, inventory, stack, groups = where
    if inventory is None:
        name, profile = settings().chosen(cloud)
    else:
        name, profile = cloud or "files", Cloud(kind="hosts", inventory=files([inventory])[0])
    return explained(who, host, request(who, content, name, stack), home(), profile, groups=groups)


def _explanation(shown: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from opsctl.output import fields, grid

    decision = shown["decision"]
    parts: list[RenderableType] = [
        fields(
            [
                ("verdict", decision["verdict"]),
                ("rule", decision["rule"]),
                ("why", decision["text"]),
                ("groups", ", ".join(shown["groups"] or ())),
                ("stack", shown["stack"]),
                ("risk", shown["risk"] or "not judged beforehand"),
            ]
        )
    ]
    if shown["findings"]:
        rows = [(row["level"], row["category"], row["reason"], row["excerpt"]) for row in shown["findings"]]
        parts.append(grid(("level", "category", "reason", "in"), rows))
    if shown["limits"]:
        parts.append(grid(("rule", "tasks while it runs"), [(row["rule"], _limit(row)) for row in shown["limits"]]))
    return Group(*parts)


def _limit(row: dict[str, Any]) -> str:
    """A limit in words."""
    places = ("hosts", "groups", "stacks")
    where = ", ".join(f"{name[:-1]} {' '.join(row[name])}" for name in places if row[name])
    tail = f" where {where}" if where else ""
    if row["effect"] == "allow":
        return f"up to {row['level'] or 'any'} risk{tail}"
    named = ", ".join(f"{name[:-1]} {' '.join(row[name])}" for name in ("modules", "commands") if row[name])
    risk = f"{row['level']} risk or more" if row["level"] else ""
    what = ", ".join(filter(None, (named, risk))) or "any"
    return f"refused{' without approval' if row['effect'] == 'approve' else ''}: {what}{tail}"


def _calendar(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.output import grid

    columns = ("kind", "name", "state", "until", "where", "reason")
    return grid(columns, ([_short(row[name]) for name in columns] for row in rows))


def _entries(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.output import grid

    told = (
        (row["kind"], row["name"], row["source"], (row.get("author") or {}).get("name"), _short(row["body"]))
        for row in rows
    )
    return grid(("kind", "name", "in", "by", "says"), told)


def _short(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_short(item)}" for key, item in value.items() if key != "name" and item)
    return " ".join(_short(item) for item in value) if isinstance(value, list | tuple) else str(value or "")
