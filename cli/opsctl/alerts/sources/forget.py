"""Ends alerts whose source only tells and cannot be asked, when it has not told of them for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from opsctl.alerts.alert import Alert, moment
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox, Taken
from opsctl.alerts.inbox.merge import HEARD, VANISHED
from opsctl.alerts.sources.watch import Watch
from opsctl.clock import span

_LONGEST = 60.0
"""Seconds between two looks at most."""


def silent(alerts: Iterable[Alert], seconds: float, now: float) -> list[Alert]:
    """Those that were not told of for so many seconds, as over. Pure."""
    before, over = moment(now - seconds), moment(now)
    late = [alert for alert in alerts if str(alert.data.get(HEARD) or alert.received) < before]
    return [replace(alert.ended(over), data={**alert.data, "ended": VANISHED}) for alert in late]


class Forgetter(Watch):
    """Looks after one source with a `forget_after`, in a thread of its own, from `start` to `stop`."""

    def __init__(
        self, inbox: Inbox, source: Source, say: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        """Nothing is done yet."""
        assert source.forget_after is not None  # noqa: S101 - others need none
        super().__init__(source, "forget")
        self._inbox, self._say, self._clock = inbox, say, clock
        self._after = span(source.forget_after)

    def once(self) -> list[Taken]:
        """Look once; what became of those that were silent.

        Raises:
            OpsctlError: the inbox cannot be read or written.
        """
        own = [alert for alert in self._inbox.firing(self.name) if alert.kind == self._source.kind]
        told = silent(own, self._after, self._clock())
        return self._inbox.put(told) if told else []

    def attempt(self) -> bool:
        """Look once, whatever happens; whether it could be done."""
        try:
            taken = self.once()
        except Exception as error:
            # The disk or the database: the next look may go better.
            if not self.error:
                self._say(f"Source {self.name}: {error}; trying again until it works")
            self.error = str(error)
            return False
        if taken:
            hosts = ", ".join(sorted({each.alert.host or each.alert.key for each in taken})[:5])
            self._say(f"Source {self.name}: {len(taken)} alerts count as over, not told for long: {hosts}")
        self.error, self.answered = "", self._clock()
        return True

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.attempt()
            self._stopped.wait(min(_LONGEST, self._after / 4))
