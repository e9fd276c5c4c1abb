"""The one thing by which people and rules hold a run, let it go on, or end it: shared by all threads of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from opsctl.clock import now

Kind = Literal["paused", "continued"]
End = Literal["errors", "batch", "matched", "unanswered", "canceled"]


@dataclass(frozen=True, slots=True)
class Change:
    """A run was held or goes on."""

    kind: Kind
    text: str
    by: Mapping[str, Any] | None
    """Who said so; none = the run's own rate."""

    def event(self) -> dict[str, Any]:
        """As an event of a run."""
        return event(self.kind, self.text, {"by": dict(self.by) if self.by else None})


Listener = Callable[[Change], None]


class Brake:
    """Not held at first. Listeners are called in the thread that changes something, one change after the other."""

    def __init__(self, hint: str = "") -> None:
        """Nobody listens yet; `hint`: what people are told to do when it is held."""
        self._lock = threading.RLock()
        self._listeners: list[tuple[Listener, Callable[[], None]]] = []
        self._hint = hint
        self.held = False
        self.end: End | None = None
        self.text = ""

    @contextmanager
    def heard(self, changed: Listener, ended: Callable[[], None]) -> Iterator[None]:
        """Hear of every change meanwhile, and of the end; of what is so already, look."""
        with self._lock:
            self._listeners.append((changed, ended))
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove((changed, ended))

    def hold(self, text: str, by: Mapping[str, Any] | None = None) -> bool:
        """Let nothing begin any more; False when it is held or over already."""
        return self._turn(Change("paused", f"Paused {text}{self._hint}", by), held=True)

    def go(self, text: str, by: Mapping[str, Any] | None = None) -> bool:
        """Let it go on; False when it is not held."""
        return self._turn(Change("continued", f"Continued {text}", by), held=False)

    def finish(self, end: End, text: str) -> bool:
        """End it when nothing is in the middle of something; the first reason counts."""
        with self._lock:
            if self.end:
                return False
            self.end, self.text = end, text
            for _, ended in self._listeners:
                ended()
            return True

    def _turn(self, change: Change, *, held: bool) -> bool:
        with self._lock:
            if self.held == held or self.end:
                return False
            self.held = held
            for changed, _ in self._listeners:
                changed(change)
            return True


def event(kind: str, text: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An event of ours in the shape of ansible-runner's; `text` is for people."""
    return {"event": f"pace_{kind}", "created": now(), "event_data": {"pace": dict(data)}, "stdout": text}
