"""`opsctl audit key`: the keys that sign the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import HELP, Output, desk

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    help="Print the public key that proves checkpoints and exports, or change the key.",
    rich_markup_mode=None,
    add_completion=False,
    context_settings=HELP,
    invoke_without_command=True,
)


@app.callback()
def key(context: typer.Context) -> None:
    """Print the public key that proves checkpoints and exports. Give it to who is to verify them, by another way."""
    if context.invoked_subcommand is None:
        print(desk().ledger.public_key())


@app.command("list")
def list_(output: Output = None) -> None:
    """All keys that have signed this ledger, the oldest first."""
    from opsctl.output import emit

    state = desk(output=output)
    emit(_listed(state), state.settings.output, _table)


@app.command()
def rotate(
    destroy: Annotated[
        bool, typer.Option("--destroy-old", help="Do not keep the old private key beside the new one.")
    ] = False,
    output: Output = None,
) -> None:
    """Sign with a new key from now on. The old one signs that it hands over, and never again.

    Give the new public key to those who verify; with the old one they can verify on, as long as nobody has stolen it.
    """
    import os

    from opsctl.output import emit, fields
    from opsctl.runs.request import me

    state = desk(output=output)
    old, new = state.ledger.rotate(me().plain(), os.uname().nodename, destroy=destroy)
    emit({"old": str(old), "new": str(new)}, state.settings.output, lambda row: fields(row.items()))


def _listed(state: Any) -> list[dict[str, Any]]:
    from opsctl.ledger.key import PREFIX
    from opsctl.ledger.ring import ring

    checkpoints = state.ledger.checkpoints
    current = state.ledger.public_key()
    found = ring(current, checkpoints.lines(checkpoints.size()))
    since = [None, *(handover.time for handover in found.handovers)]
    rows = []
    for number, key in enumerate(found.keys):
        last = found.handovers[number] if number < len(found.handovers) else None
        kept = checkpoints.key.with_name(f"{checkpoints.key.name}.{str(key).removeprefix(PREFIX)[:16]}").exists()
        rows.append(
            {
                "key": str(key),
                "state": "signs" if last is None else "kept" if kept else "destroyed",
                "since": since[number],
                "until": None if last is None else last.time,
                "last_checkpoint": None if last is None else last.number,
            }
        )
    return rows


def _table(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.output import grid

    return grid(
        ("key", "private key", "since", "until"),
        [(row["key"], row["state"], (row["since"] or "")[:19], (row["until"] or "")[:19]) for row in rows],
    )
