"""Which rule an alert is for, and why not the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.part import fits, severe
from opsctl.alerts.rules.rule import Count, Match, Rule
from opsctl.alerts.rules.units import length
from opsctl.policy.times import When, change

_ALWAYS = When()


@dataclass(frozen=True)
class Passed:
    """A rule that is not taken."""

    rule: Rule
    why: str
    until: datetime | None = None
    """From when on it would match, if nothing else changes; None = not by waiting."""


@dataclass(frozen=True)
class Decision:
    """The rule of an alert, and every other one with the reason that it is not."""

    rule: Rule | None
    passed: tuple[Passed, ...]
    why: str = ""
    """What of the rule fits."""

    @property
    def until(self) -> datetime | None:
        """When to ask again, as a rule is only waiting for time to pass; None where a rule is taken already."""
        times = [passed.until for passed in self.passed if passed.until is not None]
        return min(times) if times and self.rule is None else None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rule": self.rule.name if self.rule else None,
            "why": self.why,
            "passed": [{"rule": passed.rule.name, "why": passed.why} for passed in self.passed],
            "until": self.until.isoformat() if self.until else None,
        }


def match(book: Book, alert: Alert, now: datetime, earlier: Iterable[Alert] = ()) -> Decision:
    """The rule for this alert at this time.

    `now` is aware. `earlier`: other alerts of the past, of which rules that count take those within their time.
    """
    before = tuple(earlier)
    taken: Rule | None = None
    fitting = ""
    passed: list[Passed] = []
    for rule in book.rules:
        why, until = reason(rule, alert, now, before)
        if not why and taken is None:
            taken, fitting = rule, told(rule.match)
        elif not why and taken is not None:
            order = "has a higher priority" if taken.priority > rule.priority else "comes first by name"
            passed.append(Passed(rule, f"fits too, but {taken.name} {order}"))
        else:
            passed.append(Passed(rule, why, until))
    return Decision(taken, tuple(passed), fitting)


def reason(rule: Rule, alert: Alert, now: datetime, earlier: Iterable[Alert] = ()) -> tuple[str, datetime | None]:
    """Why this rule is not for this alert, empty when it is; and from when on it would be."""
    if not alert.firing:
        return "the problem is over", None
    if rule.mode == "off":
        return "it is switched off", None
    why = unlike(rule.match, alert)
    if why:
        return why, None
    why = _too_few(rule.match, alert, now, earlier) if rule.match.count else ""
    if why:
        return why, None
    return _not_yet(rule.match, alert, now)


def unlike(match: Match, alert: Alert) -> str:
    """What about the alert itself does not fit; empty = all fits."""
    plain = (
        ("source", match.source, alert.source),
        ("host", match.host, alert.host),
        ("stack", match.stack, alert.stack),
        ("problem", match.problem, alert.problem),
    )
    for name, patterns, value in plain:
        # What is not there fits no pattern, not even "*".
        if patterns and not (value and fits(patterns, value)):
            return f"{name} {_said(value)} is not {_either(patterns)}"
    if match.severity and not severe(match.severity, alert.severity):
        return f"severity {alert.severity} is not {_either(match.severity)}"
    if match.trigger and not any(fits(match.trigger, name) for name in (alert.name, alert.trigger) if name):
        return f'"{alert.name}" is not {_either(match.trigger)}'
    if match.group and not any(fits(match.group, group) for group in alert.groups):
        return f"none of its groups ({', '.join(alert.groups) or 'it has none'}) is {_either(match.group)}"
    return next(filter(None, (_tagged(name, patterns, alert) for name, patterns in match.tags.items())), "")


def _tagged(name: str, patterns: tuple[str, ...], alert: Alert) -> str:
    if name not in alert.tags:
        return f"it has no tag {name}"
    # What came with several values has them joined by commas.
    if any(fits(patterns, value) for value in (alert.tags[name], *alert.tags[name].split(","))):
        return ""
    return f"tag {name} {_said(alert.tags[name])} is not {_either(patterns)}"


def _too_few(match: Match, alert: Alert, now: datetime, earlier: Iterable[Alert]) -> str:
    count = match.count
    assert count is not None  # noqa: S101 - asked for only then
    since = now - timedelta(seconds=count.within)
    seen = {alert.id}
    for other in earlier:
        if len(seen) >= count.at_least:
            break
        near = _same(count, alert, other) and other.id not in seen and since <= heard(other) <= now
        if near and not unlike(match, other):
            seen.add(other.id)
    if len(seen) >= count.at_least:
        return ""
    of = {"host": "on this host ", "stack": "in this stack ", "all": ""}[count.of]
    return f"{len(seen)} of {count.at_least} alerts {of}within {length(count.within)}"


def _same(count: Count, alert: Alert, other: Alert) -> bool:
    if count.of == "all":
        return True
    return other.host == alert.host if count.of == "host" else other.stack == alert.stack


def _not_yet(match: Match, alert: Alert, now: datetime) -> tuple[str, datetime | None]:
    """`for` counts from when it was heard of: the clocks of those who raise alerts may be wrong."""
    due = heard(alert) + timedelta(seconds=match.lasts)
    if now < due:
        return f"it is there for {length(int((now - heard(alert)).total_seconds()))} of {length(match.lasts)}", due
    held, until = change(match.when, now)
    return ("", None) if held else ("it is not the time for it (when)", until)


def heard(alert: Alert) -> datetime:
    """When it was heard of first; by this machine's clock."""
    try:
        when = datetime.fromisoformat(alert.received or alert.started)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def told(match: Match) -> str:
    """What a rule looks for, in a line."""
    texts = (
        ("source", match.source),
        ("host", match.host),
        ("group", match.group),
        ("stack", match.stack),
        ("severity", match.severity),
        ("problem", match.problem),
        ("trigger", match.trigger),
        *((f"tag {name}", patterns) for name, patterns in match.tags.items()),
    )
    found = [f"{name} {_either(patterns)}" for name, patterns in texts if patterns]
    if match.lasts:
        found.append(f"for {length(match.lasts)}")
    if match.count:
        found.append(f"{match.count.at_least} within {length(match.count.within)}")
    if match.when != _ALWAYS:
        found.append("at its times")
    return ", ".join(found)


def _either(patterns: Iterable[str]) -> str:
    return " or ".join(patterns)


def _said(value: str) -> str:
    return value or "(none)"
