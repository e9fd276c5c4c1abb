"""How well rules heal: counts, and the time from an alert to its end. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.remedy.store import Remedy, Step
from opsctl.clock import seconds
from opsctl.output import grid

if TYPE_CHECKING:
    from rich.console import RenderableType

COUNTED = ("healed", "escalated", "retried", "held", "proposed", "suppressed", "shadowed", "by_itself", "open")


def tally(remedies: Iterable[Remedy], alerts: Mapping[str, Alert], steps: Iterable[Step]) -> list[dict[str, Any]]:
    """One row a rule: counts, success rate, and seconds from the alert to the decision, to the run's end, to healed.

    MTTR is counted from when the alert was heard of to when the problem was verified to be gone, as median and 95th
    percentile, over alerts that were healed, also at a later attempt.
    """
    stories: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for step in steps:
        stories[step.remediation_id].setdefault(step.state, seconds(step.time))
    rules: defaultdict[str, list[Remedy]] = defaultdict(list)
    for remedy in remedies:
        rules[remedy.rule].append(remedy)
    return [_row(name, rules[name], alerts, stories) for name in sorted(rules)]


def _row(
    rule: str, remedies: Sequence[Remedy], alerts: Mapping[str, Alert], stories: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    counts = dict.fromkeys(COUNTED, 0)
    spans: defaultdict[str, list[float]] = defaultdict(list)
    for remedy in remedies:
        story = stories.get(remedy.id, {})
        counts[_how(remedy, story)] += 1
        alert = alerts.get(remedy.alert_id)
        if alert is not None:
            began = seconds(alert.received)
            for name, state in (("start", "starting"), ("mttr", "healed")):
                if state in story:
                    spans[name].append(max(0.0, story[state] - began))
    ended = counts["healed"] + counts["escalated"]
    return {
        "rule": rule,
        "remediations": len(remedies),
        **counts,
        "success": round(counts["healed"] / ended, 3) if ended else None,
        "start_median": _round(spans["start"], 50),
        "start_p95": _round(spans["start"], 95),
        "mttr_median": _round(spans["mttr"], 50),
        "mttr_p95": _round(spans["mttr"], 95),
    }


def _how(remedy: Remedy, story: Mapping[str, float]) -> str:
    """Under what it counts."""
    if remedy.state == "closed":
        return "healed" if "healed" in story else "by_itself"
    if remedy.state in ("retrying", "suppressed", "shadowed", "escalated", "held", "proposed"):
        return {"retrying": "retried"}.get(remedy.state, remedy.state)
    return "healed" if remedy.state == "healed" else "open"


def _round(values: Sequence[float], percent: int) -> float | None:
    if not values:
        return None
    if percent == 50 or len(values) == 1:
        return round(median(values), 3)
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 3)


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """The same for people."""
    from rich.text import Text

    if not rows:
        return Text("no remediations in this time")
    return grid(
        ("rule", "healed", "escalated", "retried", "open", "not done", "success", "start", "mttr", "mttr p95"),
        [
            (
                row["rule"],
                row["healed"],
                row["escalated"],
                row["retried"],
                row["open"] + row["held"] + row["proposed"],
                row["suppressed"] + row["shadowed"] + row["by_itself"],
                "" if row["success"] is None else f"{row['success']:.0%}",
                _span(row["start_median"]),
                _span(row["mttr_median"]),
                _span(row["mttr_p95"]),
            )
            for row in rows
        ],
    )


def _span(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"
