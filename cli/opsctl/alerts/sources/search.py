"""Alerts that a search raises: more than N events like QUERY in so long, over the journals or in Elasticsearch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opsctl.alerts.alert import Alert, made, moment
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox, Taken
from opsctl.alerts.sources.watch import Watch
from opsctl.clock import span

if TYPE_CHECKING:
    from opsctl.search.find import Hit, Searcher

MOST = 5000
"""Events that one look counts at most."""
_SOME = 100
"""Events beyond those that are normal that are looked at."""
_SHOWN = 3
_LONGEST = 300.0
"""Seconds of pause while it cannot be searched."""


def judged(
    source: Source, hits: Sequence[Hit], firing: Mapping[str, Alert], now: float, *, more: bool = False
) -> list[Alert]:
    """The alerts that begin or end with what was found; `firing`: those that there are, by their keys; `more`: there
    are more events than these, of who knows which hosts. Pure."""
    received = moment(now)
    counts = Counter(_key(source, hit) for hit in hits)
    found = {key: count for key, count in counts.items() if count > source.more_than}
    told = [_alert(source, key, [hit for hit in hits if _key(source, hit) == key], received, more) for key in found]
    # The number of events alone is no news while the problem is known.
    told = [alert for alert in told if alert.key not in firing]
    ended = [alert.ended(received) for key, alert in firing.items() if key not in found and not more]
    return told + [replace(alert, data={**alert.data, "via": "poll"}) for alert in ended]


def _key(source: Source, hit: Hit) -> str:
    return f"{source.name}/{hit.host}" if source.by == "host" else source.name


def _alert(source: Source, key: str, hits: Sequence[Hit], received: str, more: bool) -> Alert:
    hosts = sorted({hit.host for hit in hits if hit.host})
    host = hosts[0] if len(hosts) == 1 and (not more or source.by == "host") else ""
    where = f" on {host}" if host else ""
    plural = "s" if source.more_than > 1 else ""
    many = f"More than {source.more_than} event{plural}" if source.more_than else "Events"
    return made(
        source.name,
        "search",
        key,
        received=received,
        name=f"{many} like {source.query} within {source.within}{where}",
        trigger=source.query,
        host=host,
        tags={"opsctl_problem": source.name},
        severity=source.severity,
        data={
            "via": "poll",
            "events": len(hits),
            "hosts": hosts[:100],
            "runs": sorted({hit.run for hit in hits})[:20],
            "newest": [hit.excerpt for hit in sorted(hits, key=lambda hit: hit.time, reverse=True)[:_SHOWN]],
        },
    )


class Watcher(Watch):
    """Searches again and again, in a thread of its own, from `start` to `stop`."""

    def __init__(
        self,
        inbox: Inbox,
        source: Source,
        connect: Callable[[], Searcher],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`connect` makes what is searched in.

        Raises:
            UsageError: the source's query cannot be understood.
        """
        from opsctl.search.query import parse

        super().__init__(source, "search")
        self._inbox, self._connect, self._say, self._clock = inbox, connect, say, clock
        self._query = parse(source.query)
        self._searcher: Searcher | None = None

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            failures = 0 if self.attempt() else failures + 1
            pause = min(_LONGEST, self._source.every * 2 ** min(failures, 8))
            self._stopped.wait(max(pause, time.monotonic() - began))

    def attempt(self) -> bool:
        """Search once, whatever happens; whether it could be."""
        try:
            self.once()
        except Exception as error:
            # The server, the disk or the index: the next look may go better.
            self._searcher = None
            text = " ".join(str(error).split()) or type(error).__name__
            if not self.error:
                self._say(f"Source {self.name}: {text}; trying again until it works")
            self.error = text
            return False
        if self.error:
            self._say(f"Source {self.name}: it can be searched again")
        self.error, self.answered = "", self._clock()
        return True

    def once(self) -> list[Taken]:
        """Search once; what became of what was found.

        Raises:
            Exception: it cannot be searched, or what was found cannot be stored.
        """
        from opsctl.search.index import Window

        if self._searcher is None:
            self._searcher = self._connect()
        now = self._clock()
        window = Window(int((now - span(self._source.within)) * 1e6))
        # All must be looked through only where each host is counted by itself.
        most = MOST if self._source.by == "host" else min(MOST, self._source.more_than + _SOME)
        answer = self._searcher.search(self._query, window, most)
        firing = {alert.key: alert for alert in self._inbox.firing(self.name) if alert.kind == "search"}
        told = judged(self._source, answer.hits, firing, now, more=answer.more)
        return self._inbox.put(told) if told else []
