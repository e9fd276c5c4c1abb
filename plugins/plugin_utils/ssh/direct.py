# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes on hosts over SSH connections of this process: one connection for each, closed with it."""

from __future__ import annotations

import asyncio
import getpass
import os
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.known import KeyRefused, KnownHosts
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.library import asyncssh
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.session import Lost, Refused

WINDOW = 128 * 1024
"""Bytes of output that a host may send before somebody takes them."""

_LOGINS = 100
"""Logins under way at the same time: more take so much of a processor that all of them would be too late."""
_KEX = "^curve25519-sha256,curve25519-sha256@libssh.org"
"""Key exchanges that resist quantum computers cost 5 ms of CPU more for each connection, and come after these."""
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""What processors have instructions for comes first: a sixth of our CPU time of a connection."""


class Keys:
    """Private keys, each read once for all hosts."""

    def __init__(self) -> None:
        """None is read yet."""
        self._loaded: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """The key in a file.

        Raises:
            Refused: it cannot be used.
        """
        if name not in self._loaded:
            path = Path(name).expanduser()
            try:
                self._loaded[name] = asyncssh.read_private_key(path)
            except OSError as error:
                raise Refused(f"cannot read key {path}: {error.strerror}") from error
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
                raise Refused(f"cannot use key {path}: {error}; an encrypted one belongs in the agent") from error
        return self._loaded[name]


class Direct:
    """Connects to hosts. Jump hosts are connected to once for all hosts behind them."""

    def __init__(self, agent: str | None = None) -> None:
        """`agent`: the socket of the agent that has keys; None = what the environment says."""
        self.known, self._keys = KnownHosts(), Keys()
        self._agent = os.environ.get("SSH_AUTH_SOCK", "") if agent is None else agent
        self._gate = asyncio.Semaphore(_LOGINS)
        self._jumps: dict[str, asyncio.Task[Any]] = {}

    async def open(self, to: Connection, line: str) -> Running:
        """Connect and start a process.

        Raises:
            Refused: the host cannot be reached, or does not let us in.
        """
        connection = await self.connect(to)
        try:
            process = await connection.create_process(line, encoding=None, window=WINDOW)
        except BaseException as error:
            connection.abort()
            if isinstance(error, asyncssh.Error | OSError):
                raise Refused(reason(error)) from error
            raise
        return Running(connection, process)

    async def connect(self, to: Connection) -> Any:
        """A connection whose key was checked, logged in.

        Raises:
            Refused: as above.
        """
        refused: list[str] = []
        known = self.known

        class Client(asyncssh.SSHClient):  # type: ignore[misc]
            def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
                try:
                    complaint = known.judge(to, key)
                except KeyRefused as error:
                    complaint = str(error)
                refused.extend([complaint] if complaint else [])
                return not complaint

        try:
            options = self._options(to)
            # Its time begins when the way to it is open.
            tunnel = await self._jump(to) if to.jump else ()
            async with self._gate:
                return await asyncio.wait_for(
                    asyncssh.connect(to.address, to.port, client_factory=Client, tunnel=tunnel, **options),
                    to.connect_timeout,
                )
        except (KeyRefused, OSError, asyncssh.Error, TimeoutError, ValueError) as error:
            raise Refused(refused[0] if refused else reason(error)) from error

    def refuses(self, to: Connection, connection: Any) -> str:
        """Why the key that an open connection's host showed is not trusted now; empty when it is."""
        try:
            return self.known.judge(to, connection.get_server_host_key())
        except KeyRefused as error:
            return str(error)

    def _options(self, to: Connection) -> dict[str, Any]:
        algorithms = {name.decode(): None for key in self.known.known(to) for name in key.sig_algorithms}
        options: dict[str, Any] = {"server_host_key_algs": list(algorithms)} if algorithms else {}
        if to.key_file:
            options["client_keys"] = [self._keys.get(to.key_file)]
        if to.password:
            options["password"] = to.password
        return options | {
            "username": to.user or getpass.getuser(),
            # Empty, not None: then every key is shown to the factory's method, which knows the files.
            "known_hosts": ([], [], []),
            "kex_algs": _KEX,
            "encryption_algs": _CIPHERS,
            "agent_path": self._agent or None,
            "keepalive_interval": 15,
        }

    async def _jump(self, to: Connection) -> Any:
        """The connection to the jump host, as the user's own ssh would make it."""
        if to.jump not in self._jumps:
            self._jumps[to.jump] = asyncio.ensure_future(self._through(to.jump, to.connect_timeout))
        # One host's impatience must not end what others wait for.
        return await asyncio.shield(self._jumps[to.jump])

    async def _through(self, jump: str, patience: float) -> Any:
        *before, last = jump.rsplit(",", 1)
        user, at, place = last.rpartition("@")
        host, colon, port = place.rpartition(":")
        host, port = (host, port) if colon and port.isdigit() else (place, "")
        options: dict[str, Any] = {"username": user} if at else {}
        if port:
            options["port"] = int(port)
        options |= {"kex_algs": _KEX, "agent_path": self._agent or None, "keepalive_interval": 15}
        try:
            return await asyncio.wait_for(
                asyncssh.connect(host.strip("[]"), tunnel=",".join(before) or (), **options), patience
            )
        except (OSError, asyncssh.Error, TimeoutError, ValueError) as error:
            raise Refused(f"jump host {last}: {reason(error)}") from error

    async def close(self) -> None:
        """Leave the jump hosts."""
        for task in self._jumps.values():
            task.cancel()
        for found in await asyncio.gather(*self._jumps.values(), return_exceptions=True):
            if not isinstance(found, BaseException):
                found.abort()


class Running:
    """A process, and the connection it has for itself."""

    def __init__(self, connection: Any, process: Any) -> None:
        """Both of asyncssh."""
        self.connection = connection
        self._process = process

    @property
    def returncode(self) -> int | None:
        """None when it did not end by itself. A signal counts as shells count it."""
        status: int | None = self._process.returncode
        return status if status is None or status >= 0 else 128 - status

    async def write(self, data: bytes) -> None:
        """To its standard input."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error) as error:
            raise Lost(reason(error)) from error

    def end(self) -> None:
        """The end of its standard input."""
        try:
            self._process.stdin.write_eof()
        except (OSError, asyncssh.Error):
            return

    async def read(self, stream: str, size: int) -> bytes:
        """Of one of its streams."""
        try:
            data: bytes = await getattr(self._process, stream).read(size)
        except (OSError, asyncssh.Error) as error:
            raise Lost(reason(error)) from error
        return data

    async def wait(self) -> None:
        """Until it has ended."""
        await self._process.wait_closed()

    def close(self) -> None:
        """With its connection."""
        self.connection.abort()


def reason(error: BaseException) -> str:
    """Why, in one line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncssh.PermissionDenied):
        return "permission denied: no key or password of ours is accepted"
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return " ".join(str(error).split()) or type(error).__name__
