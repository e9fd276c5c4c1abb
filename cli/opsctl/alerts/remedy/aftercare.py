"""What is told to the source of an alert, and the quiet that is asked of it: errands that may take long or fail.

Each may be done twice: what was done is noted after it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.monitoring import Monitoring
from opsctl.alerts.remedy.store import Remedies, Remedy
from opsctl.alerts.rules.rule import Rule
from opsctl.clock import seconds, stamp
from opsctl.errors import OpsctlError

_AT_ONCE = 4
_WAITS = (1.0, 3.0, 10.0, 30.0, 60.0)
"""Seconds between attempts; then it is given up."""


@dataclass
class _Errand:
    attempts: int = 0
    due: float = 0.0
    busy: bool = False
    done: bool = False
    error: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Aftercare:
    """Errands by name. Whoever wants one done asks again and again until it is."""

    def __init__(
        self,
        inbox: Inbox,
        remedies: Remedies,
        monitoring: Monitoring,
        bell: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        """`bell`: rung when an errand is over. `tell`: hears of those that could not be done."""
        self._inbox = inbox
        self._remedies = remedies
        self._monitoring = monitoring
        self._bell = bell
        self._tell = tell
        self._errands: dict[str, _Errand] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="errand")

    def close(self) -> None:
        """Begin no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def healed(self, remedy: Remedy, alert: Alert) -> str | None:
        """Tell the source what healed it; None until that is done, then what became of it."""
        run = f"run {remedy.result.get('run') or remedy.run_id}"
        text = f"opsctl {run} healed this: rule {remedy.rule}, remediation {remedy.id}"

        def do() -> None:
            self._monitoring.tell(alert, text, acknowledge=True)
            if not alert.acknowledged:
                self._inbox.mark([alert.id], acknowledged=True)

        return self._done(f"healed {remedy.id}", do, "told to its source")

    def escalated(self, remedy: Remedy, alert: Alert, rule: Rule | None, why: str) -> str | None:
        """Tell the source that a person is needed; as `healed`."""
        severity = rule.on_failure.escalate.severity if rule else None
        text = f"opsctl could not heal this, a person is needed: {why} (rule {remedy.rule}, remediation {remedy.id})"
        raised = severity if severity != alert.severity else None
        return self._done(
            f"escalated {remedy.id}", lambda: self._monitoring.tell(alert, text, severity=raised), "told to its source"
        )

    def silence(self, remedy: Remedy, alert: Alert, until: float) -> None:
        """Ask for quiet about what is about to be changed; nothing waits for it."""
        name = f"opsctl {remedy.id}"
        hosts = list(remedy.result.get("hosts") or [alert.host])
        # Stored first: so it is given back whatever happens.
        self._remedies.silence(name, hosts, stamp(until), remedy.id)
        self._done(f"silence {remedy.id}", lambda: self._monitoring.silence(alert, hosts, until, name), "", once=True)

    def lift(self, now: float) -> bool:
        """Give back the quiet that is not needed any more; whether there is any left."""
        left = self._remedies.silences()
        for silence in left:
            name = str(silence["name"])
            found = self._remedies.of_ids([str(silence["remediation_id"])])
            needed = found and found[0].state in ("starting", "waiting", "running", "verifying", "undoing")
            if needed and seconds(str(silence["until"])) > now:
                continue

            def do(name: str = name) -> None:
                self._monitoring.lift(name)
                self._remedies.lifted(name)

            self._done(f"lift {name}", do, "")
        return bool(left)

    def _done(self, name: str, do: Callable[[], None], good: str, *, once: bool = False) -> str | None:
        """None until it is done; then `good`, or why it could not be. `once`: nobody asks again."""
        errand = self._errands.setdefault(name, _Errand())
        with errand.lock:
            if errand.done:
                self._errands.pop(name)
                return errand.error or good
            if errand.busy or time.monotonic() < errand.due:
                return None
            errand.busy = True
            if once:
                self._errands.pop(name)
        self._pool.submit(self._run, name, errand, do)
        return None

    def _run(self, name: str, errand: _Errand, do: Callable[[], None]) -> None:
        error = ""
        try:
            do()
        except OpsctlError as caught:
            error = str(caught)
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
        with errand.lock:
            errand.busy = False
            errand.done = not error or errand.attempts >= len(_WAITS)
            errand.error = error
            if error and not errand.done:
                errand.due = time.monotonic() + _WAITS[errand.attempts]
                errand.attempts += 1
        if error and errand.attempts <= 1:
            self._tell(f"{name}: {error}")
        self._bell()
