"""`opsctl notify`: channels, what they were told, and what did not get through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, desk, group, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Look at notices, send failed ones again, test a channel.")


@app.command()
def status(
    count: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="How many, the newest first.")] = 20,
    output: Output = None,
) -> None:
    """Channels and the newest notices. Exit status 1 when some could not be delivered."""
    from opsctl.notify.outbox import Outbox
    from opsctl.output import emit

    state = desk(output=output)
    outbox = Outbox(state.database)
    counts = outbox.counts()
    known = {channel.name: channel for channel in state.settings.notify.channels}
    channels = [
        {
            "name": name,
            "kind": known[name].kind if name in known else None,
            "events": list(known[name].events) if name in known else [],
            **{kind: counts.get(name, {}).get(kind, 0) for kind in ("pending", "sending", "delivered", "failed")},
        }
        for name in dict.fromkeys((*known, *counts))
    ]
    result = {"channels": channels, "notices": [notice.plain() for notice in outbox.last(count)]}
    emit(result, state.settings.output, _status)
    raise typer.Exit(1 if any(channel["failed"] for channel in channels) else 0)


@app.command()
def retry(
    which: Annotated[
        str, typer.Argument(metavar="[CHANNEL|NOTICE]", help="Only those of a channel, or one by its id.")
    ] = "",
    output: Output = None,
) -> None:
    """Send what failed or still waits, now."""
    from opsctl.notify.sender import PATIENCE, Sender
    from opsctl.output import emit

    state = desk(output=output)
    sender = Sender(state.database, state.settings.notify)
    again = sender.outbox.again(which)
    while sender.deliver(PATIENCE):
        pass
    left = [notice.plain() for notice in sender.outbox.last(10_000) if notice.status in ("pending", "failed")]
    result = {"tried": again, "left": left}
    emit(result, state.settings.output, _retried)
    raise typer.Exit(1 if left else 0)


@app.command("test")
def probe(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="The channel's name in config.toml.")],
    output: Output = None,
) -> None:
    """Send a message that says nothing but that the channel works."""
    from opsctl.errors import OpsctlError, UsageError, suggest
    from opsctl.notify.http import Undelivered
    from opsctl.notify.sender import probe as probed
    from opsctl.output import emit

    chosen = settings(output=output)
    found = chosen.notify.channel(channel)
    if found is None:
        known = [each.name for each in chosen.notify.channels]
        raise UsageError(
            f"Unknown channel {channel}{suggest(channel, known)}; known: {', '.join(known) or 'none, see config.toml'}"
        )
    try:
        note = probed(found, chosen.notify.language)
    except Undelivered as error:
        raise OpsctlError(f"Channel {channel} ({found.kind}) does not work: {error}") from None
    result = {"channel": channel, "kind": found.kind, "delivered": True, "note": note or None}
    emit(
        result,
        chosen.output,
        lambda row: f"Channel {row['channel']} ({row['kind']}) works. {row['note'] or ''}".strip(),
    )


def _status(result: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from opsctl.output import grid

    channels = [
        (row["name"], row["kind"] or "gone", row["pending"] + row["sending"], row["delivered"], _bad(row["failed"]))
        for row in result["channels"]
    ]
    notices = [
        (
            row["created"][:19].replace("T", " "),
            row["channel"],
            row["event"],
            row["run"],
            _bad(row["status"]),
            row["attempts"],
            row["error"],
        )
        for row in result["notices"]
    ]
    return Group(
        grid(("channel", "kind", "waiting", "delivered", "failed"), channels),
        Text(""),
        grid(("created", "channel", "event", "run", "status", "attempts", "error"), notices),
    )


def _retried(result: dict[str, Any]) -> RenderableType | str:
    if not result["left"]:
        return f"{result['tried']} notices tried, none is left"
    from opsctl.output import grid

    rows = [(row["id"], row["channel"], row["status"], row["attempts"], row["error"]) for row in result["left"]]
    return grid(("notice", "channel", "status", "attempts", "error"), rows)


def _bad(value: object) -> Any:
    from rich.text import Text

    return Text(str(value), style="bold red" if value == "failed" or (isinstance(value, int) and value) else "")
