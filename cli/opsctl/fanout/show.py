"""The result of a command on many hosts: what is recorded, what programs get, what people see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opsctl.events.journal import read
from opsctl.fanout.fold import groups, said, whole
from opsctl.fanout.index import Index
from opsctl.fanout.write import blocks, rows

if TYPE_CHECKING:
    from opsctl.runs.desk import Desk
    from opsctl.runs.work import Ended


def recorded(journal: Path) -> dict[str, Any]:
    """What the run's record keeps: a row a host, without the output, which the journal has."""
    return {"hosts": [of.plain() for of in said(read(journal))]}


def finish(ended: Ended, desk: Desk) -> None:
    """Print it and exit as the run ended."""
    from opsctl.output import emit, say
    from opsctl.runs.show import summary

    form, result = desk.settings.output, summary(ended)
    with Index(desk.journal(ended.run.id)) as index:
        if form == "table":
            for text in blocks(groups(index.hosts.values()), index.pieces):
                sys.stdout.write(text)
            took = f" in {result['seconds']:.1f} s" if result["seconds"] is not None else ""
            emit(f"\n{result['status']}{took}  run {ended.run.id}", form, str)
        else:
            found = [of.plain() for of in index.hosts.values()]
            if form == "json":
                rows(sys.stdout.write, _without(result), found, index.pieces)
                sys.stdout.flush()
            else:
                full = [whole(row, lambda of, stream: b"".join(index.pieces(of, stream))) for row in found]
                emit(_without(result) | {"result": {"hosts": full}}, form, str)
    if ended.run.message:
        say(f"opsctl: {ended.run.status}: {ended.run.message}")
    raise typer.Exit(ended.exit_code)


def _without(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "result"}
