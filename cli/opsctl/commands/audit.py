"""`opsctl audit`: the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, complete_runs, desk, group

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Look at the ledger, verify it.")


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
def verify(output: Output = None) -> None:
    """Find records that were changed, removed, moved, added or cut off the end. Exit status 1 when there are any."""
    from opsctl.ledger.verify import audit
    from opsctl.output import emit

    state = desk(output=output)
    report = audit(state.ledger)
    emit(report.plain(), state.settings.output, _report)
    if not report.sound:
        raise typer.Exit(1)


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
    if kind == "finished":
        return " ".join(part for part in (data["status"], data["message"]) if part)
    return str(data.get("message", ""))


def _report(report: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines = [Text(finding["text"], style="red" if finding["grave"] else "yellow") for finding in report["findings"]]
    if report["sound"]:
        last = Text(f"The ledger is sound: {report['records']} records, head {report['head'][:16]}", style="green")
    else:
        last = Text(f"The ledger is NOT sound: {report['records']} records, {len(lines)} findings", style="bold red")
    return Group(*lines, last)
