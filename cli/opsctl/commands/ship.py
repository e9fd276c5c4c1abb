"""`opsctl logs ship` and `opsctl logs setup`: copies of journals and ledger in Elasticsearch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, complete_runs, group, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.events.ship.ship import Report, Shipper
    from opsctl.search.find import Searcher
    from opsctl.settings import Settings

app = group("Copy journals and ledger to Elasticsearch.")

_COUNTS = {
    "acked": "taken",
    "duplicate": "there already",
    "dead": "refused for good",
    "dropped": "passed over",
    "retried": "tried again",
}


@app.command()
def status(output: Output = None) -> None:
    """What was sent, what waits, and why."""
    from opsctl.output import emit

    chosen, shipper = _open(output)
    emit(shipper.status(), chosen.output, _status)


@app.command()
def flush(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on: look again every flush_seconds, until ^C.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0.1, help="Seconds without success to give up after.", show_default=False),
    ] = None,
    output: Output = None,
) -> None:
    """Send all that waits, now. Exit status 1 when some of it could not be sent; it goes on waiting."""
    chosen, shipper = _open(output)
    if follow:
        _follow(shipper, timeout)
    _tell(shipper.flush(patience=timeout, on_chunk=_progress()), chosen)


@app.command()
def replay(
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="RUN", help="This run.", autocompletion=complete_runs, show_default=False),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="All since then: 2h, 7d, today, 2026-11-20.")
    ] = "",
    dead: Annotated[bool, typer.Option("--dead", help="What was refused for good.")] = False,
    output: Output = None,
) -> None:
    """Send again. What Elasticsearch has already it keeps as it is: nothing is doubled."""
    import time

    from opsctl.errors import UsageError
    from opsctl.search.when import moment

    if not (run or since or dead):
        raise UsageError("Say what to send again: --run RUN, --since TIME or --dead")
    chosen, shipper = _open(output)
    report = shipper.resend() if dead else None
    if run or since:
        start = moment(since, time.time()) / 1e6 if since else None
        shipper.rewind([_run(shipper, part) for part in run or ()], start)
        again = shipper.flush(complete=True, on_chunk=_progress())
        if report is not None:
            again.counts.update(report.counts)
            again.trouble = again.trouble or report.trouble
        report = again
    assert report is not None  # noqa: S101 - one of the three was asked for
    _tell(report, chosen)


def setup(
    kibana_url: Annotated[
        str | None,
        typer.Option("--kibana-url", metavar="URL", help="Import data view and dashboard there.", show_default=False),
    ] = None,
    kibana_file: Annotated[
        Path | None,
        typer.Option("--kibana-file", metavar="FILE", help="Write them here, to be imported.", show_default=False),
    ] = None,
    output: Output = None,
) -> None:
    """Prepare Elasticsearch: index templates, lifecycle; Kibana when asked for. A second time nothing changes."""
    from opsctl.events.ship import kibana
    from opsctl.events.ship.setup import prepare
    from opsctl.output import emit, fields

    chosen, shipper = _open(output)
    options = chosen.elasticsearch
    if kibana_file is not None:
        kibana.write(kibana_file, options)
    done: dict[str, Any] = prepare(shipper.server, options).plain()
    shipper.state.reopen()
    if kibana_url is not None:
        done["kibana"] = kibana.send(kibana_url, options)
    if kibana_file is not None:
        done["kibana_file"] = str(kibana_file)
    emit(
        done,
        chosen.output,
        lambda row: fields(
            [
                ("lifecycle", f"{row['lifecycle']}: {row['why']}"),
                ("changed", "\n".join(row["changed"])),
                ("unchanged", "\n".join(row["unchanged"])),
                ("kibana", f"{row['kibana']} objects" if "kibana" in row else ""),
                ("kibana file", row.get("kibana_file", "")),
            ]
        ),
    )


def searcher(home: Path, chosen: Settings) -> Searcher:
    """The search in Elasticsearch."""
    from opsctl.events.ship.find import Remote
    from opsctl.events.ship.ship import Shipper

    return Remote(Shipper(home, chosen.elasticsearch).server, chosen.elasticsearch.namespace)


def _open(output: Any) -> tuple[Settings, Shipper]:
    from opsctl.events.ship.ship import Shipper
    from opsctl.home import home

    place = home()
    chosen = settings(output=output)
    return chosen, Shipper(place, chosen.elasticsearch)


def _run(shipper: Shipper, part: str) -> str:
    from opsctl.db.engine import opened
    from opsctl.runs.store import Store

    return Store(opened(shipper.home)).get(part).id


def _follow(shipper: Shipper, timeout: float | None) -> None:
    """Until somebody stops it."""
    import signal
    import threading

    from opsctl.output import say

    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: over.set())
    said = ""
    while not over.is_set():
        report = shipper.flush(patience=timeout)
        if report.trouble != said:
            said = report.trouble
            say(said or "Elasticsearch takes documents again")
        pause = shipper.options.flush_seconds
        if report.trouble:
            pause = max(pause, shipper.state.circuit.left)
        over.wait(pause)
    raise typer.Exit


def _progress() -> Any:
    import sys

    if not sys.stderr.isatty():
        return None

    def show(counts: Counter[str]) -> None:
        sys.stderr.write(f"\r{counts['acked'] + counts['duplicate']} documents ")
        sys.stderr.flush()

    return show


def _tell(report: Report, chosen: Settings) -> None:
    from opsctl.errors import OpsctlError
    from opsctl.output import emit, fields, say

    if report.busy:
        say("Another opsctl is shipping; it sends this, too")
    shown = {name: report.counts[name] for name in _COUNTS}
    emit({**shown, "trouble": report.trouble}, chosen.output, lambda row: fields((_COUNTS[n], row[n]) for n in _COUNTS))
    if report.trouble:
        raise OpsctlError(report.trouble)


def _status(row: dict[str, Any]) -> RenderableType:
    from opsctl.output import fields

    waiting, circuit = row["waiting"], row["circuit"]
    closed = f"{circuit['reason']} (since {circuit['since'][:19]}Z, tried again in {circuit['left']:.0f} s)"
    return fields(
        [
            ("url", ", ".join(row["url"])),
            ("namespace", row["namespace"]),
            ("last sent", (row["sent"] or "never")[:19]),
            ("waiting", f"{waiting['runs']} runs, {waiting['bytes']} bytes; {waiting['ledger']} records of the ledger"),
            *((_COUNTS[name], row["counts"][name]) for name in _COUNTS),
            ("dead letters", row["dead"]),
            ("dead letters given up", row["counts"]["dead_lost"] or ""),
            ("not sending", closed if circuit["reason"] else ""),
        ]
    )
