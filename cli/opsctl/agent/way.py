"""The client's end: processes on hosts over connections that the agent keeps, or over our own where it does not."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.agent import place, wire
from opsctl.errors import OpsctlError
from opsctl.fanout.ssh import Connection, Lost, Process, Refused, direct
from opsctl.output import say

if TYPE_CHECKING:
    from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.direct import Direct

_PATIENCE = 5.0
"""Seconds the agent may be silent, which says every second that it works, before it is no longer asked."""
_AHEAD = 256 * 1024
"""Bytes of a stream that are taken before somebody reads them."""


class Kept:
    """Asks the agent first. Nothing is lost when it dies: until it says that a line runs, none has begun."""

    def __init__(self, path: Path) -> None:
        """`path`: its socket."""
        self.warm = self.cold = self.alone = 0
        """Processes over connections that were open, over new ones of the agent, over our own."""
        self._path = path
        self._run = os.urandom(16).hex()
        self._own: Direct | None = None
        self._gone = False

    async def open(self, to: Connection, line: str) -> Process:
        """Start a process.

        Raises:
            Refused: the host cannot be reached, or does not let us in.
        """
        if not self._gone and not to.jump:
            try:
                if found := await self._ask(to, line):
                    return found
            except (EOFError, OSError, TimeoutError, wire.BadFrame):
                self._gone = True
        if self._own is None:
            self._own = direct()
        self.alone += 1
        return await self._own.open(to, line)

    async def close(self) -> None:
        """Leave what is our own."""
        if self._own is not None:
            await self._own.close()

    async def _ask(self, to: Connection, line: str) -> Running | None:
        reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(self._path, limit=_AHEAD), _PATIENCE)
        try:
            if not place.ours(writer.get_extra_info("socket")):
                raise OSError("somebody else's")
            # The password of sudo goes to the host as input, later; the agent needs to know nothing of it.
            bare = replace(to, user=to.user or getpass.getuser(), become_user="", become_password="")
            asked = {"to": bare.plain(), "line": line, "run": self._run, "home": os.environ.get("HOME")}
            writer.write(wire.message(wire.OPEN, asked | {"agent": os.environ.get("SSH_AUTH_SOCK", "")}))
            kind, content = wire.WAIT, b""
            while kind == wire.WAIT:
                kind, content = await asyncio.wait_for(wire.read(reader), _PATIENCE)
            if kind == wire.REFUSED:
                raise Refused(content.decode("utf-8", "replace"))
            if kind == wire.BEGAN:
                warm = bool(wire.parsed(content)["warm"])
                self.warm, self.cold = self.warm + warm, self.cold + (not warm)
                return Running(reader, writer)
            if kind != wire.ALONE:
                raise wire.BadFrame(repr(kind))
        except BaseException:
            writer.transport.abort()
            raise
        writer.transport.abort()
        return None


class Running:
    """A process that the agent runs for us."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both of its socket."""
        self._reader, self._writer = reader, writer
        self._status: int | None = None
        self._streams = {wire.OUT: _Stream(), wire.ERR: _Stream()}
        self._taking = asyncio.ensure_future(self._take())

    @property
    def returncode(self) -> int | None:
        """None when it did not end by itself."""
        return self._status

    async def write(self, data: bytes) -> None:
        """To its standard input."""
        try:
            self._writer.write(wire.frame(wire.INPUT, data))
            await self._writer.drain()
        except OSError as error:
            raise Lost("the agent is gone") from error

    def end(self) -> None:
        """The end of its standard input."""
        with suppress(OSError):
            self._writer.write(wire.frame(wire.END))

    async def read(self, stream: str, size: int) -> bytes:
        """Of one of its streams."""
        return await self._streams[wire.OUT if stream == "stdout" else wire.ERR].read(size)

    async def wait(self) -> None:
        """Until it has ended."""
        await asyncio.shield(self._taking)

    def close(self) -> None:
        """Leave it: the agent ends what still runs."""
        if self._taking.done() and not self._taking.cancelled():
            # Who asked has heard of it; nobody else needs to.
            self._taking.exception()
        self._taking.cancel()
        self._writer.transport.abort()

    async def _take(self) -> None:
        """Sort what comes into the two streams, and stop while one of them has enough."""
        try:
            while True:
                kind, content = await wire.read(self._reader)
                if kind == wire.OVER:
                    self._status = wire.parsed(content)["rc"]
                    return
                if kind == wire.WAIT:
                    # Said just before it heard that the line runs.
                    continue
                stream = self._streams.get(kind)
                if stream is None:
                    raise wire.BadFrame(repr(kind))
                await stream.put(content)
        except (EOFError, OSError, wire.BadFrame, ValueError) as error:
            raise Lost("the agent is gone") from error
        finally:
            for stream in self._streams.values():
                stream.end()


class _Stream:
    """Bytes on their way from one coroutine to another, only so many."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._over = False
        self._more, self._room = asyncio.Event(), asyncio.Event()

    async def put(self, data: bytes) -> None:
        self._held += data
        self._more.set()
        while len(self._held) > _AHEAD:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        self._over = True
        self._more.set()

    async def read(self, size: int) -> bytes:
        while not self._held and not self._over:
            self._more.clear()
            await self._more.wait()
        data = bytes(self._held[:size])
        del self._held[:size]
        self._room.set()
        return data


def kept(wanted: str) -> Kept | None:
    """The way over the agent, when it runs and is `wanted` (setting `agent`); says so."""
    told = ask(wire.STATUS, 0.5) if wanted == "auto" else None
    if told is None:
        return None
    say(f"Connections are kept by the agent (process {told['pid']})")
    return Kept(place.address())


def ask(kind: bytes, patience: float = 2.0) -> dict[str, Any] | None:
    """What the agent says of itself; None when there is none."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(patience)
            client.connect(str(place.address()))
            if not place.ours(client):
                return None
            client.sendall(wire.frame(kind))
            return dict(wire.parsed(_whole(client)))
    except (OSError, ValueError, OpsctlError):
        # Also when somebody else sits at its place: that must keep nobody from running commands.
        return None


def _whole(client: socket.socket) -> bytes:
    data = b""
    while part := client.recv(65536):
        data += part
    return data[5:]
