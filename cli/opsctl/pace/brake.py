"""The one thing by which people and rules hold a run, let it go on, or end it: shared by all threads of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["paused", "continued"]
End = Literal["errors", "matched", "unanswered", "canceled"]


@dataclass(frozen=True, slots=True)
class Change:
    """A run was held or goes on."""

    kind: Kind
    text: str
    by: Mapping[str, Any] | None
    """Who said so; none = the run's own rate."""

    def event(self) -> dict[str, Any]:
        """As an event of a run."""
        return event(self.kind, f"{self.kind.capitalize()} {self.text}", {"by": dict(self.by) if self.by else None})


Listener = Callable[[Change], None]


class Brake:
    """Not held at first. Listeners are called in the thread that changes something, one change after the other."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._enders: list[Callable[[], None]] = []
        self.held = False
        self.end: End | None = None
        self.text = ""

    def listen(self, changed: Listener, ended: Callable[[], None] = lambda: None) -> None:
        """Hear of every change, and of the end; of what is so already, at once."""
        with self._lock:
            self._listeners.append(changed)
            self._enders.append(ended)
            if self.end:
                ended()

    def hold(self, text: str, by: Mapping[str, Any] | None = None) -> bool:
        """Let nothing begin any more; False when it is held or over already."""
        return self._turn("paused", text, by, held=True)

    def go(self, text: str, by: Mapping[str, Any] | None = None) -> bool:
        """Let it go on; False when it is not held."""
        return self._turn("continued", text, by, held=False)

    def finish(self, end: End, text: str) -> bool:
        """End it when nothing is in the middle of something; the first reason counts."""
        with self._lock:
            if self.end:
                return False
            self.end, self.text = end, text
            for ended in self._enders:
                ended()
            return True

    def _turn(self, kind: Kind, text: str, by: Mapping[str, Any] | None, *, held: bool) -> bool:
        with self._lock:
            if self.held == held or self.end:
                return False
            self.held = held
            for changed in self._listeners:
                changed(Change(kind, text, by))
            return True


def event(kind: str, text: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An event of ours in the shape of ansible-runner's; `text` is for people."""
    from opsctl.clock import now

    return {"event": f"pace_{kind}", "created": now(), "event_data": {"pace": dict(data)}, "stdout": text}
