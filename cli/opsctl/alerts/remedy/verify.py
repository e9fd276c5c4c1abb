"""Looks whether problems are gone: all of a source in one question, again and again, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.monitoring import Monitoring
from opsctl.errors import OpsctlError

EVERY = 0.3
"""Seconds between two looks."""
_LOOK = 5.0
"""Seconds between two wishes that slow items be checked."""


@dataclass
class Case:
    """One problem that should be gone soon."""

    alert: Alert
    looked: float = float("-inf")
    """When its source was told to look again."""


class Verifier:
    """Watches cases until somebody takes them away; tells of each that is gone, and of sources that cannot be asked."""

    def __init__(
        self,
        inbox: Inbox,
        monitoring: Monitoring,
        gone: Callable[[str, str], None],
        unable: Callable[[str, str], None],
    ) -> None:
        """`gone(remediation, text)`, `unable(remediation, why)` are called in the thread of the verifier."""
        self._inbox = inbox
        self._monitoring = monitoring
        self._gone = gone
        self._unable = unable
        self._cases: dict[str, Case] = {}
        self._news = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._watch, name="verifier", daemon=True)
        self._thread.start()

    def watch(self, remediation: str, alert: Alert) -> None:
        """Begin; once more is no error."""
        with self._news:
            if remediation not in self._cases:
                self._cases[remediation] = Case(alert)
                self._news.notify()

    def leave(self, remediation: str) -> None:
        """Look no more."""
        with self._news:
            self._cases.pop(remediation, None)

    def watching(self, remediation: str) -> bool:
        """Whether it is looked at."""
        with self._news:
            return remediation in self._cases

    def close(self) -> None:
        """End."""
        with self._news:
            self._over = True
            self._news.notify()
        self._thread.join(5)

    def _watch(self) -> None:
        while True:
            with self._news:
                while not self._cases and not self._over:
                    self._news.wait()
                if self._over:
                    return
                cases = dict(self._cases)
            self._turn(cases)
            with self._news:
                if not self._over:
                    self._news.wait(EVERY)

    def _turn(self, cases: Mapping[str, Case]) -> None:
        try:
            known = self._inbox.known({case.alert.id for case in cases.values()})
        except OpsctlError:
            # Whoever writes there says so; the next look may find it well again.
            known = {}
        asked = {}
        for name, case in cases.items():
            told = known.get(case.alert.id)
            if told is not None and not told.firing:
                self._done(name, f"its source says that the problem is over since {told.resolved}")
            elif self._monitoring.asks(case.alert):
                asked[name] = case
        if asked:
            self._ask(asked)

    def _ask(self, cases: Mapping[str, Case]) -> None:
        alerts = list({case.alert.id: case.alert for case in cases.values()}.values())
        try:
            ended = self._monitoring.gone(alerts)
        except OpsctlError as error:
            for name in cases:
                self._unable(name, str(error))
            return
        for name, case in cases.items():
            if case.alert.id in ended:
                when = ended[case.alert.id]
                self._done(name, f"the problem is over since {when}" if when else "its source knows no such problem")
        self._look([case for case in cases.values() if case.alert.id not in ended])

    def _look(self, cases: Sequence[Case]) -> None:
        now = time.monotonic()
        due = [case for case in cases if now - case.looked > _LOOK]
        for case in due:
            case.looked = now
        # Not every source can, and not everybody may: then it is seen when it is checked anyway.
        with suppress(OpsctlError):
            if due:
                self._monitoring.look([case.alert for case in due])

    def _done(self, remediation: str, text: str) -> None:
        self.leave(remediation)
        self._gone(remediation, text)
