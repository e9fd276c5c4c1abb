"""What becomes of a known alert when its source tells of it again, in whatever order messages come. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from opsctl.alerts.alert import Alert
from opsctl.clock import seconds

What = Literal["new", "again", "changed", "resolved", "reopened", "late", "same"]
_ONE_OF_A_KIND = ("zabbix", "alertmanager")
"""Their keys name one occurrence of a problem: once it is over, it stays over, whatever comes late."""
LATE = 60
"""Seconds that a message may be under way."""
HEARD = "heard"
"""In `data`: when its source last told of it, where it did more than once."""
VANISHED = "vanished"
"""In `data` under `ended`: its source does not show it any more, which is no proof that it is over."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done with one alert that was put in."""

    alert: Alert
    """As it is stored now."""
    what: What
    """new; again (told once more); changed (its details); resolved; reopened (it was not over after all); late (it was
    over already); same (nothing new)."""


def merged(old: Alert | None, new: Alert) -> Taken | None:
    """The alert to be stored; None when `new` is another occurrence, under a key that is used again."""
    if old is None:
        return Taken(replace(new, count=max(1, new.count)), "new")
    if _another(old, new):
        return None
    if not new.firing:
        return _ended(old, new)
    if old.firing:
        return _again(old, new)
    return None if old.kind not in _ONE_OF_A_KIND and _anew(old, new) else _late(old, new)


def _late(old: Alert, new: Alert) -> Taken:
    """It is over already, or so it was told."""
    # Zabbix was asked, and must be asked again: a webhook of it may be late. Others can only tell.
    known_better = new.data.get("via") == "poll" or old.kind != "zabbix"
    if known_better and old.data.get("ended") == VANISHED:
        data = {name: value for name, value in old.data.items() if name != "ended"}
        return Taken(replace(_again(replace(old, data=data), new).alert, state="firing", resolved=""), "reopened")
    known = replace(_details(old, new), acknowledged=old.acknowledged, suppressed=old.suppressed)
    # A resolution that came first knows little: the problem itself tells what it was, and when it began.
    return Taken(replace(known, started=min(old.started, new.started)), "late" if known != old else "same")


def _ended(old: Alert, new: Alert) -> Taken:
    if not old.firing:
        return Taken(old, "same")
    over = old.ended(max(new.resolved, old.started))
    vanished = new.data.get("ended") == VANISHED
    return Taken(replace(over, data={**old.data, "ended": VANISHED}) if vanished else over, "resolved")


def _anew(old: Alert, new: Alert) -> bool:
    """Whether a key is used again, and not only a message late. One that comes long after the end is no late one,
    whatever time it gives: some senders repeat when they first saw the problem."""
    return new.started > old.resolved or _at(new.received) > _at(old.resolved) + LATE


def _at(text: str) -> float:
    return seconds(text) if text else 0.0


def _another(old: Alert, new: Alert) -> bool:
    """Whether a source that was made anew gives the same key to another problem: by its own clock, they began apart."""
    before, after = old.data.get("clock"), new.data.get("clock")
    apart = isinstance(before, int) and isinstance(after, int) and abs(before - after) > 1
    return old.kind == "zabbix" and apart


def _again(old: Alert, new: Alert) -> Taken:
    if new.data.get("via") == "poll":
        # A source that is asked says all it knows each time, and is no more often right for being asked more often.
        after = replace(_details(old, new), acknowledged=new.acknowledged, suppressed=new.suppressed)
        return Taken(after, "changed" if after != old else "same")
    told = _details(old, new)
    after = replace(
        told,
        data={**told.data, HEARD: new.received},
        acknowledged=old.acknowledged or new.acknowledged,
        suppressed=old.suppressed or new.suppressed,
        count=old.count + 1,
    )
    return Taken(after, "again")


def _details(old: Alert, new: Alert) -> Alert:
    """What is known of the problem: the newer word counts, where there is one."""
    words = {
        name: getattr(new, name)
        for name in ("name", "trigger", "host", "address", "groups", "stack", "url", "tags")
        if getattr(new, name)
    }
    graver = new.severity if new.severity != "not_classified" else old.severity
    data = {**old.data, **new.data, "via": old.data["via"]} if "via" in old.data else {**old.data, **new.data}
    return replace(old, **words, severity=graver, data=data)
