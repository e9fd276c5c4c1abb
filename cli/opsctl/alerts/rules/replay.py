"""What rules would have done with alerts of the past: nothing is run, time is that of the alerts. Pure.

What is not known is assumed: a remediation takes `takes` seconds and helps; nobody was in the way, no freeze held.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Bounds
from opsctl.alerts.guards.decide import decide
from opsctl.alerts.guards.storm import Storms
from opsctl.alerts.guards.subject import groups
from opsctl.alerts.guards.verdict import Verdict, Word
from opsctl.alerts.guards.world import Work, World
from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.match import Decision, heard, match
from opsctl.alerts.rules.render import Unrenderable, limit, scope, spec
from opsctl.alerts.rules.rule import Rule

_ASKS = 200
"""How often one alert is asked about; more is waiting for what never comes."""
_AGAIN = timedelta(seconds=30)


@dataclass(frozen=True)
class Outcome:
    """What would have become of one alert."""

    alert: Alert
    rule: str
    """Empty = no rule is for it."""
    word: Literal["go", "hold", "propose", "suppress", "escalate", "none"]
    """`hold`: it was over before the guards let it."""
    why: str
    guard: str = ""
    time: datetime | None = None
    """When that was decided."""
    what: str = ""
    """What would have been done."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "time": self.time.isoformat(timespec="milliseconds") if self.time else "",
            "alert": self.alert.id,
            "host": self.alert.host,
            "name": self.alert.name,
            "rule": self.rule,
            "verdict": self.word,
            "guard": self.guard,
            "what": self.what,
            "why": self.why,
        }


@dataclass(frozen=True)
class Report:
    """All of them, in the order of the alerts, and counts."""

    outcomes: tuple[Outcome, ...]
    rules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rule -> word -> how many alerts; of every rule, also those that no alert was for."""

    @property
    def unmatched(self) -> int:
        """Alerts that no rule is for."""
        return sum(not outcome.rule for outcome in self.outcomes)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "alerts": [outcome.plain() for outcome in self.outcomes],
            "rules": {name: dict(counts) for name, counts in self.rules.items()},
            "unmatched": self.unmatched,
        }


def replay(
    book: Book,
    alerts: Iterable[Alert],
    *,
    bounds: Bounds | None = None,
    sizes: Mapping[str, int] | None = None,
    active: bool = False,
    takes: float = 30,
) -> Report:
    """What each rule would have done.

    `sizes`: hosts of each group; unset = as many as the alerts name. `active`: as if every rule acted by itself.
    `takes`: seconds from the start of a remediation until the problem is gone.
    """
    if active:
        book = replace(book, rules=tuple(rule.model_copy(update={"mode": "active"}) for rule in book.rules))
    found = sorted({alert.id: alert for alert in alerts}.values(), key=lambda alert: (heard(alert), alert.id))
    past = _Past(book, found, bounds or Bounds(), sizes, timedelta(seconds=takes))
    outcomes = past.run()
    counts: dict[str, Counter[str]] = {rule.name: Counter() for rule in book.rules}
    for outcome in outcomes:
        if outcome.rule:
            counts[outcome.rule][outcome.word] += 1
    return Report(outcomes, counts)


class _Past:
    """The time of the alerts, gone through once."""

    def __init__(
        self, book: Book, alerts: Sequence[Alert], bounds: Bounds, sizes: Mapping[str, int] | None, takes: timedelta
    ) -> None:
        self._book, self._alerts, self._takes = book, alerts, takes
        members = _members(alerts)
        known = Counter(group for of in members.values() for group in of) if sizes is None else sizes
        self._world = World(sizes=known, members=members, bounds=bounds)
        self._storms = Storms(bounds.storm)
        self._ends = {alert.id: _end(alert) for alert in alerts}
        self._works: deque[Work] = deque()
        self._running: list[Work] = []
        self._on_host: dict[str, list[Work]] = {}
        self._heard: deque[Alert] = deque()
        self._firing: dict[str, Alert] = {}
        self._over_at: list[tuple[datetime, str]] = []
        self._last: dict[str, Outcome] = {}
        self._asked: Counter[str] = Counter()
        self._memory = timedelta(seconds=book.memory + 1)

    def run(self) -> tuple[Outcome, ...]:
        order = count()
        queue = [(heard(alert), next(order), alert) for alert in self._alerts]
        heapq.heapify(queue)
        while queue:
            now, _number, alert = heapq.heappop(queue)
            if not self._asked[alert.id]:
                self._hear(alert, now)
            self._asked[alert.id] += 1
            again = self._ask(alert, now)
            if again is not None and self._asked[alert.id] < _ASKS and not self._over(alert, again):
                heapq.heappush(queue, (again, next(order), alert))
        return tuple(self._last[alert.id] for alert in self._alerts)

    def _ask(self, alert: Alert, now: datetime) -> datetime | None:
        """Settles what becomes of an alert as far as can be told now; when to ask again."""
        self._forget(now)
        one = self._firing[alert.id]
        decision = match(self._book, one, now, self._heard)
        if decision.rule is None:
            self._last[alert.id] = Outcome(alert, "", "none", _nearest(decision), time=now)
            return decision.until
        rule = decision.rule
        try:
            what = rule.do.text if rule.do.kind == "notify" else f"{rule.do.text} on {_on(rule, one)}"
        except Unrenderable as error:
            self._last[alert.id] = Outcome(alert, rule.name, "escalate", str(error), "order", now)
            return None
        hosts = frozenset() if rule.do.kind == "notify" else frozenset(scope(rule, one, self._world.members))
        verdict = decide(rule, one, replace(self._now(rule, one, now), hosts=hosts), now)
        word: Word = verdict.verdict
        self._last[alert.id] = Outcome(alert, rule.name, word, verdict.reason or decision.why, verdict.guard, now, what)
        if word == "go":
            self._keep(_work(rule, one, hosts, now, now + (timedelta() if rule.do.kind == "notify" else self._takes)))
            return None
        if word == "escalate":
            self._keep(_work(rule, one, hosts, None, now))
        return self._again(verdict, now)

    def _again(self, verdict: Verdict, now: datetime) -> datetime | None:
        if verdict.verdict in ("hold", "suppress") and verdict.until is not None:
            return max(verdict.until, now + timedelta(milliseconds=1))
        if verdict.verdict == "hold":
            ends = [work.ended for work in self._running if work.ended is not None]
            return min(ends, default=now + _AGAIN)
        return None

    def _now(self, rule: Rule, alert: Alert, now: datetime) -> World:
        """What is known, as far as it matters to this rule and this host: a week has thousands of remediations."""
        self._running = [work for work in self._running if work.ended is not None and work.ended > now]
        known = {work.id for work in self._running}
        past: Iterable[Work] = self._works if rule.guards.group_cooldown else self._on_host.get(alert.host, ())
        return replace(
            self._world,
            running=tuple(replace(work, ended=None) for work in self._running),
            recent=tuple(work for work in past if work.id not in known),
            firing=tuple(self._firing.values()),
            storm=self._storms.storm(now),
        )

    def _keep(self, work: Work) -> None:
        self._works.append(work)
        for host in work.touched | {work.host}:
            self._on_host.setdefault(host, []).append(work)
        if work.began is not None:
            self._running.append(work)

    def _hear(self, alert: Alert, now: datetime) -> None:
        self._storms = self._storms.heard(now)
        self._heard.append(alert)
        self._firing[alert.id] = replace(alert, state="firing", resolved="", acknowledged=False, suppressed=False)
        if (end := self._ends[alert.id]) is not None:
            heapq.heappush(self._over_at, (end, alert.id))

    def _forget(self, now: datetime) -> None:
        """What is over, and what no rule looks back to any more."""
        while self._over_at and self._over_at[0][0] <= now:
            del self._firing[heapq.heappop(self._over_at)[1]]
        while self._works and (self._works[0].ended or now) < now - self._memory:
            self._works.popleft()
        while self._heard and heard(self._heard[0]) < now - self._memory and self._over(self._heard[0], now):
            self._heard.popleft()

    def _over(self, alert: Alert, now: datetime) -> bool:
        end = self._ends[alert.id]
        return end is not None and end <= now


def _work(rule: Rule, alert: Alert, hosts: frozenset[str], began: datetime | None, ended: datetime | None) -> Work:
    """One that never began was escalated."""
    name = f"{rule.name}/{alert.id}"
    return Work(
        name, rule.name, alert.id, alert.host, began, ended, hosts, groups(alert), alert.stack, escalated=began is None
    )


def _on(rule: Rule, alert: Alert) -> str:
    spec(rule, alert)
    return ", ".join(limit(rule, alert)) or "all hosts of it"


def _nearest(decision: Decision) -> str:
    """Of the reasons why no rule is taken, that of a rule that only waits; else that there is none."""
    waiting = [passed for passed in decision.passed if passed.until is not None]
    return f"{waiting[0].rule.name}: {waiting[0].why}" if waiting else "no rule is for it"


def _end(alert: Alert) -> datetime | None:
    if not alert.resolved:
        return None
    end = datetime.fromisoformat(alert.resolved)
    # It was heard of before it was over, whatever other clocks said.
    return max(end, heard(alert) + timedelta(milliseconds=1))


def _members(alerts: Iterable[Alert]) -> dict[str, frozenset[str]]:
    """Host -> its groups and stack, as far as the alerts name them."""
    members: dict[str, frozenset[str]] = {}
    for alert in alerts:
        if alert.host:
            members[alert.host] = members.get(alert.host, frozenset()) | groups(alert)
    return members
