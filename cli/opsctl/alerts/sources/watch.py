"""What all that looks for alerts by itself has in common: a thread of its own, and how it stands."""

from __future__ import annotations

import threading

from opsctl.alerts.config import Source


class Watch:
    """Looks after one source in a thread of its own, from `start` to `stop`. Subclasses say how: `_run`."""

    def __init__(self, source: Source, verb: str) -> None:
        """Nothing is done yet. `verb`: for the thread's name."""
        self._source = source
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"opsctl-{verb}-{source.name}", daemon=True)
        self.error = ""
        """Why it cannot look just now; empty when it can."""
        self.answered = 0.0
        """When it last could, seconds since the epoch."""

    @property
    def name(self) -> str:
        """Of its source."""
        return self._source.name

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 30) -> None:
        """End; returns when it has."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        """Look again and again until `_stopped` is set."""
        raise NotImplementedError
