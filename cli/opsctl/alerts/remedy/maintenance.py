"""Which hosts people have put into maintenance, asked for in the background: a decision never waits for it.

Zabbix itself notices a window up to a minute after it was made, and until then raises problems as if there were none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from opsctl.errors import OpsctlError

_EVERY = 5.0
"""Seconds between two questions."""
_FIRST = 2.0
"""Seconds that the first answer is waited for."""


class Maintenance:
    """Host -> until when it is in maintenance, as it was a few seconds ago; None = nobody says until when."""

    def __init__(
        self,
        ask: Callable[[Collection[str]], Collection[str]],
        hosts: Callable[[], Collection[str]],
        tell: Callable[[str], None],
    ) -> None:
        """`ask`: which of these hosts are in maintenance; may raise OpsctlError. `hosts`: those to ask about."""
        self._ask = ask
        self._hosts = hosts
        self._tell = tell
        self._known: dict[str, datetime | None] = {}
        self._complaint = ""
        self._over = threading.Event()
        self._answered = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="maintenance", daemon=True)

    def __call__(self) -> Mapping[str, datetime | None]:
        """What is known."""
        return self._known

    def start(self) -> None:
        """Begin to ask. The first answer is waited for, but not long."""
        self._thread.start()
        self._answered.wait(_FIRST)

    def close(self) -> None:
        """Ask no more; a question that is on its way is not waited for."""
        self._over.set()

    def look(self) -> None:
        """Ask once. What was known stays when there is no answer, and that is said once."""
        try:
            hosts = self._hosts()
            self._known = dict.fromkeys(self._ask(hosts) if hosts else ())
        except OpsctlError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._tell(f"Which hosts are in maintenance cannot be asked: {error}")
            return
        self._complaint = ""

    def _watch(self) -> None:
        while not self._over.is_set():
            self.look()
            self._answered.set()
            self._over.wait(_EVERY)
