"""The result of a command on many hosts: what is recorded, what programs get, what people see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opsctl.events.journal import read
from opsctl.fanout.fold import drawn, groups, outputs, said, whole

if TYPE_CHECKING:
    from opsctl.runs.conduct import Desk, Ended


def recorded(journal: Path) -> dict[str, Any]:
    """What the run's record keeps: a row a host, without the output, which the journal has."""
    return {"hosts": [of.plain() for of in said(read(journal))]}


def finish(ended: Ended, desk: Desk) -> None:
    """Print it and exit as the run ended."""
    from opsctl.output import emit, say
    from opsctl.runs.show import summary

    journal, form = desk.journal(ended.run.id), desk.settings.output
    result = summary(ended)
    if form == "table":
        grouped = groups(said(read(journal)))
        text = drawn(grouped, outputs(read(journal), [group[0].host for group in grouped]))
        took = f" in {result['seconds']:.1f} s" if result["seconds"] is not None else ""
        emit(f"{text}\n\n{result['status']}{took}  run {ended.run.id}", form, str)
    else:
        rows = (ended.run.result or {}).get("hosts", [])
        texts = outputs(read(journal), [row["host"] for row in rows])
        emit(result | {"result": {"hosts": [whole(row, texts[row["host"]]) for row in rows]}}, form, str)
    if ended.run.message:
        say(f"opsctl: {ended.run.status}: {ended.run.message}")
    raise typer.Exit(ended.exit_code)
