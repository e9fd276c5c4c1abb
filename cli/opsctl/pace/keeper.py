"""Watches over a run: orders from other terminals, the answer on this one, the end of patience in a pause."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from opsctl.pace.brake import Brake, Change
from opsctl.pace.control import Inbox, Order

_INTERVAL = 0.1
"""Seconds between two looks."""


class Keeper:
    """A thread beside the run. What it may do is given to it: nothing here knows of databases or executions."""

    def __init__(
        self,
        brake: Brake,
        inbox: Inbox,
        *,
        me: dict[str, Any],
        patience: float,
        record: Callable[[Change], None],
        cancel: Callable[[], None],
    ) -> None:
        """`me`: who sits at this terminal; `patience`: seconds of one pause; `record`: makes a change durable;
        `cancel`: ends the run at once.
        """
        self._brake, self._inbox, self._me, self._patience = brake, inbox, me, patience
        self._record, self._cancel = record, cancel
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._deadline = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keeper", daemon=True)
        self._hearing = brake.heard(self._changes.put, lambda: None)
        self.error: Exception | None = None
        self.canceled_by = ""

    def __enter__(self) -> Keeper:
        """Begins to watch."""
        self._hearing.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The run is over; what changed last is still recorded."""
        self._over.set()
        self._thread.join()
        self._hearing.__exit__(None, None, None)
        self._inbox.close()

    def _watch(self) -> None:
        try:
            while not self._over.wait(_INTERVAL):
                self._look()
            self._note()
        except Exception as error:
            # A run whose pauses cannot be recorded must not go on, whatever the reason.
            self.error = error
            self._cancel()

    def _look(self) -> None:
        for order in self._inbox.take():
            self._obey(order)
        self._note()
        if self._deadline and time.monotonic() > self._deadline:
            self._deadline = 0
            self._brake.finish("unanswered", f"nobody continued it within {self._patience:g} s")
        if self._brake.held and interactive():
            self._listen()

    def _obey(self, order: Order) -> None:
        if order.verb == "pause":
            self._brake.hold(f"by {order.name}", order.by)
        elif order.verb == "continue":
            self._brake.go(f"by {order.name}", order.by)
        else:
            self.canceled_by = self.canceled_by or order.name
            self._cancel()

    def _note(self) -> None:
        while not self._changes.empty():
            change = self._changes.get()
            self._deadline = time.monotonic() + self._patience if change.kind == "paused" else 0
            self._record(change)

    def _listen(self) -> None:
        """Take the answer of the one who sits here, if there is one."""
        if not select.select([sys.stdin], [], [], 0)[0]:
            return
        answer = sys.stdin.readline()
        name = str(self._me.get("name", ""))
        if answer.strip().lower() in ("q", "quit", "n", "no") or not answer:
            self.canceled_by = name
            self._brake.finish("canceled", f"canceled by {name}")
        elif not answer.strip():
            self._brake.go(f"by {name}", self._me)


def interactive() -> bool:
    """Whether somebody sees our questions and can answer them here: also not when this runs in the background."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
