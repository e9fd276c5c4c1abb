"""Each signature nonce once: what keeps a recorded call from being played again.

A call is acceptable while its own time stamp is within ``window`` of now, so a nonce needs remembering only until its
call is too old by that rule. The memory is this process's; a restart forgets it. What was accepted before the restart
must still not be accepted again, therefore calls dated before the start are refused as expired: clients sign each
attempt anew, so a call that survives a restart does not exist. Time stamps have whole seconds, which leaves the very
second of the start: a call accepted in it by the process before could be replayed within it.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from datetime import datetime, timedelta

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.answer import ThrottledError

WINDOW = timedelta(minutes=15)


class Nonces:
    """The nonces of the last ``window``, at most ``limit`` of them; safe to use from many threads."""

    def __init__(self, started: datetime, window: timedelta = WINDOW, limit: int = 200_000) -> None:
        self._started = started.replace(microsecond=0)
        self._window = window
        self._limit = limit
        self._seen: set[bytes] = set()
        self._expiry: list[tuple[datetime, bytes]] = []
        self._lock = threading.Lock()

    def fresh(self, date: datetime, now: datetime) -> None:
        """Refuse a call whose time stamp is out of the window, or older than this process."""
        if abs(now - date) > self._window or date < self._started:
            raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")

    def use(self, access_key_id: str, nonce: str, date: datetime, now: datetime) -> None:
        """Remember the nonce of a call that is otherwise good; refuse one that was used.

        A full memory refuses new calls instead of forgetting old ones: forgetting would let them be replayed.
        """
        # A digest, so that a client cannot fill the memory with long nonces.
        mark = hashlib.sha256(f"{access_key_id}\n{nonce}".encode(errors="surrogatepass")).digest()
        with self._lock:
            while self._expiry and self._expiry[0][0] < now:
                self._seen.discard(heapq.heappop(self._expiry)[1])
            if mark in self._seen:
                raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
            if len(self._seen) >= self._limit:
                raise ThrottledError("Throttling", "Request was denied due to request throttling.", retry_after=1000)
            self._seen.add(mark)
            heapq.heappush(self._expiry, (date + self._window, mark))

    def __len__(self) -> int:
        return len(self._seen)
