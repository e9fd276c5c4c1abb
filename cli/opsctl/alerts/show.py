"""Alerts and remediations as people and programs see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.remedy.store import Remedy, Step
from opsctl.clock import seconds
from opsctl.output import fields, grid

if TYPE_CHECKING:
    from rich.console import RenderableType

_SEVERITY = {
    "disaster": "bold white on red",
    "high": "bold red",
    "average": "red",
    "warning": "yellow",
    "information": "cyan",
}
_STATES = {
    "closed": "green",
    "healed": "green",
    "escalated": "bold red",
    "failed": "red",
    "held": "yellow",
    "proposed": "magenta",
    "waiting": "magenta",
    "suppressed": "dim",
    "shadowed": "dim",
    "retrying": "yellow",
}


def described(alert: Alert, remedies: Sequence[Remedy]) -> dict[str, Any]:
    """An alert with what was done about it, for programs; the shape is pinned by a test."""
    return {**alert.plain(), "remediations": [told(remedy) for remedy in remedies]}


def told(remedy: Remedy) -> dict[str, Any]:
    """A remediation for programs."""
    verdict = dict(remedy.verdict)
    return {
        "id": remedy.id,
        "rule": remedy.rule,
        "rule_version": remedy.rule_version,
        "attempt": remedy.attempt,
        "state": remedy.state,
        "run": remedy.result.get("run") or remedy.run_id or None,
        "hosts": list(remedy.result.get("hosts") or ()),
        "verdict": verdict.get("verdict", ""),
        "guard": verdict.get("guard", ""),
        "reason": verdict.get("reason", ""),
        "error": remedy.result.get("error") or "",
        "parent": remedy.parent or None,
        "created": remedy.created,
        "updated": remedy.updated,
        "until": remedy.until or None,
    }


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """A list of alerts, the newest first."""
    from rich.text import Text

    if not rows:
        return Text("no alerts")
    return grid(
        ("alert", "received", "severity", "host", "problem", "state", "remediation", "rule"),
        [
            (
                row["id"],
                row["received"][:19].replace("T", " "),
                Text(row["severity"].replace("_", " "), style=_SEVERITY.get(row["severity"], "")),
                row["host"],
                row["name"],
                Text(row["state"], style="bold" if row["state"] == "firing" else "green"),
                _last(row["remediations"]),
                row["remediations"][-1]["rule"] if row["remediations"] else "",
            )
            for row in rows
        ],
    )


def card(row: dict[str, Any]) -> RenderableType:
    """One alert with its whole story."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        fields(
            [
                ("alert", row["id"]),
                ("problem", Text(row["name"], style="bold")),
                ("severity", Text(row["severity"].replace("_", " "), style=_SEVERITY.get(row["severity"], ""))),
                ("host", f"{row['host']} ({row['address']})" if row["address"] else row["host"]),
                ("stack", row["stack"]),
                ("groups", ", ".join(row["groups"])),
                ("tags", ", ".join(f"{name}={value}" for name, value in row["tags"].items())),
                ("source", f"{row['source']} ({row['kind']}), {row['key']}"),
                ("state", row["state"]),
                ("began", row["started"]),
                ("heard of", f"{row['received']}" + (f", {row['count']} times" if row["count"] > 1 else "")),
                ("resolved", row["resolved"]),
                ("lasted", _lasted(row)),
                ("acknowledged", "yes" if row["acknowledged"] else ""),
                ("suppressed", "yes" if row["suppressed"] else ""),
                ("page", row["url"]),
            ]
        )
    ]
    for remedy in row["remediations"]:
        parts += ["", _heading(remedy), _story(remedy.get("story", []), row["received"])]
    if not row["remediations"]:
        parts += ["", Text("No rule has taken it; `opsctl alert why` says why not.", style="dim")]
    return Group(*parts)


def story(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps for programs."""
    return [step.plain() for step in steps]


def styled(state: str) -> Any:
    """A state in its colour."""
    from rich.text import Text

    return Text(state, style=_STATES.get(state, "bold"))


def _last(remedies: Sequence[Mapping[str, Any]]) -> Any:
    return styled(remedies[-1]["state"]) if remedies else ""


def _heading(remedy: Mapping[str, Any]) -> RenderableType:
    from rich.text import Text

    attempt = f", attempt {remedy['attempt']}" if remedy["attempt"] > 1 else ""
    return Text.assemble(
        ("remediation ", "bold"), f"{remedy['id']}  rule {remedy['rule']} {remedy['rule_version']}{attempt}  "
    ).append_text(styled(remedy["state"]))


def _story(steps: Sequence[Mapping[str, Any]], began: str) -> RenderableType:
    rows = []
    for step in steps:
        after = seconds(step["time"]) - seconds(began)
        rows.append((f"{after:+.2f} s", styled(step["state"]), step["text"]))
    return grid(("after", "state", "what"), rows)


def _lasted(row: Mapping[str, Any]) -> str:
    if not row["resolved"]:
        return ""
    return f"{seconds(row['resolved']) - seconds(row['started']):.1f} s"
