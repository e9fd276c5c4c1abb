"""Carries the story of remediations on: into the ledger, to people, to the service's log. Each line once.

Ledger and notices are of one transaction, and a record of the ledger names the step it tells of: where this was killed
in between is seen from the last of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, or_, select

from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.child import service
from opsctl.alerts.remedy.store import Remedies, Remedy, Step
from opsctl.db.schema import ledger
from opsctl.ledger.record import Entry
from opsctl.notify.config import Notify
from opsctl.notify.outbox import enqueue
from opsctl.runs.desk import Desk

CURSOR = "recorded"
"""In alerts.db: the last step that is surely in the ledger."""

KINDS: Mapping[str, str] = {
    "held": "remediation-held",
    "proposed": "remediation-proposed",
    "shadowed": "remediation-shadowed",
    "suppressed": "remediation-suppressed",
    "starting": "remediation-started",
    "waiting": "remediation-waiting",
    "running": "remediation-running",
    "verifying": "remediation-verifying",
    "healed": "remediation-succeeded",
    "closed": "remediation-closed",
    "failed": "remediation-failed",
    "retrying": "remediation-retried",
    "undoing": "remediation-undoing",
    "escalated": "remediation-escalated",
}
"""State -> kind of the record that tells of it."""

_AT_ONCE = 500
_NOTICES: Mapping[str, str] = {"escalated": "escalated", "proposed": "proposed", "closed": "alert"}
_QUIET = frozenset({"storm"})
"""Guards whose proposals come in such numbers that people hear of all of them at once."""


class Recorder:
    """One home's. One thread at a time."""

    def __init__(self, desk: Desk, inbox: Inbox, remedies: Remedies, tell: Callable[[str], None]) -> None:
        """Finds out how far it got."""
        self._desk = desk
        self._inbox = inbox
        self._remedies = remedies
        self._tell = tell
        self._cursor = max(int(inbox.cursor(CURSOR) or 0), self._recorded())

    def follow(self) -> bool:
        """Record what is new; whether there are notices to be sent."""
        noticed = False
        while found := self._remedies.told_since(self._cursor, _AT_ONCE):
            alerts = self._inbox.known({remedy.alert_id for _step, remedy in found})
            with self._desk.ledger.writing() as writing:
                for step, remedy in found:
                    alert = alerts.get(remedy.alert_id)
                    about = alert.plain() if alert else {}
                    writing.append(*_entries(step, remedy, about))
                    noticed = self._notify(writing.connection, step, remedy, about) or noticed
            self._cursor = found[-1][0].seq
            self._inbox.move(CURSOR, str(self._cursor))
            for step, remedy in found:
                alert = alerts.get(remedy.alert_id)
                where = (alert.host or alert.name) if alert else remedy.alert_id
                self._tell(f"{step.time[11:19]} {where} {remedy.rule}: {step.state}: {step.text}")
        return noticed

    def storm(self) -> None:
        """Tell people that there is one."""
        with self._desk.database.write() as connection:
            enqueue(connection, self._desk.settings.notify, "storm", {"do": "opsctl alert list"})

    def _recorded(self) -> int:
        query = (
            select(ledger.c.body)
            .where(or_(ledger.c.kind.like("remediation-%"), ledger.c.kind.like("alert-%")))
            .order_by(ledger.c.seq.desc())
            .limit(1)
        )
        import json

        with self._desk.database.read() as connection:
            body = connection.execute(query).scalar()
        return 0 if body is None else int(json.loads(body)["data"].get("step", 0))

    def _notify(self, connection: Connection, step: Step, remedy: Remedy, alert: Mapping[str, Any]) -> bool:
        event, wanted = _NOTICES.get(step.state), step.data.get("notify")
        if event is None or (event == "alert" and wanted is None) or step.data.get("guard") in _QUIET:
            return False
        settings: Notify = self._desk.settings.notify
        do = f"opsctl alert {'approve' if event == 'proposed' else 'show'} {remedy.id if event == 'proposed' else ''}"
        data = {
            "what": f"{alert.get('name', '')} ({alert.get('host', '')})" if alert.get("host") else alert.get("name"),
            "host": alert.get("host"),
            "severity": alert.get("severity"),
            "rule": remedy.rule,
            "reason": step.text,
            "alert": remedy.alert_id,
            "remediation": remedy.id,
            "run": step.data.get("run"),
            "do": do.strip() if event == "proposed" else f"opsctl alert show {remedy.alert_id}",
        }
        return enqueue(connection, settings.only(wanted) if wanted else settings, event, data) > 0


def _entries(step: Step, remedy: Remedy, alert: Mapping[str, Any]) -> Iterator[Entry]:
    """The records of one step: what began it, it, and what ended it."""
    run = str(step.data.get("run") or "")
    common = {"step": step.seq, "alert": remedy.alert_id, "rule": remedy.rule, "remediation": remedy.id}
    if "alert" in step.data:
        told = {name: value for name, value in alert.items() if value and name in _TOLD}
        yield _entry("alert-firing", "", {**common, "firing": told})
    more = {name: value for name, value in step.data.items() if name not in ("alert", "run")}
    verdict = dict(remedy.verdict) if step.state in ("starting", "held", "proposed", "suppressed", "escalated") else {}
    data = {
        **common,
        "rule_version": remedy.rule_version,
        "attempt": remedy.attempt,
        "state": step.state,
        "text": step.text,
        **({"verdict": verdict.get("verdict", ""), "guard": verdict.get("guard", "")} if verdict else {}),
        **more,
    }
    yield _entry(KINDS[step.state], run, data)
    if step.state == "healed" or (step.state == "closed" and remedy.result.get("over")):
        yield _entry("alert-resolved", "", {**common, "resolved": alert.get("resolved") or step.time})


_TOLD = ("source", "kind", "key", "name", "host", "stack", "severity", "started", "received", "url")


def _entry(kind: str, run: str, data: Mapping[str, Any]) -> Entry:
    return Entry(kind, run, service().plain(), os.uname().nodename, data)
