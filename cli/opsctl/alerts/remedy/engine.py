"""Leads each alert to its end: what it finds stored tells what to do next, so it can be killed and begun at any moment.

One thread turns: news from the inbox, new alerts decided, open remediations moved on. What takes long is done by others
(workers, the verifier, the errands), who ring the bell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Bounds
from opsctl.alerts.guards.storm import Storms
from opsctl.alerts.guards.world import World
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.machine import ENDS, State
from opsctl.alerts.remedy.judge import Judgement, Policies, judged
from opsctl.alerts.remedy.lead import Lead
from opsctl.alerts.remedy.picture import Hosts, Picture, at
from opsctl.alerts.remedy.store import Claim, Remedies, Remedy, fresh
from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.match import match
from opsctl.alerts.rules.rule import Rule
from opsctl.clock import seconds, stamp, uuid7
from opsctl.errors import OpsctlError

_AT_ONCE = 500
"""Alerts that are decided in one turn: what runs is looked after in between."""
_HORIZON = 3600
"""Seconds of remediations that guards look back over, at least."""
_UNDONE: tuple[State, ...] = ("held", "proposed", "shadowed", "suppressed")
_REMEMBERED = 20_000
_RECHECK = 2.0
"""Seconds until what is held without a time is asked about again."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What all decisions of one turn share."""

    book: Book
    picture: Picture
    now: float
    policies: Policies
    earlier: Sequence[Alert]


class Engine:
    """The loop of one home. `turn` is called by one thread only."""

    def __init__(
        self,
        inbox: Inbox,
        lead: Lead,
        *,
        book: Callable[[], Book],
        bounds: Bounds,
        hosts: Callable[[], Hosts] = Hosts,
        maintenance: Callable[[], Mapping[str, datetime | None]] = dict,
        policies: Callable[[], Policies] = lambda: lambda _order, _alert, _rule: {},
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`book`: the rules that hold now. `hosts`: what the inventory says. `maintenance`: hosts that people work on.

        `policies`: asked once a turn.
        """
        self._inbox = inbox
        self._lead = lead
        self._remedies: Remedies = lead.remedies
        self._book = book
        self._bounds = bounds
        self._storms = Storms(bounds.storm)
        self._hosts = hosts
        self._maintenance = maintenance
        self._policies = policies
        self._clock = clock
        self._version = ""
        self._untidy = True
        self._cursor = 0
        self._step = 0
        self._open: dict[str, Remedy] = {}
        self._firing: dict[str, Alert] = {}
        """All alerts that are not over."""
        self._heard: dict[str, None] = {}
        """New alerts that were counted, the oldest first."""
        self._due: dict[str, float] = {}
        """Firing alerts that no rule has taken -> when to look at them again."""
        self._again: dict[str, float] = {}
        """Held or proposed remediations -> when to decide again."""

    def begin(self) -> None:
        """Find out how things stand."""
        self._cursor, self._step = self._inbox.newest(), self._remedies.newest()
        self._lead.begin(self._clock())
        self._open = {remedy.id: remedy for remedy in self._remedies.open()}
        firing = self._inbox.firing()
        self._firing = {alert.id: alert for alert in firing}
        taken = self._remedies.of_alerts(alert.id for alert in firing)
        self._due = {alert.id: 0.0 for alert in firing if alert.id not in taken}
        # A storm may have been going on when the service was stopped.
        recent = self._clock() - self._bounds.storm.within
        self._hear([alert for alert in firing if seconds(alert.received) > recent])

    @property
    def storm(self) -> float:
        """Until when it is a storm, in seconds since the epoch; past = it is none."""
        return self._storms.until

    @property
    def idle(self) -> bool:
        """Whether nothing is left that could go on by itself now."""
        if self._due or self._untidy or self._remedies.newest() > self._step:
            return False
        return all(remedy.state in ("held", "proposed", "waiting") for remedy in self._open.values())

    @property
    def cursor(self) -> int:
        """The number of the last change of the inbox that was seen."""
        return self._cursor

    def turn(self) -> float:
        """Do what can be done now; seconds until there may be more without a bell."""
        now = self._clock()
        book = self._book()
        if book.version != self._version:
            # What no rule took may be another one's now.
            self._version = book.version
            self._due |= dict.fromkeys(self._due, 0.0)
            self._due |= {alert.id: 0.0 for alert in self._unclaimed(list(self._firing.values()))}
        self._news()
        self._others()
        self._decide(book, now)
        moved = self._move(book, now)
        self._untidy = self._lead.tidy({rule.name: rule for rule in book.rules}, now)
        # What has moved may go on at once.
        return 0.0 if moved else self._rest(now)

    def _news(self) -> None:
        """What changed in the inbox."""
        alerts, self._cursor = self._inbox.changed_since(self._cursor)
        over = {alert.id: alert for alert in alerts if not alert.firing}
        self._firing |= {alert.id: alert for alert in alerts if alert.firing}
        fresh_ones = self._unclaimed([alert for alert in alerts if alert.firing])
        self._hear(fresh_ones)
        for alert in fresh_ones:
            self._due[alert.id] = 0.0
        for name in over:
            self._due.pop(name, None)
            self._firing.pop(name, None)
        for remedy in [one for one in self._open.values() if one.alert_id in over]:
            if remedy.state in ("held", "proposed", "waiting"):
                when = over[remedy.alert_id].resolved
                self._keep(self._lead.over(remedy, f"the problem went away by itself at {when}"), remedy)

    def _hear(self, alerts: Sequence[Alert]) -> None:
        """Count new alerts, each once: many at once are a storm."""
        unheard = [alert.id for alert in alerts if alert.id not in self._heard]
        if unheard:
            self._heard |= dict.fromkeys(unheard)
            self._storms = self._storms.heard(at(self._clock()), len(unheard))
            while len(self._heard) > _REMEMBERED:
                del self._heard[next(iter(self._heard))]

    def _others(self) -> None:
        """What other processes did: somebody said yes or no."""
        for step, remedy in self._remedies.told_since(self._step):
            self._step = step.seq
            known = self._open.get(remedy.id)
            if known is None or known.updated != remedy.updated:
                self._again.pop(remedy.id, None)
                self._keep(remedy, remedy)

    def _unclaimed(self, alerts: Sequence[Alert]) -> list[Alert]:
        taken = self._remedies.of_alerts(alert.id for alert in alerts) if alerts else {}
        return [alert for alert in alerts if alert.id not in taken]

    # Decisions

    def _decide(self, book: Book, now: float) -> None:
        due = [name for name, when in self._due.items() if when <= now][:_AT_ONCE]
        again = [
            remedy
            for remedy in self._open.values()
            if remedy.state in ("held", "proposed") and self._when(remedy) <= now
        ][:_AT_ONCE]
        if not due and not again:
            return
        known = self._inbox.known([*due, *(remedy.alert_id for remedy in again)])
        case = _Case(book, self._picture(book, now), now, self._policies(), self._earlier(book, now))
        for remedy in again:
            self._reconsider(remedy, known.get(remedy.alert_id), case)
        claims = []
        for name in due:
            claim = self._considered(name, known.get(name), case)
            if claim is not None:
                claims.append(claim)
                case.picture.take(
                    claim.new if claim.event != "go" else replace(claim.new, state="starting"), known[name]
                )
        for remedy in self._remedies.claims(claims) if claims else []:
            self._keep(remedy, remedy)
            if remedy.state == "escalated":
                self._lead.escalated(remedy)

    def _considered(self, name: str, alert: Alert | None, case: _Case) -> Claim | None:
        """What is to be stored of a new alert; None when there is no rule for it, now or at all."""
        self._due.pop(name, None)
        if alert is None or not alert.firing:
            return None
        decision = match(case.book, alert, at(case.now), case.earlier)
        if decision.rule is None:
            if decision.until is not None:
                self._due[name] = decision.until.timestamp()
            return None
        rule = decision.rule
        found = _judged(rule, alert, case)
        new = self._prepared(fresh(alert.id, rule.name, rule.version), rule, found, case.now)
        verdict = {"why": decision.why, "passed": decision.plain()["passed"], "book": case.book.version}
        new = replace(new, verdict={**new.verdict, **verdict})
        if found.event in ("hold", "propose"):
            self._again[new.id] = self._later(found, case.now)
        data = {"alert": _about(alert), **_notice(rule, found)}
        return Claim(new, found.event, found.text, data)

    def _reconsider(self, remedy: Remedy, alert: Alert | None, case: _Case) -> None:
        """Held or proposed: decide once more. Nothing is stored when nothing is new."""
        rule = next((rule for rule in case.book.rules if rule.name == remedy.rule), None)
        if alert is None or not alert.firing:
            self._keep(self._lead.over(remedy, "the problem went away by itself"), remedy)
            return
        if rule is None:
            self._keep(self._remedies.move(remedy, "suppress", "its rule is gone"), remedy)
            return
        yes = bool(remedy.verdict.get("accepted"))
        found = _judged(rule, alert, case, yes=yes)
        self._again[remedy.id] = self._later(found, case.now)
        before = {"held": "hold", "proposed": "propose"}[remedy.state]
        if found.event == before and found.verdict.get("guard") == remedy.verdict.get("guard"):
            return
        ready = self._prepared(remedy, rule, found, case.now)
        after = self._remedies.move(
            remedy,
            found.event,
            found.text,
            _notice(rule, found),
            run_id=ready.run_id,
            verdict={**remedy.verdict, **found.verdict},
            until=ready.until,
            result=ready.result,
        )
        self._keep(after, remedy)
        if after is not None:
            case.picture.take(after, alert)
            if after.state == "escalated":
                self._lead.escalated(after)

    def _prepared(self, remedy: Remedy, rule: Rule, found: Judgement, now: float) -> Remedy:
        """With what must be known before anything is done: the run's id, its hosts, when its time is up."""
        verdict = {**remedy.verdict, **found.verdict}
        result = {**remedy.result, "hosts": list(found.hosts)} if found.hosts else dict(remedy.result)
        if found.event != "go":
            until = stamp(found.until.astimezone(UTC).timestamp()) if found.until else ""
            return replace(remedy, verdict=verdict, until=until, result=result)
        return replace(
            remedy,
            run_id=uuid7(),
            verdict=verdict,
            until=self._lead.deadline(rule, now),
            result={**result, "began": stamp(now)},
        )

    def _picture(self, book: Book, now: float) -> Picture:
        # What is still to be decided, or was not done, is no past that matters to guards: in a storm that is most.
        recent = self._remedies.since(stamp(now - max(_HORIZON, book.memory)), without=_UNDONE)
        going = [remedy for remedy in self._open.values() if remedy.state not in _UNDONE]
        remedies = list({remedy.id: remedy for remedy in (*recent, *going)}.values())
        alerts = self._inbox.known({one.alert_id for one in remedies})
        base = World(bounds=self._bounds, storm=self._storms.storm(at(now)), maintenance=self._maintenance())
        return Picture(remedies, alerts, self._firing.values(), self._hosts(), base)

    def _earlier(self, book: Book, now: float) -> list[Alert]:
        """Alerts of the past, as far as any rule counts them."""
        spans = [rule.match.count.within for rule in book.rules if rule.match.count and rule.mode != "off"]
        return self._lead.heard_since(now - max(spans)) if spans else []

    # Moving on

    def _move(self, book: Book, now: float) -> bool:
        """Whether anything moved."""
        going = [remedy for remedy in self._open.values() if remedy.state not in ("held", "proposed")]
        if not going:
            return False
        rules = {rule.name: rule for rule in book.rules}
        moved = self._lead.advance(going, rules, now)
        for before, after in moved:
            self._keep(after, before)
        return bool(moved)

    def _keep(self, after: Remedy | None, before: Remedy) -> None:
        """Remember how it stands. None: another process moved it meanwhile."""
        now = after or self._remedies.get(before.id)
        if now.state in ENDS:
            self._open.pop(now.id, None)
            self._again.pop(now.id, None)
        else:
            self._open[now.id] = now

    def _when(self, remedy: Remedy) -> float:
        if remedy.id not in self._again:
            due = seconds(remedy.until) if remedy.until else 0.0
            self._again[remedy.id] = due if remedy.state == "held" or remedy.until else float("inf")
        return self._again[remedy.id]

    def _later(self, found: Judgement, now: float) -> float:
        if found.until is not None:
            return max(found.until.timestamp(), now + 0.1)
        return now + _RECHECK if found.event == "hold" else float("inf")

    def _rest(self, now: float) -> float:
        times = [*self._due.values(), *self._again.values()]
        busy = any(remedy.state not in ("held", "proposed") for remedy in self._open.values())
        soon = min(times, default=now + 5.0) - now
        return max(0.0, min(soon, 0.3 if busy or self._untidy else 1.0))


def _judged(rule: Rule, alert: Alert, case: _Case, *, yes: bool = False) -> Judgement:
    try:
        return judged(rule, alert, case.picture, at(case.now), case.policies, yes=yes)
    except OpsctlError:
        # The disk, the policy's file: it goes better later, for all of them.
        raise
    except Exception as error:
        # One alert that nobody thought of must not stand in the way of all others.
        text = f"it cannot be decided: {type(error).__name__}: {' '.join(str(error).split())[:500]}"
        return Judgement("escalate", text, verdict={"verdict": "escalate", "guard": "error", "reason": text})


def _about(alert: Alert) -> dict[str, str]:
    """What the story, the ledger and notices say of an alert."""
    names = ("id", "source", "kind", "key", "name", "host", "stack", "severity", "started", "received", "url")
    return {name: str(value) for name in names if (value := getattr(alert, name))}


def _notice(rule: Rule, found: Judgement) -> dict[str, object]:
    """For those who tell people."""
    if found.event == "notice":
        return {"notify": list(rule.do.notify)}
    if found.event == "escalate":
        return {"notify": list(rule.on_failure.escalate.notify)}
    if found.event == "propose":
        return {"what": rule.do.text, "guard": found.verdict.get("guard", "")}
    return {}
