"""`opsctl doctor`: what on this machine would stop opsctl, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from opsctl.commands.common import HELP, Output, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=HELP)

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@app.command()
def doctor(output: Output = None) -> None:
    """Check this machine and installation; exit status 1 when something fails."""
    from opsctl.checks import all_checks
    from opsctl.errors import ConfigError
    from opsctl.home import locate
    from opsctl.output import emit

    try:
        form = settings(output=output).output
    except ConfigError:
        # That is one of the checks.
        form = output or "table"
    found = [check.plain() for check in all_checks(locate())]
    emit(found, form, _table)
    if any(check["state"] == "fail" for check in found):
        raise typer.Exit(1)


def _table(rows: list[dict[str, Any]]) -> RenderableType:
    from rich.text import Text

    from opsctl.output import grid

    return grid(
        ("", "check", "found", "what to do"),
        [(Text(row["state"], style=_STYLES[row["state"]]), row["name"], row["found"], row["advice"]) for row in rows],
    )
