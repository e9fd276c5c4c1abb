"""Why: from a run back to the alert that caused it; from an alert to the rule that took it, and why no other did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox import Filter, Inbox
from opsctl.alerts.remedy.store import Remedies
from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.match import match
from opsctl.alerts.show import styled, told
from opsctl.errors import UsageError
from opsctl.output import fields, grid
from opsctl.runs.store import Run

if TYPE_CHECKING:
    from rich.console import RenderableType

_COUNTED = 10_000


def of_run(run: Run, inbox: Inbox, remedies: Remedies) -> dict[str, Any]:
    """Run -> remediation -> rule -> alert -> trigger; a run that a person wanted has only its requester."""
    trigger = (run.spec or {}).get("trigger") or {}
    found: dict[str, Any] = {
        "run": {
            "id": run.id,
            "what": run.name,
            "status": run.status,
            "created": run.created,
            "requester": run.requester,
            "reason": run.reason,
            "parent": run.parent,
        },
        "cause": "alert" if trigger.get("kind") == "alert" else "person",
        "remediation": None,
        "rule": None,
        "alert": None,
    }
    remedy = remedies.of_run(run.id)
    if remedy is None:
        if not trigger:
            return found
        raise UsageError(f"Run {run.id} was caused by alert {trigger.get('alert')}, which alerts.db does not have")
    found["remediation"] = {**told(remedy), "story": [step.plain() for step in remedies.story([remedy.id])]}
    found["rule"] = {
        "name": remedy.rule,
        "version": remedy.rule_version,
        "why": remedy.verdict.get("why", ""),
        "passed": remedy.verdict.get("passed", []),
    }
    known = inbox.known([remedy.alert_id])
    found["alert"] = known[remedy.alert_id].plain() if known else None
    return found


def of_alert(alert: Alert, book: Book, inbox: Inbox, remedies: Remedies) -> dict[str, Any]:
    """What was decided then, where something was, and what the rules as they stand now say of it."""
    now = datetime.now(UTC)
    firing = Alert.of({**alert.plain(), "state": "firing", "resolved": ""})
    spans = [rule.match.count.within for rule in book.rules if rule.match.count]
    earlier = inbox.find(Filter(), _COUNTED) if spans else []
    decision = match(book, firing, now, earlier)
    done = remedies.of_alerts([alert.id]).get(alert.id, [])
    return {
        "alert": alert.plain(),
        "then": [
            {
                **told(remedy),
                "why": remedy.verdict.get("why", ""),
                "passed": remedy.verdict.get("passed", []),
                "story": [step.plain() for step in remedies.story([remedy.id])],
            }
            for remedy in done
        ],
        "now": {"book": book.version, **decision.plain()},
    }


def run_card(found: dict[str, Any]) -> RenderableType:
    """The way back, for people."""
    from rich.console import Group
    from rich.text import Text

    run, alert, remedy = found["run"], found["alert"], found["remediation"]
    who = run["requester"].get("login") or run["requester"].get("name")
    pairs: list[tuple[str, object]] = [
        ("run", f"{run['id']}  {run['what']}"),
        ("status", run["status"]),
        ("asked by", who),
        ("reason", run["reason"]),
        ("repeats", run["parent"]),
    ]
    if remedy is None:
        return Group(fields(pairs), Text("\nA person wanted it; no alert caused it."))
    pairs += [
        ("because of", f"remediation {remedy['id']}, attempt {remedy['attempt']}, {remedy['state']}"),
        ("rule", f"{found['rule']['name']} (version {found['rule']['version']}): {found['rule']['why']}"),
    ]
    if alert is not None:
        pairs += [
            ("alert", f"{alert['id']}  {alert['name']}"),
            ("on", alert["host"]),
            ("trigger", alert["trigger"] or alert["key"]),
            ("source", f"{alert['source']} ({alert['kind']}), {alert['key']}"),
            ("began", alert["started"]),
            ("page", alert["url"]),
        ]
    return Group(fields(pairs), "", _steps(remedy["story"]))


def alert_card(found: dict[str, Any]) -> RenderableType:
    """What was decided and why, for people."""
    from rich.console import Group
    from rich.text import Text

    alert, now = found["alert"], found["now"]
    parts: list[RenderableType] = [fields([("alert", f"{alert['id']}  {alert['name']}"), ("host", alert["host"])])]
    for remedy in found["then"]:
        guard = f" by guard {remedy['guard']}" if remedy["guard"] else ""
        parts += [
            "",
            Text(f"Then: rule {remedy['rule']} took it ({remedy['why']})", style="bold"),
            f"decided: {remedy['verdict']}{guard}" + (f": {remedy['reason']}" if remedy["reason"] else ""),
            _steps(remedy["story"]),
            *_passed(remedy["passed"]),
        ]
    heading = f"Now: rule {now['rule']} would take it ({now['why']})" if now["rule"] else "Now: no rule would take it"
    waits = f"; one waits until {now['until']}" if now["until"] else ""
    parts += ["", Text(f"{heading}{waits}", style="bold"), *_passed(now["passed"])]
    return Group(*parts)


def _steps(steps: list[dict[str, Any]]) -> RenderableType:
    return grid(
        ("time", "state", "what"), [(step["time"][11:23], styled(step["state"]), step["text"]) for step in steps]
    )


def _passed(rows: list[dict[str, Any]]) -> list[RenderableType]:
    return [grid(("passed over", "since"), [(row["rule"], row["why"]) for row in rows])] if rows else []
