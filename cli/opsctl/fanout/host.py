"""One host: connect, run, hand on what it says as it says it, and make sure that it ends."""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncssh

from opsctl.fanout.connection import Connection
from opsctl.fanout.known import KeyRefused, KnownHosts
from opsctl.fanout.remote import Command, wrapped

How = Literal["ok", "failed", "unreachable", "timeout", "canceled"]
Say = Callable[[str, str], Awaitable[None]]
"""(stream, text): takes a piece of output; comes back when there is room for more."""

CHUNK = 64 * 1024
"""Bytes of one stream of one host in one record, at most."""
_WINDOW = 128 * 1024
_END = 4.0
"""Seconds a command may take to end when it has been told to: TERM, one second, KILL."""
_TAIL = 400
_KEX = "^curve25519-sha256,curve25519-sha256@libssh.org"
"""Key exchanges that resist quantum computers cost 5 ms of CPU more for each connection, and come after these."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended on one host."""

    how: How
    seconds: float
    rc: int | None = None
    error: str = ""


class Spool:
    """Cuts a stream into pieces that end where lines end, so that no secret in a line is torn in two."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._held = b""
        self.tail = b""

    def take(self, data: bytes) -> list[str]:
        """The pieces that are complete now."""
        self._held += data
        self.tail = (self.tail + data)[-_TAIL:]
        cut = self._held.rfind(b"\n") + 1
        key = self._held.rfind(b"-----BEGIN ")
        if 0 <= key < cut and b"-----END " not in self._held[key:]:
            cut = key
        if not cut and len(self._held) >= CHUNK:
            cut = len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return [text(ready[start : start + CHUNK]) for start in range(0, len(ready), CHUNK)]

    def rest(self) -> list[str]:
        """What is left at the end."""
        ready, self._held = self._held, b""
        return [text(ready)] if ready else []


def text(data: bytes) -> str:
    """Any bytes as text that can be turned back."""
    return data.decode("utf-8", "surrogateescape")


class Keys:
    """Private keys, each read once for all hosts."""

    def __init__(self) -> None:
        """None is read yet."""
        self._loaded: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """The key in a file.

        Raises:
            KeyRefused: it cannot be used.
        """
        if name not in self._loaded:
            path = Path(name).expanduser()
            try:
                self._loaded[name] = asyncssh.read_private_key(path)
            except OSError as error:
                raise KeyRefused(f"cannot read key {path}: {error.strerror}") from error
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
                raise KeyRefused(f"cannot use key {path}: {error}; an encrypted one belongs in the agent") from error
        return self._loaded[name]


class Session:
    """A command on a host, once."""

    def __init__(self, to: Connection, known: KnownHosts, keys: Keys, mark: str) -> None:
        """`mark`: a word nobody else says."""
        self._to, self._known, self._keys, self._mark = to, known, keys, mark
        self._refused = ""

    async def run(self, command: Command, limit: float, stop: asyncio.Future[None], say: Say) -> Ending:
        """To its end, at most `limit` seconds, or until `stop` is done."""
        began = time.monotonic()

        def ended(how: How, rc: int | None = None, error: str = "") -> Ending:
            return Ending(how, round(time.monotonic() - began, 3), rc, error)

        try:
            connected = await self._connect(min(limit, self._to.connect_timeout))
        except (KeyRefused, OSError, asyncssh.Error, TimeoutError, ValueError) as error:
            return ended("unreachable", error=self._refused or _reason(error))
        try:
            why, rc, note = await self._process(connected, command, began + limit, stop, say)
        except (asyncssh.Error, OSError) as problem:
            return ended("unreachable", error=f"connection lost: {_reason(problem)}")
        finally:
            connected.abort()
        if why == "timeout":
            return ended("timeout", error=f"timed out after {limit:g} s{note}")
        if why == "canceled":
            return ended("canceled", error=f"canceled{note}")
        if rc is None:
            return ended("unreachable", error="connection lost while it ran")
        return ended("failed" if rc or note else "ok", rc, note)

    async def _connect(self, patience: float) -> Any:
        to, session = self._to, self

        class Client(asyncssh.SSHClient):
            def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
                try:
                    session._refused = session._known.judge(to, key)
                except KeyRefused as error:
                    session._refused = str(error)
                return not session._refused

        known = self._known.known(to)
        algorithms = {name.decode(): None for key in known for name in key.sig_algorithms}
        options: dict[str, Any] = {"server_host_key_algs": list(algorithms)} if algorithms else {}
        if to.key_file:
            options["client_keys"] = [self._keys.get(to.key_file)]
        if to.password:
            options["password"] = to.password
        return await asyncio.wait_for(
            asyncssh.connect(
                to.address,
                to.port,
                username=to.user or getpass.getuser(),
                client_factory=Client,
                # Empty, not None: then every key is shown to the factory's method, which knows the files.
                known_hosts=([], [], []),
                kex_algs=_KEX,
                tunnel=to.jump or (),
                keepalive_interval=15,
                **options,
            ),
            patience,
        )

    async def _process(
        self, connected: Any, command: Command, deadline: float, stop: asyncio.Future[None], say: Say
    ) -> tuple[str, int | None, str]:
        to = self._to
        line, given = wrapped(command, to.become_user, to.become_password, self._mark)
        process = await connected.create_process(line, encoding=None, window=_WINDOW)
        process.stdin.write(given)
        spools = {"stdout": Spool(), "stderr": Spool()}
        became = _Became(self._mark if to.become_user else "")
        over = asyncio.ensure_future(
            _all(
                _pass(process.stdout, "stdout", spools["stdout"], say, became),
                _pass(process.stderr, "stderr", spools["stderr"], say, None),
                process.wait_closed(),
            )
        )
        why, note = "", ""
        try:
            await asyncio.wait({over, stop}, timeout=deadline - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                why = "canceled" if stop.done() else "timeout"
                process.stdin.write_eof()
                await asyncio.wait({over}, timeout=_END)
                note = "" if over.done() else "; it may still run there"
        finally:
            if not over.done():
                over.cancel()
        if over.done() and not over.cancelled():
            over.result()
        if why:
            return why, None, note
        rc = process.returncode
        if rc is not None and became.waiting:
            said = _line(spools["stderr"].tail) or f"sudo ended with {rc}"
            return "", rc, f"cannot become {to.become_user}: {said}"
        return "", rc, (f"exit status {rc}{_because(spools)}" if rc else "")


class _Became:
    """Waits for the mark on standard output, and takes out what comes before it."""

    def __init__(self, mark: str) -> None:
        self.waiting = bool(mark)
        self._mark = mark.encode() + b"\n"
        self._held = b""

    def strip(self, data: bytes) -> bytes:
        if not self.waiting:
            return data
        self._held += data
        _, found, rest = self._held.partition(self._mark)
        if not found:
            return b""
        self.waiting, self._held = False, b""
        return rest


async def _pass(reader: Any, stream: str, spool: Spool, say: Say, became: _Became | None) -> None:
    while data := await reader.read(CHUNK):
        for piece in spool.take(became.strip(data) if became else data):
            await say(stream, piece)
    for piece in spool.rest():
        await say(stream, piece)


async def _all(*parts: Awaitable[Any]) -> None:
    await asyncio.gather(*parts)


def _line(data: bytes) -> str:
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _because(spools: dict[str, Spool]) -> str:
    last = _line(spools["stderr"].tail)
    return f": {last}" if last else ""


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncssh.PermissionDenied):
        return "permission denied: no key or password of ours is accepted"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
