"""`opsctl audit`: the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from opsctl.commands import keys
from opsctl.commands.common import Output, complete_runs, desk, group

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.ledger.book import Ledger
    from opsctl.ledger.checkpoint import Checkpoint
    from opsctl.ledger.witness import Witness
    from opsctl.settings import Settings

app = group("Look at the ledger, sign it, verify it.")
app.add_typer(keys.app, name="key")


@app.command("list")
def list_(
    count: Annotated[int, typer.Option("--last", "-n", min=1, help="How many of the newest.")] = 50,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN", help="Only those of this run.", autocompletion=complete_runs, show_default=False
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Records, the oldest first."""
    from opsctl.output import emit

    state = desk(output=output)
    run_id = state.store.get(run).id if run else None
    found = [{**record.content, "hash": record.hash} for record in state.ledger.records(run_id, count)]
    emit(found, state.settings.output, _list)


@app.command()
def verify(
    export_: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Verify this export; needs --public-key.", show_default=False),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(
            "--public-key", metavar="KEY|FILE", help="Trust this key, not the one in the home.", show_default=False
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Find records that were changed, removed, moved, added or cut off the end. Exit status 1 when there are any.

    Signatures of checkpoints and the anchors of the settings are checked too. An export is verified with nothing but
    itself and the public key.
    """
    from opsctl.commands.common import settings
    from opsctl.errors import UsageError
    from opsctl.ledger.audit import audit
    from opsctl.ledger.key import read_public
    from opsctl.ledger.outside import inspect
    from opsctl.output import emit

    key = read_public(public_key) if public_key else None
    if export_ is None:
        state = desk(output=output)
        form = state.settings.output
        report = audit(state.ledger, _settled(state.settings), key)
    elif key is None:
        raise UsageError("An export is verified with --public-key; its owner prints the key with `opsctl audit key`")
    else:
        form = settings(output=output).output
        report = inspect(export_, key)
    emit(report.plain(), form, _report)
    if not report.sound:
        raise typer.Exit(1)


@app.command()
def checkpoint(output: Output = None) -> None:
    """Sign where the ledger ends now. The end of every run is signed by itself."""
    from opsctl.output import emit, fields

    state = desk(output=output)
    made = _checkpoint(state.ledger)
    emit(made.plain, state.settings.output, lambda row: fields(row.items()))


@app.command()
def export(
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="Without loss, to be verified; or for people.")
    ] = "jsonl",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="SEQ|TIME", help="Only from this record or time on.", show_default=False),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Write this file, whole or not at all.", show_default=False),
    ] = None,
) -> None:
    """Write the ledger for others: records and signed checkpoints as JSON lines, or records as CSV."""
    from opsctl.ledger.export import first_of, jsonl, table, target

    ledger = desk().ledger
    first = first_of(ledger, since)
    lines, end = (jsonl(ledger, first), "\n") if form == "jsonl" else (table(ledger, first), "\r\n")
    with target(to) as file:
        for line in lines:
            file.write(line + end)


@app.command()
def anchor(
    file: Annotated[
        list[Path] | None, typer.Option("--file", metavar="PATH", help="Append to this file.", show_default=False)
    ] = None,
    git: Annotated[
        list[Path] | None, typer.Option("--git", metavar="REPO", help="Commit in this repository.", show_default=False)
    ] = None,
    elasticsearch: Annotated[
        list[str] | None,
        typer.Option("--elasticsearch", metavar="INDEX", help="Create a document in this index.", show_default=False),
    ] = None,
    output: Output = None,
) -> None:
    """Copy the newest checkpoint to other storage: to what is named, else to all audit_anchors of the settings."""
    from opsctl.errors import UsageError
    from opsctl.ledger.witness import FileWitness, GitWitness, named
    from opsctl.output import emit, grid

    state = desk(output=output)
    found: list[Witness] = [*map(FileWitness, file or ()), *map(GitWitness, git or ())]
    found += [named(f"elasticsearch:{index}", state.settings.elasticsearch) for index in elasticsearch or ()]
    found = found or _settled(state.settings)
    if not found:
        raise UsageError("No anchor: give --file, --git or --elasticsearch, or list audit_anchors in config.toml")
    newest = _checkpoint(state.ledger)
    done = [{"anchor": each.name, "seq": newest.seq, "changed": each.put(newest)} for each in found]
    emit(
        done, state.settings.output, lambda rows: grid(("anchor", "record", "changed"), [row.values() for row in rows])
    )


def _settled(settings: Settings) -> list[Witness]:
    """The anchors of the settings."""
    from opsctl.ledger.witness import named

    return [named(text, settings.elasticsearch) for text in settings.audit_anchors]


def _checkpoint(ledger: Ledger) -> Checkpoint:
    from opsctl.errors import UsageError

    made = ledger.checkpoint()
    if made is None:
        raise UsageError("There is nothing to sign: the ledger has no records yet")
    return made


def _list(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.output import grid

    return grid(
        ("seq", "time", "kind", "run", "by", "what", "hash"),
        [
            (
                row["seq"],
                row["time"][:19].replace("T", " "),
                row["kind"],
                row["run_id"],
                row["requester"].get("name", ""),
                _what(row["kind"], row["data"]),
                row["hash"][:12],
            )
            for row in rows
        ],
    )


def _what(kind: str, data: dict[str, Any]) -> str:
    if kind == "asked":
        return f"{data['content']} {data['action']} on {data['cloud']}"
    if kind == "decided":
        return f"{data['verdict']} by rule {data['rule']}"
    if kind == "observed":
        return f"{data['content']}: {data['status']}"
    if kind == "key_rotated":
        return f"{data['old'][:24]} handed over to {data['new'][:24]}"
    if kind == "finished":
        return " ".join(part for part in (data["status"], data["message"]) if part)
    return str(data.get("message", ""))


def _report(report: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines = [Text(finding["text"], style="red" if finding["grave"] else "yellow") for finding in report["findings"]]
    if report["sound"]:
        count = f"{report['records']} records, {report['checkpoints']} checkpoints"
        last = Text(f"The ledger is sound: {count}, head {report['head'][:16]}", style="green")
    else:
        last = Text(f"The ledger is NOT sound: {report['records']} records, {len(lines)} findings", style="bold red")
    return Group(*lines, last)
