"""What people do to alerts and remediations by hand; the story says who it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opsctl.alerts.alert import SEVERITIES, Alert, made, moment
from opsctl.alerts.guards.world import World
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.forecast import Forecast
from opsctl.alerts.remedy.judge import judged
from opsctl.alerts.remedy.monitoring import Monitoring
from opsctl.alerts.remedy.picture import Hosts, Picture
from opsctl.alerts.remedy.store import Claim, Remedies, Remedy, fresh
from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.match import match
from opsctl.approvals.people import present
from opsctl.clock import now, seconds, stamp, uuid7
from opsctl.errors import OpsctlError, UsageError, suggest
from opsctl.settings import Settings

_BACK = 86400


def accept(inbox: Inbox, remedies: Remedies, part: str, comment: str) -> Remedy:
    """Say yes to what is proposed.

    Raises:
        UsageError: nothing is.
    """
    remedy = _chosen(inbox, remedies, part, ("proposed",))
    text = f"{present().text} says yes{_said(comment)}"
    verdict = {**remedy.verdict, "accepted": present().plain()}
    return _moved(remedies.move(remedy, "hold", text, {"by": present().plain()}, verdict=verdict, until=now()), remedy)


def refuse(inbox: Inbox, remedies: Remedies, part: str, comment: str) -> Remedy:
    """Say no to what is proposed or held.

    Raises:
        UsageError: nothing is.
    """
    remedy = _chosen(inbox, remedies, part, ("proposed", "held"))
    text = f"{present().text} says no{_said(comment)}"
    return _moved(remedies.move(remedy, "suppress", text, {"by": present().plain()}), remedy)


def acknowledge(inbox: Inbox, remedies: Remedies, sources: Monitoring, alert: Alert, comment: str) -> tuple[Alert, str]:
    """Look after it oneself. What is proposed or held is not done any more; what was told of it."""
    who = present().text
    inbox.mark([alert.id], acknowledged=True)
    for remedy in remedies.of_alerts([alert.id]).get(alert.id, []):
        if remedy.state in ("proposed", "held"):
            remedies.move(remedy, "suppress", f"{who} looks after it{_said(comment)}", {"by": present().plain()})
    if not sources.asks(alert):
        return alert, f"source {alert.source} cannot be told"
    try:
        sources.tell(alert, f"{who} looks after it (opsctl){_said(comment)}", acknowledge=True)
    except OpsctlError as error:
        return alert, f"source {alert.source} was not told: {error}"
    return alert, f"source {alert.source} was told"


def again(inbox: Inbox, remedies: Remedies, alert: Alert, book: Book, comment: str) -> Remedy:
    """Have it decided once more.

    Raises:
        UsageError: it is over, something is under way for it, or there is no rule for it.
    """
    if not alert.firing:
        raise UsageError(f"Alert {alert.id} is over since {alert.resolved}: there is nothing to heal")
    done = remedies.of_alerts([alert.id]).get(alert.id, [])
    if open_ := [remedy for remedy in done if remedy.open]:
        raise UsageError(f"Remediation {open_[-1].id} of it is {open_[-1].state}; `opsctl alert show {alert.id}`")
    decision = match(book, alert, datetime.now(UTC), inbox.find(limit=10_000))
    if decision.rule is None:
        raise UsageError(f"No rule is for alert {alert.id}; `opsctl alert why {alert.id}` says why not")
    rule = decision.rule
    attempt = 1 + max((one.attempt for one in done if one.rule == rule.name), default=0)
    new = replace(
        fresh(alert.id, rule.name, rule.version, attempt=attempt, parent=done[-1].id if done else ""),
        verdict={"why": decision.why, "passed": decision.plain()["passed"], "book": book.version},
        until=now(),
    )
    text = f"{present().text} wants it decided once more{_said(comment)}"
    won = remedies.claims([Claim(new, "hold", text, {"by": present().plain()})])
    if not won:
        raise UsageError(f"Somebody else was faster: `opsctl alert show {alert.id}`")
    return won[0]


def made_up(
    name: str, *, host: str, problem: str, tags: Sequence[str], severity: str, groups: Sequence[str], stack: str
) -> Alert:
    """An alert that nobody raised.

    Raises:
        UsageError: a part of it cannot be used.
    """
    if severity not in SEVERITIES:
        raise UsageError(f"--severity {severity}{suggest(severity, SEVERITIES)}; known: {', '.join(SEVERITIES)}")
    pairs = dict(tag.partition("=")[::2] for tag in tags)
    if bad := next((tag for tag in tags if "=" not in tag), None):
        raise UsageError(f"--tag {bad}: want NAME=VALUE")
    if problem:
        pairs["opsctl_problem"] = problem
    received = moment(seconds(now()))
    return made(
        "simulate",
        "simulated",
        uuid7(),
        received=received,
        name=name,
        host=host,
        tags=pairs,
        severity=severity,
        groups=groups,
        stack=stack,
        data={"by": present().text},
    )


def tried(alert: Alert, book: Book, inbox: Inbox, remedies: Remedies, place: tuple[Path, Settings]) -> dict[str, Any]:
    """What would be done about an alert now; nothing is stored. The inventory is not asked for shares of groups."""
    moment_ = datetime.now(UTC)
    decision = match(book, alert, moment_, inbox.find(limit=10_000))
    found: dict[str, Any] = {"rule": None, "why": decision.why, "passed": decision.plain()["passed"]}
    if decision.rule is None:
        return {**found, "would": "nothing: no rule is for it"}
    done = remedies.since(stamp(moment_.timestamp() - _BACK))
    base = World(bounds=place[1].alerts.guards)
    picture = Picture(done, _known(inbox, done), inbox.firing(), Hosts(), base)
    outcome = judged(decision.rule, alert, picture, moment_, Forecast(*place)())
    return {
        **found,
        "rule": decision.rule.name,
        "would": outcome.event,
        "what": decision.rule.do.text,
        "hosts": ", ".join(outcome.hosts),
        "guard": outcome.verdict.get("guard", ""),
        "reason": outcome.text,
    }


def _known(inbox: Inbox, remedies: Iterable[Remedy]) -> Mapping[str, Alert]:
    return inbox.known({remedy.alert_id for remedy in remedies})


def _chosen(inbox: Inbox, remedies: Remedies, part: str, states: tuple[str, ...]) -> Remedy:
    """By its own id, or as the one of an alert that is in such a state."""
    try:
        remedy = remedies.get(part)
    except UsageError as unknown:
        try:
            alert = inbox.get(part)
        except UsageError:
            raise unknown from None
        fitting = [one for one in remedies.of_alerts([alert.id]).get(alert.id, []) if one.state in states]
        if not fitting:
            raise UsageError(f"Nothing is {' or '.join(states)} for alert {alert.id}") from None
        remedy = fitting[-1]
    if remedy.state not in states:
        raise UsageError(f"Remediation {remedy.id} is not {' or '.join(states)}: it is {remedy.state}")
    return remedy


def _moved(after: Remedy | None, before: Remedy) -> Remedy:
    if after is None:
        raise UsageError(f"Remediation {before.id} has just moved on; `opsctl alert show {before.alert_id}`")
    return after


def _said(comment: str) -> str:
    text = " ".join(comment.split())[:500]
    return f": {text}" if text else ""
