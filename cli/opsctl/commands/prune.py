"""`opsctl logs prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, desk

if TYPE_CHECKING:
    from pathlib import Path

    from opsctl.events.prune import Shipped
    from opsctl.settings import Settings


def prune(
    older: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Of runs that ended longer ago: 90d, 12w.", show_default=False
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", metavar="N", min=0, help="Never of the N newest runs; alone: all others.", show_default=False
        ),
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: Output = None,
) -> None:
    """Remove journals of old runs; without options, as `retention` in the settings says.

    Records of runs and the ledger stay, and the ledger records what was removed. The journal of a run that has not
    ended stays, and so does one that is not yet wholly in Elasticsearch, where that is set up.
    """
    import time

    from opsctl.errors import UsageError
    from opsctl.events.prune import journals, plan, remove
    from opsctl.output import emit, say
    from opsctl.search.when import age

    state = desk(output=output)
    days, size = state.settings.retention.days, None
    if older is None and keep is None:
        size = state.settings.retention.size
        older = f"{days}d" if days is not None else None
        if older is None and size is None:
            raise UsageError("Say what to remove: --older-than 90d or --keep N, or set retention in config.toml")
    parts = [f"older than {older}" if older else "", f"all but the newest {keep}" if keep is not None else ""]
    parts += [f"more than {size} bytes in all" if size is not None else ""]
    before = time.time() - age(older).total_seconds() if older else None
    olds, active = journals(state.home, state.database)
    shipped = _shipped(state.home, state.settings)
    found = plan(olds, before=before, keep=keep, size=size, shipped=shipped, active=active)
    if not dry:
        remove(found, state.ledger, ", ".join(part for part in parts if part))
    emit(found.plain() | {"dry_run": dry}, state.settings.output, _table)
    if found.unshipped:
        say(f"{found.unshipped} old journals stay until they are in Elasticsearch; `opsctl logs ship status` says more")


def _shipped(home: Path, settings: Settings) -> Shipped:
    """Says of a journal whether all of it is where the settings want it to be."""
    if not settings.elasticsearch.on:
        return lambda path: True
    from opsctl.events.ship.state import State

    state = State(home / "spool" / "ship.db")
    cursors = state.cursors()
    state.close()
    return lambda path: path.stem in cursors and cursors[path.stem].position >= path.stat().st_size


def _table(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.filesize import decimal
    from rich.text import Text

    from opsctl.output import grid

    rows = [(row["run"], decimal(row["bytes"])) for row in result["removed"]]
    verb = "would be removed" if result["dry_run"] else "removed"
    total = Text(f"{len(rows)} journals {verb}, {decimal(result['bytes'])}", style="bold")
    return Group(grid(("run", "size"), rows), Text(""), total) if rows else total
