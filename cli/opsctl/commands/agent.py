"""`opsctl agent`: keep SSH connections open between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, group, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Keep SSH connections to hosts open between runs.")


@app.command()
def start(
    ttl: Annotated[
        float, typer.Option("--ttl", metavar="SECONDS", min=1, help="How long a connection may be idle.")
    ] = 600,
    most: Annotated[int, typer.Option("--max", min=1, max=10_000, help="Connections at the same time.")] = 1000,
    output: Output = None,
) -> None:
    """Start it: from now on commands and scripts use it. It ends by itself when it keeps nothing any more."""
    from opsctl.agent import service
    from opsctl.output import emit, say

    found, fresh = service.start(most, ttl)
    if not fresh:
        say("opsctl: the agent runs already, as it was started")
    emit(found, settings(output=output).output, _drawn)


@app.command()
def status(output: Output = None) -> None:
    """Show how many connections it keeps."""
    from opsctl.agent import service
    from opsctl.output import emit, say

    found = service.status()
    if found is None:
        say("opsctl: the agent does not run; `opsctl agent start` starts it")
        raise typer.Exit(1)
    emit(found, settings(output=output).output, _drawn)


@app.command()
def stop() -> None:
    """Let it go: at once when nothing runs over it, else when that has ended."""
    from opsctl.agent import service
    from opsctl.output import say

    found = service.stop()
    if found is None:
        say("opsctl: the agent does not run")
    elif found["in_use"]:
        say(f"opsctl: the agent takes no more commands, and goes when the {found['in_use']} that run have ended")


def _drawn(found: dict[str, Any]) -> RenderableType:
    from opsctl.output import fields

    commands = found["commands"]
    return fields(
        [
            ("process", f"{found['pid']}, since {found['started']}"),
            ("kept", f"{found['kept']} connections, {found['in_use']} in use, {found['max']} at most"),
            ("idle", f"at most {found['ttl']:g} s"),
            ("commands", f"{commands['over_kept']} over kept connections, {commands['over_new']} over new ones"),
        ]
    )
