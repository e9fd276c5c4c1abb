"""Between a process on a host and a client's socket: what one says the other hears, no faster than it listens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncssh
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.direct import WINDOW

from opsctl.agent import wire
from opsctl.fanout.ssh import Refused

_ENOUGH = 256 * 1024
"""Bytes that may wait for a client before its host has to wait."""


class Relay(asyncssh.SSHClientSession[bytes]):
    """A session on a kept connection; `opened` is set when the host has let us open it, before anything runs."""

    def __init__(self, writer: asyncio.StreamWriter, *, warm: bool) -> None:
        """`writer`: to the client, who is told whether the connection was there already."""
        self.opened = asyncio.Event()
        self.over = asyncio.Event()
        self.status: int | None = None
        self._writer, self._warm = writer, warm
        self._writable = asyncio.Event()
        self._writable.set()
        self._draining: asyncio.Task[None] | None = None
        self._channel: Any = None

    def connection_made(self, chan: Any) -> None:
        """The host has opened it."""
        self._channel = chan
        self.opened.set()

    def session_started(self) -> None:
        """It runs. This comes before any of its output."""
        self._writer.write(wire.message(wire.BEGAN, {"warm": self._warm}))

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass it on; ask the host to wait when the client does not read."""
        self._writer.write(wire.frame(wire.ERR if datatype else wire.OUT, data))
        if self._draining is None and self._writer.transport.get_write_buffer_size() > _ENOUGH:
            self._channel.pause_reading()
            self._draining = asyncio.ensure_future(self._drain())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes. A signal counts as shells count it."""
        code = None if exc is not None else self._channel.get_returncode()
        self.status = code if code is None or code >= 0 else 128 - code
        self._writable.set()
        self.over.set()

    def pause_writing(self) -> None:
        """The host does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does."""
        self._writable.set()

    async def feed(self, reader: asyncio.StreamReader) -> None:
        """Take what the client sends until it is gone, or the session is over."""
        try:
            while True:
                kind, content = await wire.read(reader)
                if kind == wire.INPUT:
                    self._channel.write(content)
                    await self._writable.wait()
                elif kind == wire.END:
                    self._channel.write_eof()
        except (EOFError, OSError, wire.BadFrame):
            return

    def end(self) -> None:
        """The client is gone: the process hears the end of its input, and ends."""
        if not self.over.is_set():
            self._channel.write_eof()

    async def finish(self) -> None:
        """Tell the client how it ended."""
        if self._draining is not None:
            await self._draining
        self._writer.write(wire.frame(wire.OVER, json.dumps({"rc": self.status}).encode()))
        await self._writer.drain()

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            # The client is gone; what the host still says goes nowhere.
            self._writer.transport.abort()
        self._draining = None
        self._channel.resume_reading()


async def start(link: Any, line: str, writer: asyncio.StreamWriter, *, warm: bool) -> Relay:
    """Start a line on an open connection; one that was idle has to answer soon.

    Raises:
        Stale: the connection does not work any more, and nothing was started.
        Refused: something was perhaps started, and went wrong.
    """
    made: list[Relay] = []

    def session() -> Relay:
        made.append(Relay(writer, warm=warm))
        return made[0]

    creating = asyncio.ensure_future(link.create_session(session, line, encoding=None, window=WINDOW))
    try:
        await asyncio.wait({creating}, timeout=_PATIENCE if warm else None)
        if not creating.done() and made and made[0].opened.is_set():
            # It opened the channel; what takes long now is the host's shell.
            await asyncio.wait({creating})
        if not creating.done():
            raise Stale("no answer")
        creating.result()
    except (asyncssh.Error, OSError) as error:
        if made:
            raise Refused(" ".join(str(error).split()) or type(error).__name__) from error
        raise Stale(str(error)) from error
    finally:
        if not creating.done():
            creating.cancel()
            await asyncio.gather(creating, return_exceptions=True)
    return made[0]


class Stale(Exception):
    """A kept connection is dead; another one must be made."""


_PATIENCE = 3.0
"""Seconds a host may take to open a session on a connection that was idle."""
