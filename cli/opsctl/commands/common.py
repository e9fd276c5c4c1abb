"""What the commands share: options, and the state they work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.output import Format

if TYPE_CHECKING:
    from opsctl.runs.desk import Desk
    from opsctl.settings import Settings

HELP = {"help_option_names": ["-h", "--help"]}


def group(help: str) -> typer.Typer:
    """A noun: a Typer app in the house's manner."""
    made = typer.Typer(
        help=help, no_args_is_help=True, rich_markup_mode=None, add_completion=False, context_settings=HELP
    )
    # With a callback an app of one command stays a group.
    made.callback()(_nothing)
    return made


def _nothing() -> None:
    return None


def complete_runs(incomplete: str) -> list[tuple[str, str]]:
    """Ids of the newest runs."""
    import sqlite3

    from opsctl.home import locate

    try:
        connection = sqlite3.connect(f"file:{locate() / 'opsctl.db'}?mode=ro", uri=True, timeout=0.2)
        rows = connection.execute("SELECT id, content, action, status FROM runs ORDER BY id DESC LIMIT 50").fetchall()
    except sqlite3.Error:
        return []
    return [(row[0], f"{row[1]} {row[2]}: {row[3]}") for row in rows if row[0].startswith(incomplete)]


def complete_hosts(incomplete: str) -> list[str]:
    """Hosts that recent runs met: an inventory would take too long."""
    import json
    import sqlite3

    from opsctl.home import locate

    try:
        connection = sqlite3.connect(f"file:{locate() / 'opsctl.db'}?mode=ro", uri=True, timeout=0.2)
        rows = connection.execute("SELECT recap FROM runs WHERE recap IS NOT NULL ORDER BY id DESC LIMIT 50").fetchall()
    except sqlite3.Error:
        return []
    names = {name for (recap,) in rows for name in json.loads(recap).get("hosts", {})} - {"localhost"}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_scenarios(incomplete: str) -> list[str]:
    """Names of scenarios."""
    from opsctl.errors import OpsctlError
    from opsctl.scenarios import find

    try:
        return [name for name in find(settings().scenario_path) if name.startswith(incomplete)]
    except OpsctlError:
        return []


def complete_clouds(incomplete: str) -> list[str]:
    """Names of cloud profiles."""
    from opsctl.errors import OpsctlError
    from opsctl.settings import LOCAL

    try:
        return [name for name in (LOCAL, *settings().clouds) if name.startswith(incomplete)]
    except OpsctlError:
        return []


Output = Annotated[
    Format | None,
    typer.Option("--output", "-o", help="How the result is printed (default: table).", show_default=False),
]
CloudName = Annotated[
    str | None,
    typer.Option(
        "--cloud", "-c", help="The cloud profile (default: local).", autocompletion=complete_clouds, show_default=False
    ),
]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id, the beginning or end of it, or `last`.", autocompletion=complete_runs
    ),
]


def settings(**flags: Any) -> Settings:
    """The settings, flags over all."""
    from opsctl.home import locate
    from opsctl.settings import load

    return load(locate(), **flags)


def desk(**flags: Any) -> Desk:
    """The state of this home; says on stderr what killed commands left."""
    from opsctl.home import home
    from opsctl.output import say
    from opsctl.runs.desk import Desk

    place: Path = home()
    found = Desk(place, settings(**flags))
    for run in found.lost:
        say(f"Run {run} was lost: its opsctl was killed. `opsctl runs show {run}` says where it stood.")
    return found
