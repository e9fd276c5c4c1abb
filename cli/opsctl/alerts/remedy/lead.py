"""Moves open remediations on: what each state asks for is done, what came of it is stored as the next move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox import Filter, Inbox
from opsctl.alerts.machine import after_failure
from opsctl.alerts.remedy.aftercare import Aftercare
from opsctl.alerts.remedy.follow import Follow
from opsctl.alerts.remedy.outcome import hopeless
from opsctl.alerts.remedy.store import Claim, Remedies, Remedy, fresh
from opsctl.alerts.remedy.verify import Verifier
from opsctl.alerts.rules.render import Unrenderable, check, spec, undo
from opsctl.alerts.rules.rule import Rule
from opsctl.clock import seconds, stamp, uuid7
from opsctl.orders.spec import Spec

Moved = tuple[Remedy, Remedy | None]
"""How it stood and how it stands; None: another process moved it."""

_SLACK = 90
"""Seconds that a run may take longer than its rule allows: for its hosts to be found, for being ended."""
_TOLD = 3600.0
"""Seconds for which a service that was ended still tells sources what it escalated before."""
_LIFT = 1.0
"""Seconds between looks at silences."""
_COUNTED = 10_000
"""Alerts of the past that rules count at most."""


class Lead:
    """What `Engine` has done with remediations that were decided."""

    verifier: Verifier
    """Set before the first turn: it tells what it finds to this."""

    def __init__(self, inbox: Inbox, remedies: Remedies, follow: Follow, aftercare: Aftercare) -> None:
        """Nothing is done yet."""
        self.remedies = remedies
        self._inbox = inbox
        self._follow = follow
        self._aftercare = aftercare
        self._gone: dict[str, str] = {}
        self._unable: dict[str, str] = {}
        self._untold: dict[str, Remedy] = {}
        self._silent = True
        self._lifted = 0.0

    def gone(self, remediation: str, text: str) -> None:
        """The verifier says that a problem is gone; from its thread."""
        self._gone[remediation] = text

    def unable(self, remediation: str, why: str) -> None:
        """The verifier says that it cannot tell."""
        self._unable[remediation] = why

    def deadline(self, rule: Rule, now: float) -> str:
        """When a run that begins now must be over: it may wait for others as long as it may take."""
        return stamp(now + 2 * rule.timeout + _SLACK)

    def heard_since(self, moment: float) -> list[Alert]:
        """Alerts that were heard of since."""
        return self._inbox.find(Filter(since=stamp(moment)), _COUNTED)

    def over(self, remedy: Remedy, text: str) -> Remedy | None:
        """The problem went away before anything was done."""
        self._follow.drop(remedy)
        after = self.remedies.move(remedy, "over", text, result={**remedy.result, "over": True})
        if after is not None and remedy.state == "waiting":
            self._follow.withdraw(remedy.run_id, text)
        return after

    def advance(self, going: Iterable[Remedy], rules: Mapping[str, Rule], now: float) -> list[Moved]:
        """All of them, as far as they can go now."""
        going = list(going)
        alerts = self._inbox.known({remedy.alert_id for remedy in going})
        self._follow.look(going, now)
        moved = []
        for remedy in going:
            alert = alerts.get(remedy.alert_id)
            if alert is None:
                continue
            after = self._step(remedy, alert, rules.get(remedy.rule), now)
            if after is not remedy:
                moved.append((remedy, after))
        return moved

    def begin(self, now: float) -> None:
        """Find what was left undone when the service ended."""
        self._silent = True
        for remedy in self.remedies.since(stamp(now - _TOLD)):
            if remedy.state == "escalated" and not remedy.result.get("told"):
                self._untold[remedy.id] = remedy

    def tidy(self, rules: Mapping[str, Rule], now: float) -> bool:
        """Tell sources of what needs a person, give silences back; whether any of it is still to be done."""
        if self._untold:
            alerts = self._inbox.known({remedy.alert_id for remedy in self._untold.values()})
            for remedy in list(self._untold.values()):
                alert = alerts.get(remedy.alert_id)
                why = str(remedy.result.get("error") or remedy.verdict.get("reason") or "")
                if alert is None or self._aftercare.escalated(remedy, alert, rules.get(remedy.rule), why) is not None:
                    self.remedies.told(remedy)
                    del self._untold[remedy.id]
        if self._silent and now - self._lifted > _LIFT:
            self._lifted = now
            self._silent = self._aftercare.lift(now)
        return bool(self._untold) or self._silent

    def escalated(self, remedy: Remedy) -> None:
        """A person is needed: its source is to hear of it."""
        self._untold[remedy.id] = remedy

    def _step(self, remedy: Remedy, alert: Alert, rule: Rule | None, now: float) -> Remedy | None:
        if remedy.state in ("starting", "waiting", "running", "undoing"):
            return self._run(remedy, alert, rule, now)
        if remedy.state == "verifying":
            return self._verify(remedy, alert, rule, now)
        if remedy.state == "failed":
            return self._failed(remedy, alert, rule, now)
        if remedy.state == "healed" and (said := self._aftercare.healed(remedy, alert)) is not None:
            return self.remedies.move(remedy, "told", said)
        return remedy

    # Runs

    def _run(self, remedy: Remedy, alert: Alert, rule: Rule | None, now: float) -> Remedy | None:
        found = self._follow.outcome(remedy, remedy.run_id, remedy.state)
        if found.order:
            return self._order(remedy, alert, rule, now)
        if found.event is None:
            if remedy.state != "waiting" and remedy.until and seconds(remedy.until) < now:
                self._follow.end(remedy, now)
            return remedy
        result = {**remedy.result, **found.result}
        if remedy.state == "undoing":
            if found.event not in ("succeeded", "fails"):
                return remedy
            text = f"taken back: {found.text}" if found.event == "succeeded" else f"NOT taken back: {found.text}"
            return self._escalate(remedy, alert, rule, text, event="undone")
        if found.event == "succeeded":
            self._follow.drop(remedy)
            until = stamp(now + (rule.verify.within if rule else 0))
            return self.remedies.move(remedy, "succeeded", found.text, until=until, result=result)
        if found.event == "fails":
            self._follow.drop(remedy)
        until = "" if found.event in ("waits", "fails") else self.deadline(rule, now) if rule else remedy.until
        return self.remedies.move(remedy, found.event, found.text, until=until, result=result)

    def _order(self, remedy: Remedy, alert: Alert, rule: Rule | None, now: float) -> Remedy | None:
        try:
            order = None if rule is None else (undo if remedy.state == "undoing" else spec)(rule, alert)
        except Unrenderable as error:
            order, why = None, str(error)
        else:
            why = "its rule is gone, or says something else now"
        if order is None or rule is None:
            if remedy.state == "undoing":
                return self._escalate(remedy, alert, rule, f"NOT taken back: {why}", event="undone")
            result = {**remedy.result, "error": why, "kind": "unusable"}
            return self.remedies.move(remedy, "fails", why, result=result)
        if rule.guards.silence:
            self._silent = True
            self._aftercare.silence(remedy, alert, now + 2 * rule.timeout + rule.verify.within + _SLACK)
        self._send(remedy, alert, remedy.run_id, (order, rule.timeout))
        return remedy

    def _send(self, remedy: Remedy, alert: Alert, run: str, what: tuple[Spec, int]) -> None:
        """`what`: the order, and how many seconds it waits for others that change the same hosts or stack."""
        order, patience = what
        trigger = {
            "kind": "alert",
            "alert": alert.id,
            "rule": remedy.rule,
            "rule_version": remedy.rule_version,
            "remediation": remedy.id,
            "attempt": remedy.attempt,
        }
        rate: dict[str, Any] = {"lock_wait": patience, **order.rate}
        self._follow.order(run, replace(order, trigger=trigger, rate=rate))

    # What comes after

    def _verify(self, remedy: Remedy, alert: Alert, rule: Rule | None, now: float) -> Remedy | None:
        text = self._problem(remedy, alert, rule)
        if text and rule is not None and rule.verify.playbook:
            return self._check(remedy, alert, rule, text, now)
        if text:
            return self.remedies.move(remedy, "gone", text, result=remedy.result)
        if remedy.until and seconds(remedy.until) < now:
            self.verifier.leave(remedy.id)
            unable = self._unable.pop(remedy.id, "")
            why = f"whether the problem is gone cannot be told: {unable}" if unable else "the problem stays"
            return self.remedies.move(remedy, "stays", why, result={**remedy.result, "error": why, "kind": "stays"})
        return remedy

    def _problem(self, remedy: Remedy, alert: Alert, rule: Rule | None) -> str:
        """Why the problem counts as gone; empty while it does not."""
        if not alert.firing:
            self.verifier.leave(remedy.id)
            return f"its source says that the problem is over since {alert.resolved}"
        if rule is not None and rule.verify.problem == "ignore":
            return "the rule goes by the run alone"
        if alert.kind == "simulated":
            return "nobody can tell whether a made-up problem is gone: the run counts"
        if remedy.id in self._gone:
            return self._gone[remedy.id]
        self.verifier.watch(remedy.id, alert)
        return ""

    def _check(self, remedy: Remedy, alert: Alert, rule: Rule, text: str, now: float) -> Remedy | None:
        """Run the playbook that must succeed, too, under an id that is stored before."""
        run = str(remedy.result.get("check") or "")
        if not run:
            until = max(self.deadline(rule, now), remedy.until)
            return self.remedies.note(remedy, f"{text}; now it is checked", until=until, check=uuid7())
        found = self._follow.outcome(remedy, run, "running")
        if found.order:
            try:
                order = check(rule, alert)
            except Unrenderable as error:
                return self.remedies.move(remedy, "stays", str(error), result={**remedy.result, "error": str(error)})
            if order is not None:
                self._send(remedy, alert, run, (order, rule.timeout))
        if found.event == "succeeded":
            return self.remedies.move(remedy, "gone", f"{text}; checked by run {run}", result=remedy.result)
        late = seconds(remedy.until) < now
        if found.event == "fails" or late:
            why = f"the check failed: {found.text or 'it takes too long'}"
            return self.remedies.move(remedy, "stays", why, result={**remedy.result, "error": why, "kind": "stays"})
        return remedy

    def _failed(self, remedy: Remedy, alert: Alert, rule: Rule | None, now: float) -> Remedy | None:
        error = str(remedy.result.get("error") or "it failed")
        way = after_failure(
            remedy.attempt,
            rule.on_failure.retry if rule else 0,
            self._tries(remedy, rule, now) if rule else 0,
            undo=bool(rule and rule.on_failure.undo),
            hopeless=hopeless(remedy.result),
            gone=not alert.firing,
        )
        if rule is None or way == "escalate":
            return self._escalate(remedy, alert, rule, error)
        if way == "undo":
            result = {**remedy.result, "failed": remedy.run_id}
            text = f"taken back: {error}"
            return self.remedies.move(
                remedy, "undo", text, run_id=uuid7(), until=self.deadline(rule, now), result=result
            )
        new = fresh(alert.id, rule.name, rule.version, attempt=remedy.attempt + 1, parent=remedy.id)
        new = replace(
            new,
            run_id=uuid7(),
            verdict=dict(remedy.verdict),
            until=self.deadline(rule, now),
            result={"hosts": remedy.result.get("hosts", []), "began": stamp(now)},
        )
        self.remedies.again(remedy, new, f"attempt {new.attempt} of {rule.on_failure.retry + 1}: {error}")
        return None

    def _escalate(
        self, remedy: Remedy, alert: Alert, rule: Rule | None, why: str, event: Any = "escalate"
    ) -> Remedy | None:
        """Leave it to people: tell them, and where the rule says so, ask whether to try once more."""
        self._follow.drop(remedy)
        wanted = rule.on_failure.escalate if rule else None
        data = {"notify": list(wanted.notify) if wanted else []}
        after = self.remedies.move(remedy, event, why, data, result={**remedy.result, "error": why})
        if after is not None:
            self.escalated(after)
            if wanted and wanted.approval and rule and alert.firing:
                more = fresh(alert.id, rule.name, rule.version, attempt=remedy.attempt + 1, parent=remedy.id)
                verdict = {"verdict": "propose", "guard": "approval", "reason": why}
                self.remedies.claims([Claim(replace(more, verdict=verdict), "propose", f"once more? {why}")])
        return after

    def _tries(self, remedy: Remedy, rule: Rule, now: float) -> int:
        """How many the guard of tries has left for these hosts."""
        since = stamp(now - rule.guards.tries.within)
        hosts = set(remedy.result.get("hosts") or ())
        same = [
            one
            for one in self.remedies.since(since)
            if one.rule == rule.name
            and one.result.get("began", "") >= since
            and (one.alert_id == remedy.alert_id or hosts & set(one.result.get("hosts") or ()))
        ]
        return rule.guards.tries.most - len(same)
