# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP POST over connections that stay open, and the one thing retries need: whether anything was sent.

The API class of zabbix-utils opens a connection a call and tells failures before and after sending apart by nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

IDLE = 4.0  # seconds; Apache closes after 5, and a request that meets the close could be carried out or not
MOST = 64 << 20  # bytes of an answer
KEPT = 8  # idle connections


class NotSent(Exception):
    """The request was never sent whole, so the service cannot have carried it out."""


class Untrusted(NotSent):
    """The certificate is not one to talk to; another try would not help."""


class NoAnswer(Exception):
    """The request was sent, and no whole answer came."""


@dataclass(frozen=True)
class Answer:
    """Status, the ``Location`` of a redirect, and the body."""

    status: int
    location: str
    body: bytes


class Wire:
    """POSTs to one address. Threads may share it: each call has a connection for itself."""

    def __init__(self, url: str, timeout: float, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path or "/"
        self._context = context if parts.scheme == "https" else None
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._process = os.getpid()

    def post(self, body: bytes, headers: Mapping[str, str], patience: float, fresh: bool) -> Answer:
        """The answer, for which it waits ``patience`` seconds. Raises :class:`NotSent` or :class:`NoAnswer`.

        ``fresh``: by a new connection, which the service cannot be closing just now: then nobody knows what was done.
        """
        end = time.monotonic() + patience
        connection = self._new() if fresh else self._take()
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(patience)
            connection.request("POST", self._path, body, dict(headers))
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Untrusted(f"its certificate is not accepted ({error.verify_message})") from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotSent(_reason(error)) from None
        try:
            response = connection.getresponse()
            answer = Answer(response.status, response.getheader("Location") or "", _read(connection, response, end))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoAnswer(_reason(error)) from None
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._give(connection)
        return answer

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _since in idle:
            connection.close()

    def _take(self) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                if self._process != os.getpid():  # a fork shares its parent's connections: theirs stay theirs
                    self._idle, self._process = [], os.getpid()
                if not self._idle:
                    break
                connection, since = self._idle.pop()
            if time.monotonic() - since < IDLE and not _readable(connection):
                return connection
            connection.close()
        return self._new()

    def _new(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < KEPT:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()


def _readable(connection: http.client.HTTPConnection) -> bool:
    """An idle connection has nothing to say, unless that it ends."""
    if connection.sock is None:
        return True
    with contextlib.suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        return bool(poll.poll(0))
    return True


def _read(connection: http.client.HTTPConnection, response: http.client.HTTPResponse, end: float) -> bytes:
    """The whole body, before ``end``: a service that drips must not hold a caller for ever."""
    parts, size, expected = [], 0, response.length  # which read1 of Python 3.11 does not count down
    while expected is None or size < expected:
        part = response.read1(1 << 16)
        if not part:
            break
        parts.append(part)
        size += len(part)
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if size > MOST:
            raise http.client.HTTPException(f"the answer is larger than {MOST >> 20} MiB")
        if connection.sock is not None:
            connection.sock.settimeout(left)
    body = b"".join(parts)
    if expected is not None and size < expected:
        raise http.client.IncompleteRead(body, expected - size)
    response.close()
    return body


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
