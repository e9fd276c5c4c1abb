# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command on one host: start it, hand on what it says as it says it, and make sure that it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.become import Become
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command, wrapped

How = Literal["ok", "failed", "unreachable", "timeout", "canceled"]
Say = Callable[[str, bytes], Awaitable[None]]
"""(stream, bytes): takes a piece of output; comes back when there is room for more."""

_PIECE = 64 * 1024
"""Bytes that are read or written at once."""
_END = 4.0
"""Seconds a command may take to end when it has been told to: TERM, one second, KILL."""
_TAIL = 400


class Refused(Exception):
    """The host cannot be reached or does not let us in; the text says why, in one line."""


class Lost(Exception):
    """The connection broke while the command ran."""


class Process(Protocol):
    """A line that runs in a login shell. Its methods raise `Lost`."""

    @property
    def returncode(self) -> int | None:
        """None when it did not end by itself."""

    async def write(self, data: bytes) -> None:
        """To its standard input; comes back when there is room for more."""

    def end(self) -> None:
        """The end of its standard input."""

    async def read(self, stream: str, size: int) -> bytes:
        """Of `stdout` or `stderr`; nothing at its end."""

    async def wait(self) -> None:
        """Until it has ended."""

    def close(self) -> None:
        """Leave it, and never wait."""


class Way(Protocol):
    """How processes are started on hosts."""

    async def open(self, to: Connection, line: str) -> Process:
        """Start one.

        Raises:
            Refused: it cannot.
        """

    async def close(self) -> None:
        """Leave what was needed on the way to hosts."""


@dataclass(frozen=True)
class Ending:
    """How it ended on one host."""

    how: How
    seconds: float
    rc: int | None = None
    error: str = ""


@dataclass(frozen=True)
class _Bounds:
    limit: float
    """Seconds, as it was asked for."""
    deadline: float
    stop: asyncio.Future[None]


class Session:
    """A command on a host, once."""

    def __init__(self, to: Connection, way: Way, word: str) -> None:
        """`word`: one that nobody else says."""
        self._to, self._way, self._word = to, way, word
        self._tail = b""

    async def run(self, command: Command, limit: float, stop: asyncio.Future[None], say: Say) -> Ending:
        """To its end, at most `limit` seconds, or until `stop` is done."""
        began = time.monotonic()

        def ended(how: How, rc: int | None = None, error: str = "") -> Ending:
            return Ending(how, round(time.monotonic() - began, 3), rc, error)

        to = self._to
        line, given = wrapped(command, to.become_user, self._word, asked=bool(to.become_password))
        opening = asyncio.ensure_future(self._way.open(to, line))
        try:
            why = await _until(opening, _Bounds(limit, began + limit, stop))
            if why:
                text = "canceled" if why == "canceled" else f"timed out after {limit:g} s, before it began"
                return ended(why, error=text)
            process = opening.result()
        except Refused as error:
            return ended("unreachable", error=str(error))
        finally:
            await _over(opening)
        try:
            return ended(*await self._follow(process, given, _Bounds(limit, began + limit, stop), say))
        except Lost as error:
            return ended("unreachable", error=f"connection lost while it ran{_because(str(error))}")
        finally:
            process.close()

    async def _follow(self, process: Process, given: bytes, bounds: _Bounds, say: Say) -> tuple[How, int | None, str]:
        become = Become(self._word if self._to.become_user else "", self._to.become_password)
        feeding = asyncio.ensure_future(_feed(process, given, become))
        parts = [self._pass(process, stream, say, become) for stream in ("stdout", "stderr")]
        running = asyncio.ensure_future(_all(*parts, process.wait()))
        try:
            why = await _until(running, bounds)
            note = ""
            if why:
                await _over(feeding)
                process.end()
                await asyncio.wait({running}, timeout=_END)
                note = "" if running.done() else "; it may still run there"
            if running.done():
                running.result()
        finally:
            await _over(running, feeding)
        if why:
            return why, None, f"canceled{note}" if why == "canceled" else f"timed out after {bounds.limit:g} s{note}"
        return self._judged(process.returncode, become)

    def _judged(self, rc: int | None, become: Become) -> tuple[How, int | None, str]:
        if rc is None:
            raise Lost
        if become.waiting:
            said = become.complaint or _line(become.said) or f"sudo ended with {rc}"
            return "failed", rc, f"cannot become {self._to.become_user}: {said}"
        return ("failed", rc, f"exit status {rc}{_because(_line(self._tail))}") if rc else ("ok", rc, "")

    async def _pass(self, process: Process, stream: str, say: Say, become: Become) -> None:
        while data := await process.read(stream, _PIECE):
            if said := become.strip(stream, data):
                if stream == "stderr":
                    self._tail = (self._tail + said)[-_TAIL:]
                await say(stream, said)


async def _feed(process: Process, given: bytes, become: Become) -> None:
    try:
        async for secret in become.dialog():
            await process.write(secret)
        if become.complaint:
            process.end()
            return
        for start in range(0, len(given), _PIECE):
            await process.write(given[start : start + _PIECE])
    except Lost:
        # It has ended without reading all; how, its exit status says.
        return


async def _until(task: asyncio.Future[Any], bounds: _Bounds) -> Literal["", "canceled", "timeout"]:
    """Why the task is not waited for any longer; empty when it is done."""
    rest = max(0.0, bounds.deadline - time.monotonic())
    await asyncio.wait({task, bounds.stop}, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return ""
    return "canceled" if bounds.stop.done() else "timeout"


async def _over(*tasks: asyncio.Future[Any]) -> None:
    """End what still runs, and let nobody miss what it raises."""
    for task in tasks:
        if not task.done():
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _all(*parts: Awaitable[Any]) -> None:
    await asyncio.gather(*parts)


def _line(data: bytes) -> str:
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _because(text: str) -> str:
    return f": {text}" if text else ""
