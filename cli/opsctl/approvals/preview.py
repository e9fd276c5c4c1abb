"""What `--check --diff` said would change, from the journal of a check run: to be shown, and to be bound to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opsctl.ledger.record import canonical, digest

_MOST = 200_000
"""Characters of differences that are kept with an approval; the journal of the check run has all."""


def base(plan: Mapping[str, Any]) -> str:
    """A hash of a plan (`RunRequest.plain()`), the same for a run and for the check of it."""
    options = {name: value for name, value in plan["options"].items() if name not in ("check", "diff", "rate")}
    names = ("kind", "content", "action", "digest", "parameters", "targets", "cloud")
    return digest(canonical([*(plan[name] for name in names), options]))


def changes(records: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each change as {host, task, diff}, by host and task; `diff` is empty where a task shows none."""
    found: list[dict[str, str]] = []
    told: set[tuple[str, str]] = set()
    silent: list[tuple[str, str]] = []
    for record in records:
        kind, data = record.get("event"), record.get("data") or {}
        place = (str(record.get("host", "")), str(record.get("task", "")))
        if kind == "diff" and record.get("stdout"):
            told.add(place)
            found.append({"host": place[0], "task": place[1], "diff": _text(str(record["stdout"]))})
        elif kind in ("host_ok", "item_ok") and _changed(record, data.get("res") or {}):
            silent.append(place)
    found += [
        {"host": host, "task": task, "diff": ""} for host, task in dict.fromkeys(silent) if (host, task) not in told
    ]
    return sorted(found, key=lambda change: (change["host"], change["task"], change["diff"]))


def sealed(found: list[dict[str, str]]) -> str:
    """A hash of changes. Names of files are left out: those of temporary ones are others each time."""
    plain = [[change["host"], change["task"], _body(change["diff"])] for change in found]
    return digest(canonical(sorted(plain)))


def kept(run_id: str, status: str, found: list[dict[str, str]]) -> dict[str, Any]:
    """What an approval keeps of it: {run, status, digest, count, left_out, changes}."""
    room, shown = _MOST, []
    for change in found:
        room -= len(change["diff"]) + len(change["task"]) + len(change["host"])
        if room < 0:
            break
        shown.append(change)
    return {
        "run": run_id,
        "status": status,
        "digest": sealed(found),
        "count": len(found),
        "left_out": len(found) - len(shown),
        "changes": shown,
    }


def differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What became of the changes, in words; empty when they are the same."""
    if before["digest"] == after["digest"]:
        return ""
    old = {(change["host"], change["task"], _body(change["diff"])) for change in before["changes"]}
    new = {(change["host"], change["task"], _body(change["diff"])) for change in after["changes"]}
    other = sorted(new ^ old)
    first = f", first: {other[0][0]}: {other[0][1]}" if other else ""
    return f"--check --diff says something else now ({before['count']} changes then, {after['count']} now{first})"


def _changed(record: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    # Of a task with no_log only the line of output says it.
    return result.get("changed") is True or str(record.get("stdout", "")).startswith("changed: ")


def _text(text: str) -> str:
    return "\n".join(line.rstrip("\r") for line in text.splitlines()).strip("\n")


def _body(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(("--- ", "+++ ")))
