"""`opsctl inventory`: the hosts, as Ansible sees them."""

from __future__ import annotations

from typing import Annotated

import typer

from opsctl.commands.common import HELP, CloudName, Output, desk

app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=HELP)


@app.command()
def inventory(
    graph: Annotated[
        bool, typer.Option("--graph", help="Groups and hosts as a tree (the default on a terminal).")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="All hosts with all variables, as `ansible-inventory --list`.")
    ] = False,
    cloud: CloudName = None,
    output: Output = None,
) -> None:
    """Show the hosts of the stacks, in their groups, with their variables."""
    from opsctl.clouds import access
    from opsctl.errors import UsageError
    from opsctl.output import emit
    from opsctl.runs import ask

    if graph and list_:
        raise UsageError("--graph and --list exclude each other")
    state = desk(output=output)
    name, profile = state.settings.chosen(cloud)
    way, form = access(name, profile, state.home), state.settings.output
    if list_ or (form != "table" and not graph):
        emit(ask.hosts(way), "json" if form == "table" else form, str)
    else:
        emit(ask.inventory(("--graph",), way).rstrip(), form, str)
