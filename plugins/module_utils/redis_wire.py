# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to one Redis server over its own protocol (RESP2), with nothing but the standard library.

A node has Python and Redis, and no Redis library for Python; ``redis-cli`` would cost a process a call and cannot
pipeline.
Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, Union

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error

CHUNK = 1000  # commands written before their answers are read: bounds what both sides keep in memory
Word = Union[str, int, float]


class Lost(Error):
    """The server cannot be reached, or the connection broke: what was sent may or may not have been done."""


class Refused(Error):
    """The server answered with an error; ``code`` is its first word (MOVED, CLUSTERDOWN, LOADING, ...)."""

    def __init__(self, address: str, text: str) -> None:
        super().__init__(f"{address} answered: {text}")
        self.text = text
        self.code = text.partition(" ")[0]


class Connection:
    """One authenticated connection. Raises :class:`Lost` when it breaks, and is of no use after that."""

    def __init__(self, host: str, port: int, password: str | None = None, timeout: float = 5.0) -> None:
        self.address = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Lost(f"Cannot reach Redis at {self.address}: {_reason(error)}") from error
        self._reader = self._socket.makefile("rb")
        if password:
            try:
                self.call("AUTH", password)
            except Refused as refusal:
                self.close()
                raise Refused(
                    self.address, f"{refusal.text} Give the password that the node was set up with."
                ) from None
            except Lost:
                self.close()
                raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._reader.close()
        self._socket.close()

    def call(self, *words: Word) -> Any:
        """Send one command, return its answer: str, int, None or a list of these."""
        answer = self.pipeline([words])[0]
        if isinstance(answer, Refused):
            raise answer
        return answer

    def pipeline(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Send many commands at once and return their answers in order, refusals as :class:`Refused` values."""
        answers: list[Any] = []
        try:
            for start in range(0, len(commands), CHUNK):
                part = commands[start : start + CHUNK]
                self._socket.sendall(b"".join(_encode(words) for words in part))
                answers.extend(self._read() for _words in part)
        except (OSError, ValueError) as error:
            raise Lost(f"Lost the connection to Redis at {self.address}: {_reason(error)}") from error
        return answers

    def _read(self) -> Any:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("it was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Refused(self.address, rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self._read() for _index in range(int(rest))]
        raise ConnectionAbortedError("it does not speak the Redis protocol")

    def _bulk(self, size: int) -> str | None:
        if size < 0:
            return None
        data = self._reader.read(size + 2)
        if len(data) != size + 2:
            raise ConnectionResetError("it was closed")
        return data[:-2].decode(errors="replace")


def _encode(words: Sequence[Word]) -> bytes:
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _reason(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
