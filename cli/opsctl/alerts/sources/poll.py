"""Asks Zabbix for its problems again and again: the source of truth, which finds what webhooks lost.

What is new is found by comparing ids of events with those that are known, never by clocks: the two machines need not
agree about the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from opsctl.alerts.alert import Alert, moment
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox, Taken
from opsctl.alerts.inbox.merge import VANISHED
from opsctl.alerts.sources.ask import Asker, Mark
from opsctl.alerts.sources.watch import Watch
from opsctl.alerts.sources.zabbix import seen

_BUSY = 0.25
"""Seconds between two questions while something happens, where the source allows it."""
_CALM = 20.0
"""Seconds after which nothing happens any more."""
_SHARE = 3
"""Zabbix rests at least so many times as long as it worked on an answer."""
_FIRST, _LONGEST = 0.5, 15.0
"""Seconds of pause while Zabbix cannot be asked."""
_PAST = 60.0
"""Seconds between two looks for problems that came and went in between."""
_DOUBT = 10.0
"""Seconds between two looks at problems that are not shown and yet not over."""
_ROUNDS = 40


class Say(Protocol):
    """Tells people one line."""

    def __call__(self, text: str, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """What Zabbix shows against what is known. Ids of events."""

    new: frozenset[str]
    changed: frozenset[str]
    missing: frozenset[str]


def difference(shown: Mapping[str, Mark], before: Mapping[str, Mark], firing: Iterable[str]) -> Difference:
    """What is to be asked further. `before`: what was shown the last time; `firing`: known problems that go on.

    Changed is also what was not shown before, and yet is known: a webhook, which says less, was faster.
    """
    known = set(firing)
    changed = {event for event, mark in shown.items() if event in known and before.get(event) != mark}
    return Difference(frozenset(shown.keys() - known), frozenset(changed), frozenset(known - shown.keys()))


class Poller(Watch):
    """Asks for the problems of one source, in a thread of its own, from `start` to `stop`."""

    def __init__(
        self,
        inbox: Inbox,
        source: Source,
        connect: Callable[[], Asker],
        say: Say,
        *,
        base: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`connect` makes the way to Zabbix, also anew after an error; `base`: URL of its web front end."""
        super().__init__(source, "poll")
        self._inbox, self._connect, self._say = inbox, connect, say
        self._base, self._clock = base, clock
        self._asker: Asker | None = None
        self._before: dict[str, Mark] = {}
        self._firing: dict[str, str] = {}
        """Hosts of known problems that go on, by the ids of their events."""
        self._change = -1
        """The change of the inbox that they were read at."""
        self._reached = 0
        self._over: dict[str, float] = {}
        """Ids that are shown although they are known to be over, and when to look again."""
        self._doubtful: dict[str, float] = {}
        self._past_due = 0.0
        self._happened = time.monotonic()
        self._failures, self._kind = 0, ""
        self._down_since = 0.0

    def stop(self, timeout: float = 30) -> None:
        """End; returns when it has."""
        super().stop(timeout)
        self._leave()

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            good = self.attempt()
            self._stopped.wait(self._pause(good, time.monotonic() - began))

    def attempt(self) -> bool:
        """Ask once, whatever happens; whether Zabbix answered."""
        try:
            self.once()
        except Exception as error:
            # Zabbix, the network or the disk: whatever it is, the next try may go better.
            self._fail(error)
            return False
        if self._failures:
            minutes = (self._clock() - self._down_since) / 60
            self._say(f"Source {self.name}: Zabbix answers again after {minutes:.1f} min")
        self._failures, self.error, self.answered = 0, "", self._clock()
        return True

    def once(self) -> list[Taken]:
        """Ask once; what became of what was found.

        Raises:
            Exception: Zabbix cannot be asked, or what it said cannot be stored.
        """
        if self._asker is None:
            self._asker = self._connect()
            self._past_due = 0.0
        asker = self._asker
        # What is known is read before Zabbix is asked: what a webhook tells meanwhile is then not taken for missing.
        self._know()
        shown = asker.open()
        found = difference(shown, self._before, self._firing)
        told = self._told(asker, self._fresh(found.new) | found.changed)
        told += self._ended(asker, found.missing)
        taken = self._inbox.put(told) if told else []
        self._before = shown
        if time.monotonic() >= self._past_due:
            self._missed(asker)
            self._past_due = time.monotonic() + _PAST
        if any(each.what != "same" for each in taken):
            self._happened = time.monotonic()
        return taken

    def _fresh(self, new: Iterable[str]) -> frozenset[str]:
        """Without those that were looked at a moment ago and are known to be over, by whoever told so."""
        now = time.monotonic()
        candidates = {event for event in new if self._over.get(event, 0) <= now}
        self._over = {event: due for event, due in self._over.items() if due > now}
        self._over |= dict.fromkeys(candidates, now + _DOUBT)
        return frozenset(candidates)

    def _know(self) -> None:
        newest = self._inbox.newest()
        if newest != self._change:
            self._firing, self._change = self._inbox.hosts(self.name, "zabbix"), newest

    def _told(self, asker: Asker, events: Iterable[str]) -> list[Alert]:
        received = moment(self._clock())
        return [
            seen(problem, self.name, received, self._base, self._firing.get(problem.event_id, ""))
            for problem in asker.details(sorted(events, key=_number))
        ]

    def _ended(self, asker: Asker, missing: Iterable[str]) -> list[Alert]:
        """Those that are over, or not shown any more."""
        due = [event for event in missing if self._doubtful.get(event, 0) <= time.monotonic()]
        if not due:
            return []
        ends = asker.gone(due)
        again = time.monotonic() + _DOUBT
        self._doubtful = {event: again for event in due if event not in ends} | {
            event: when for event, when in self._doubtful.items() if event not in due and event in self._firing
        }
        now = moment(self._clock())
        over = []
        for event, known in self._inbox.keyed(self.name, ends).items():
            when = ends[event]
            alert = known.ended(moment(when) if when else now)
            data = {**alert.data, "via": "poll"} if when else {**alert.data, "via": "poll", "ended": VANISHED}
            over.append(replace(alert, data=data))
        return over

    def _missed(self, asker: Asker) -> None:
        """Problems that came and went while nobody was told."""
        name = f"poll:{self.name}"
        kept = self._inbox.cursor(name)
        newest = asker.newest()
        if not kept or newest < int(kept):
            # The first time, or a Zabbix that was made anew and counts from 1 again.
            self._inbox.move(name, str(newest))
            self._reached = newest
            return
        last = int(kept)
        for _ in range(_ROUNDS):
            problems, reached = asker.past(last, self._unknown)
            received = moment(self._clock())
            # Stored before the cursor moves on; what is found twice is one.
            self._inbox.put([seen(problem, self.name, received, self._base) for problem in problems])
            if reached == last:
                break
            last = reached
        # Events may become visible out of order: the last ones are looked at once more the next time.
        if self._reached > int(kept):
            self._inbox.move(name, str(self._reached))
        self._reached = last

    def _unknown(self, events: Iterable[str]) -> set[str]:
        wanted = set(events)
        return wanted - self._inbox.keyed(self.name, wanted).keys()

    def _fail(self, error: Exception) -> None:
        self._leave()
        self._over, kind = {}, type(error).__name__
        self.error = " ".join(str(error).split()) or kind
        if not self._failures:
            self._down_since = self._clock()
        if not self._failures or kind != self._kind:
            # Once, not each time: but that a token expired is other news than that nothing answers.
            self._say(f"Source {self.name}: {self.error}; trying again until it works")
        self._failures, self._kind = self._failures + 1, kind

    def _leave(self) -> None:
        asker, self._asker = self._asker, None
        if asker is not None:
            asker.close()

    def _pause(self, good: bool, took: float) -> float:
        if not good:
            return float(min(_LONGEST, _FIRST * 2 ** min(self._failures - 1, 10)))
        busy = time.monotonic() - self._happened < _CALM
        every = min(self._source.every, _BUSY) if busy else self._source.every
        return max(every - took, _SHARE * took)


def _number(event: str) -> tuple[int, str]:
    return (int(event), event) if event.isdecimal() else (0, event)
