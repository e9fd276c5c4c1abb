"""Where the agent's socket is, and that nobody but its user is at either end of it."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path
from typing import Any

from opsctl.errors import OpsctlError

BACKLOG = 4096
"""Clients that may wait: each host of a run is one."""


_LONGEST = 107
"""Bytes of a socket's path; unix(7)."""


def folder() -> Path:
    """The user's directory (0700) for it, made when it is not there: one agent a user.

    Raises:
        OpsctlError: it cannot be made, or somebody else has it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        path = Path(runtime, "opsctl-agent")
    else:
        path = Path(tempfile.gettempdir(), f"opsctl-agent-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise OpsctlError(f"Cannot make {path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise OpsctlError(f"Cannot use {path}: it must be a directory of yours with mode 0700; remove it")
    return path


def address() -> Path:
    """The socket.

    Raises:
        OpsctlError: there is no place for it.
    """
    path = folder() / "socket"
    if len(os.fsencode(path)) > _LONGEST:
        raise OpsctlError(
            f"Cannot use {path}: the path of a socket has {_LONGEST} bytes at most; shorten XDG_RUNTIME_DIR"
        )
    return path


def alone() -> int | None:
    """A file descriptor that only one process of this user has at a time; None when another one has it."""
    held = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held


def listen() -> socket.socket:
    """The socket, for the agent to listen at. What a killed one left is removed."""
    path = address()
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    return listening


def leave(held: int) -> None:
    """Let nobody find this agent any more; another one may come. `held`: what `alone` gave."""
    address().unlink(missing_ok=True)
    os.close(held)


def ours(connection: Any) -> bool:
    """Whether the process at the other end of a connected socket is one of this user's."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", packed)
    return bool(uid == os.getuid())
