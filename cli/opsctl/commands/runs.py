"""`opsctl runs`: what ran, what runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands import control
from opsctl.commands.again import resume, retry
from opsctl.commands.approvals import start
from opsctl.commands.common import Output, RunId, desk, group
from opsctl.commands.compare import compare

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Look at runs: state, hosts, logs; repeat them, go on with them.")
app.command()(retry)
app.command()(resume)
app.command()(start)
app.command()(compare)


@app.command("list")
def list_(
    count: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="How many, the newest first.")] = 20,
    status: Annotated[
        str | None, typer.Option("--status", help="Only those in this state.", show_default=False)
    ] = None,
    content: Annotated[
        str | None, typer.Option("--scenario", help="Only those of this scenario.", show_default=False)
    ] = None,
    output: Output = None,
) -> None:
    """The newest runs."""
    from opsctl.errors import UsageError, suggest
    from opsctl.output import emit
    from opsctl.runs.show import described
    from opsctl.runs.store import ACTIVE, ENDED

    known = (*ACTIVE, "waiting", *ENDED)
    if status is not None and status not in known:
        raise UsageError(f"Unknown state {status}{suggest(status, known)}; known: {', '.join(known)}")
    state = desk(output=output)
    found = [described(run) for run in state.store.last(count, status, content)]
    emit(found, state.settings.output, _list)


@app.command()
def show(run: RunId, output: Output = None) -> None:
    """One run: what was asked, how it stands or ended, its hosts."""
    from opsctl.output import emit
    from opsctl.runs.show import described

    state = desk(output=output)
    found = state.store.get(run)
    result = described(found)
    if found.active:
        recap = state.progress(found.id).plain()
        result |= {"hosts": recap["hosts"], "failures": recap["failures"], "in_progress": recap["in_progress"]}
    result["owner"] = found.owner.plain()
    emit(result, state.settings.output, _show)


@app.command()
def logs(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="The events as lines of JSON, not Ansible's output.")
    ] = False,
) -> None:
    """What Ansible said in a run, from its journal."""
    from opsctl.errors import UsageError
    from opsctl.events.journal import PRUNED, encode, gone, read
    from opsctl.events.journal import follow as following
    from opsctl.runs.plain import spoken

    state = desk()
    found = state.store.get(run)
    path = state.journal(found.id)

    def over() -> bool:
        now = state.store.get(found.id)
        if now.active and now.owner.gone:
            # Nobody ends it any more: this marks it as lost, and the next look sees that.
            desk()
            return False
        return not now.active

    if not path.exists() and not (follow and found.active):
        if path.with_name(PRUNED).exists() and "pruned" in gone(path):
            raise UsageError(gone(path))
        raise UsageError(f"Run {found.id} has no journal: it ended as {found.status} before anything ran")
    records = following(path, over) if follow else read(path)
    for record in records:
        if events:
            sys.stdout.write(encode(record).decode("ascii"))
        elif record.get("stdout"):
            print(spoken(record))
        if follow:
            sys.stdout.flush()


control.register(app)


def _list(rows: list[dict[str, Any]]) -> RenderableType:
    from opsctl.output import grid

    return grid(
        ("run", "what", "cloud", "status", "hosts", "by", "created", "seconds"),
        [
            (
                row["id"],
                f"{row['content']} {row['action']}",
                row["cloud"],
                _state(row["status"]),
                len(row["hosts"]) or "",
                row["requester"]["name"],
                row["created"][:19].replace("T", " "),
                "" if row["seconds"] is None else f"{row['seconds']:.1f}",
            )
            for row in rows
        ],
    )


def _show(result: dict[str, Any]) -> RenderableType:
    import json

    from rich.console import Group
    from rich.text import Text

    from opsctl.output import fields, grid
    from opsctl.runs.result import drawn
    from opsctl.runs.show import counts

    options = [name for name in ("check", "diff", "observed") if result["options"].get(name)]
    parts: list[RenderableType] = [
        fields(
            [
                ("run", result["id"]),
                ("what", f"{result['kind']} {result['content']} {result['action']}"),
                ("cloud", result["cloud"]),
                ("status", _state(result["status"])),
                ("message", result["message"]),
                ("by", result["requester"]["name"]),
                ("reason", result["reason"]),
                ("stack", result["targets"].get("stack")),
                ("limit", result["targets"].get("limit")),
                ("mode", ", ".join(options)),
                ("rate", ", ".join(f"{name} {value}" for name, value in result["options"].get("rate", {}).items())),
                ("parameters", json.dumps(result["parameters"], ensure_ascii=False)),
                ("created", result["created"]),
                ("started", result["started"]),
                ("finished", result["finished"]),
                ("seconds", result["seconds"]),
                ("digest", result["digest"]),
                ("plan", result["plan_hash"]),
            ]
        )
    ]
    if result["in_progress"]:
        rows = [(row["host"], row["task"], row["since"]) for row in result["in_progress"]]
        title = "In progress" if result["status"] in ("running", "paused") else "In progress when it ended; look there"
        parts += [Text(""), Text(title, style="bold"), grid(("host", "task", "since"), rows)]
    if result["not_started"]:
        parts += [Text(""), Text("Not started", style="bold"), Text(", ".join(result["not_started"]))]
    if result["failures"]:
        rows = [(row["host"], row["task"], row["message"]) for row in result["failures"]]
        parts += [Text(""), grid(("failed on", "task", "message"), rows)]
    if result["hosts"]:
        parts += [Text(""), counts(result["hosts"])]
    if result["result"] is not None:
        parts += [Text(""), Text("result", style="bold"), drawn(result["result"])]
    return Group(*parts)


def _state(status: str) -> Any:
    from rich.text import Text

    good = {
        "succeeded": "green",
        "running": "cyan",
        "pending": "cyan",
        "waiting": "yellow",
        "paused": "yellow",
        "canceled": "yellow",
    }
    return Text(status, style=good.get(status, "red"))
