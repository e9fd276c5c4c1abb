"""`opsctl alert rules`: the rules there are, what is wrong with them, what they would have done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, group, settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsctl.alerts.alert import Alert
    from opsctl.alerts.rules.book import Book
    from opsctl.settings import Settings

app = group("Look at rules, check them, try them on alerts of the past.")

Named = Annotated[str, typer.Argument(metavar="RULE", help="The rule's name.")]


@app.command("list")
def list_(output: Output = None) -> None:
    """All rules in the order they are tried: the highest priority first, then by name."""
    from opsctl.alerts.rules.show import listed
    from opsctl.output import emit

    chosen = settings(output=output)
    emit(listed(_book(chosen)), chosen.output, _listed)


@app.command()
def show(rule: Named, output: Output = None) -> None:
    """One rule with all its defaults, as it could be written in a file of rules.d."""
    from opsctl.alerts.rules.show import whole
    from opsctl.output import emit

    chosen = settings(output=output)
    book = _book(chosen)
    emit(whole(book, book.get(rule)), chosen.output, _shown)


@app.command()
def lint(
    strict: Annotated[bool, typer.Option("--strict", help="Doubts count as errors.")] = False,
    output: Output = None,
) -> None:
    """Check all rules: their shape, templates, and that what they name exists. Exit status 2 when one is wrong."""
    from opsctl.alerts.rules.book import places
    from opsctl.alerts.rules.lint import lint as linted
    from opsctl.home import locate
    from opsctl.output import emit

    chosen = settings(output=output)
    book, faults = linted(places(locate(), chosen.scenario_path), chosen)
    rows = [
        {
            "path": fault.path,
            "line": fault.line or None,
            "where": fault.where,
            "message": fault.message,
            "warning": fault.warning,
        }
        for fault in faults
    ]
    result = {"rules": len(book.rules), "version": book.version, "faults": rows}
    emit(result, chosen.output, _linted)
    raise typer.Exit(2 if any(strict or not fault.warning for fault in faults) else 0)


@app.command("test")
def rehearse(  # noqa: PLR0917 - Typer passes options by name
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Show only what this one would have done.")] = "",
    replay: Annotated[
        str, typer.Option("--replay", metavar="TIME", help="Try the alerts of the last 90m, 24h, 7d.")
    ] = "7d",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Try the alerts of this JSON file instead.")
    ] = None,
    active: Annotated[
        bool, typer.Option("--active", help="As if every rule acted by itself, also those that propose or are off.")
    ] = False,
    whole: Annotated[bool, typer.Option("--all", help="List alerts that no rule is for, too.")] = False,
    output: Output = None,
) -> None:
    """Say what rules would have done with alerts of the past. Nothing is run, nothing is told to anybody.

    It is assumed that each remediation takes 30 seconds and helps, that no person was in the way, and that groups have
    the hosts that the alerts name.
    """
    from opsctl.alerts.rules.replay import replay as replayed
    from opsctl.output import emit

    chosen = settings(output=output)
    book = _book(chosen)
    if rule:
        book.get(rule)
    alerts = _read(file) if file else _past(replay)
    result = replayed(book, alerts, bounds=chosen.alerts.guards, active=active).plain()
    if rule:
        result["alerts"] = [row for row in result["alerts"] if row["rule"] == rule]
        result["rules"] = {rule: result["rules"][rule]}
    emit(result, chosen.output, lambda found: _tested(found, whole=whole))


def _book(chosen: Settings) -> Book:
    from opsctl.alerts.rules.book import places
    from opsctl.alerts.rules.read import load
    from opsctl.home import locate

    return load(places(locate(), chosen.scenario_path))


def _past(replay: str) -> list[Alert]:
    import time

    from opsctl.alerts.inbox import Inbox
    from opsctl.alerts.inbox.store import Filter
    from opsctl.clock import span, stamp
    from opsctl.errors import UsageError
    from opsctl.home import home

    try:
        since = stamp(time.time() - span(replay))
    except ValueError as error:
        raise UsageError(f"--replay: {error}") from None
    with Inbox(home()) as inbox:
        return inbox.find(Filter(since=since), _MOST)


_MOST = 100_000
"""Alerts that are tried at most, the newest ones."""


def _read(file: Path) -> list[Alert]:
    import json

    from opsctl.alerts.alert import Alert
    from opsctl.errors import UsageError

    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not JSON: {error}") from None
    rows = data.get("alerts") if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{file}: want a list of alerts as `opsctl alert list -o json` prints it")
    try:
        return [Alert.of(row) for row in rows]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{file}: {error}") from None


def _listed(rows: list[dict[str, Any]]) -> Any:
    from opsctl.output import grid

    if not rows:
        return "No rules: write some into rules.d of OPSCTL_HOME"
    found = [
        (row["name"], _mode(row["mode"]), row["priority"] or "", row["for"], row["does"], _where(row)) for row in rows
    ]
    return grid(("rule", "mode", "priority", "for", "does", "from"), found)


def _where(row: dict[str, Any]) -> str:
    place = Path(row["path"])
    if row["shipped"]:
        return f"shipped with {place.parent.name.replace('_', '-')}"
    return f"{place.name}:{row['line']}" + (" (replaces the shipped one)" if row["replaces"] else "")


def _shown(result: dict[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump([result["rule"]], sort_keys=False, allow_unicode=True, width=100)
    return f"# {result['path']}, line {result['line']}; version {result['version']}\n{text}".rstrip()


def _linted(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    if not result["faults"]:
        return f"{result['rules']} rules, nothing is wrong"
    lines = []
    for row in result["faults"]:
        kind = Text("doubt " if row["warning"] else "error ", style="yellow" if row["warning"] else "bold red")
        line = f", line {row['line']}" if row["line"] else ""
        where = f"{row['where']}: " if row["where"] else ""
        lines.append(kind + Text(f"{row['path']}{line}: {where}{row['message']}"))
    return Group(*lines)


def _tested(result: dict[str, Any], *, whole: bool) -> Any:
    from rich.console import Group
    from rich.text import Text

    from opsctl.output import grid

    rows = [row for row in result["alerts"] if whole or row["rule"]]
    found = [
        (
            row["time"][:19].replace("T", " "),
            row["host"],
            row["name"],
            row["rule"] or "-",
            _word(row["verdict"]),
            row["what"] if row["verdict"] == "go" else row["why"],
        )
        for row in rows
    ]
    words = ("go", "propose", "hold", "suppress", "escalate")
    counts = [(name, *(_number(of.get(word, 0)) for word in words)) for name, of in result["rules"].items()]
    parts: Iterable[Any] = (
        grid(("time", "host", "alert", "rule", "would", "what, or why not"), found),
        Text(""),
        grid(("rule", *words), counts),
        Text(_unmatched(result["unmatched"])),
    )
    return Group(*(parts if rows else list(parts)[2:]))


def _unmatched(number: int) -> str:
    return f"\nNo rule is for {number} alert{'s'[: number > 1]}; --all lists them" if number else ""


def _number(value: int) -> str:
    return str(value) if value else "-"


def _mode(mode: str) -> Any:
    from rich.text import Text

    return Text(mode, style={"active": "green", "off": "dim"}.get(mode, "yellow"))


def _word(word: str) -> Any:
    from rich.text import Text

    return Text(word, style={"go": "green", "escalate": "bold red", "none": "dim"}.get(word, "yellow"))
