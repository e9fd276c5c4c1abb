"""`opsctl stack`: what exists on a cloud, through the collection's modules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import CloudName, Output, desk, group

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Look at created stacks, delete them.")

Name = Annotated[str, typer.Argument(help="The stack.")]


@app.command("list")
def list_(cloud: CloudName = None, output: Output = None) -> None:
    """All stacks of a cloud."""
    from opsctl.output import emit, grid

    state = desk(output=output)
    keys = ("stack_name", "status", "stack_id", "create_time", "update_time", "status_reason")
    found = [{key: stack.get(key) for key in keys} for stack in _stacks(state, cloud)]
    emit(
        found,
        state.settings.output,
        lambda rows: grid(
            ("stack", "status", "created", "id"),
            [(row["stack_name"], row["status"], row["create_time"], row["stack_id"]) for row in rows],
        ),
    )


@app.command()
def show(name: Name, cloud: CloudName = None, output: Output = None) -> None:
    """One stack: state, resources, hosts, outputs."""
    from opsctl.output import emit

    state = desk(output=output)
    emit(_one(state, cloud, name, gather_resources=True, gather_hosts=True), state.settings.output, _show)


@app.command()
def events(name: Name, cloud: CloudName = None, output: Output = None) -> None:
    """What happened to a stack, the oldest first."""
    from opsctl.output import emit, grid

    state = desk(output=output)
    found = _one(state, cloud, name, gather_events=True).get("events") or []
    emit(
        found[::-1],
        state.settings.output,
        lambda rows: grid(
            ("time", "resource", "type", "status", "reason"),
            [(row["time"], row["logical_id"], row["type"], row["status"], row["reason"]) for row in rows],
        ),
    )


@app.command()
def outputs(name: Name, cloud: CloudName = None, output: Output = None) -> None:
    """What a stack tells: addresses, ids, commands."""
    from opsctl.output import emit, fields
    from opsctl.runs.result import text

    state = desk(output=output)
    found = _one(state, cloud, name).get("outputs") or {}
    emit(found, state.settings.output, lambda shown: fields([(key, text(value)) for key, value in shown.items()]))


@app.command()
def delete(  # noqa: PLR0917 - Typer passes options by name
    name: Name,
    cloud: CloudName = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, say what would change.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why: goes into the ledger.")] = "",
    break_glass: Annotated[
        str, typer.Option("--break-glass", metavar="REASON", help="An emergency: without the approval it needs.")
    ] = "",
    timeout: Annotated[
        int | None, typer.Option("--timeout", metavar="SECONDS", help="How long it may take.", show_default=False)
    ] = None,
    output: Output = None,
) -> None:
    """Delete a stack with everything in it: an audited run."""
    from functools import partial

    from opsctl.commands.run import show as conducted
    from opsctl.errors import UsageError
    from opsctl.orders.build import build
    from opsctl.orders.spec import Spec
    from opsctl.runs.conduct import conduct

    state = desk(timeout=timeout, output=output)
    profile_name, _ = state.settings.chosen(cloud)
    if not yes and not check:
        if not sys.stdin.isatty():
            raise UsageError(f"Deleting stack {name} needs --yes where nobody can be asked")
        typer.confirm(f"Delete stack {name} on {profile_name} with all its hosts and data?", abort=True, err=True)
    spec = Spec(
        kind="module",
        content="opsctl.cloud.ros_stack",
        action="absent",
        cloud=profile_name,
        parameters={"name": name, "state": "absent"},
        check=check,
        reason=reason,
        timeout=timeout or 0,
    )
    conducted(state, build(spec, state.home, state.settings), partial(conduct, state, emergency=break_glass))


def _stacks(state: Any, cloud: str | None, **arguments: Any) -> list[dict[str, Any]]:
    from opsctl.clouds import access
    from opsctl.errors import UsageError
    from opsctl.runs.ask import ask
    from opsctl.runs.signals import stopping

    name, profile = state.settings.chosen(cloud)
    if profile.kind == "hosts":
        raise UsageError(f"Cloud {name} is a list of machines: it has no stacks")
    found = ask("opsctl.cloud.ros_stack_info", arguments, access(name, profile, state.home), stopping)
    stacks: list[dict[str, Any]] = found["stacks"]
    return stacks


def _one(state: Any, cloud: str | None, name: str, **arguments: Any) -> dict[str, Any]:
    from opsctl.errors import UsageError

    found = _stacks(state, cloud, name=name, **arguments)
    if not found:
        raise UsageError(f"Unknown stack {name}; `opsctl stack list` shows them")
    return found[0]


def _show(stack: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from opsctl.output import fields, grid
    from opsctl.runs.result import text

    parts: list[RenderableType] = [
        fields(
            [
                ("stack", stack["stack_name"]),
                ("status", stack["status"]),
                ("reason", stack.get("status_reason")),
                ("id", stack["stack_id"]),
                ("region", stack.get("region_id")),
                ("created", stack.get("create_time")),
                ("updated", stack.get("update_time")),
                ("parameters", text(stack.get("parameters") or {}) if stack.get("parameters") else None),
            ]
        )
    ]
    if stack.get("outputs"):
        parts += [Text(""), Text("Outputs", style="bold"), fields([(k, text(v)) for k, v in stack["outputs"].items()])]
    if stack.get("resources"):
        rows = [(r["logical_id"], r["type"], r["status"], r["physical_id"]) for r in stack["resources"]]
        parts += [Text(""), grid(("resource", "type", "status", "id"), rows)]
    if stack.get("hosts"):
        hosts = [
            (h["name"], h["vars"].get("ansible_host"), h["vars"].get("private_ip"), h["vars"].get("zone_id"))
            for h in stack["hosts"]
        ]
        parts += [Text(""), grid(("host", "reach it at", "private", "zone"), hosts)]
    return Group(*parts)
