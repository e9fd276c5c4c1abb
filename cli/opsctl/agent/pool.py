"""The connections that are kept: bounded, the longest unused goes first, none is used by two at once."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsctl.fanout.ssh import Connection

OLDEST = 3600.0
"""Seconds after which a connection is not used again: what its login allowed then may not be allowed any more."""
_NOT_SHARED = ("name", "connect_timeout", "become_user", "become_password")
"""Parts of a connection's parameters that the connection itself does not depend on."""


@dataclass(slots=True)
class Kept:
    """A connection of asyncssh that nobody uses just now, or that somebody has taken."""

    key: str
    link: Any
    made: float
    idle: float = 0.0


@dataclass(slots=True)
class Pool:
    """Kept connections by their key; the clock is in seconds."""

    most: int
    ttl: float
    clock: Callable[[], float] = time.monotonic
    taken: int = 0
    """Connections that are in use, or being made."""
    _kept: OrderedDict[int, Kept] = field(default_factory=OrderedDict)
    _keys: dict[str, list[int]] = field(default_factory=dict)
    _next: int = 0

    def __len__(self) -> int:
        """How many are kept and not in use."""
        return len(self._kept)

    def take(self, key: str) -> Kept | None:
        """One that is kept, the last used first; it is in use from now on."""
        while numbers := self._keys.get(key):
            found = self._remove(numbers[-1])
            if not self._spent(found):
                self.taken += 1
                return found
            found.link.abort()
        return None

    def room(self) -> bool:
        """Make room for a new connection, which is in use from now on; false when all are in use."""
        while self._kept and self.taken + len(self._kept) >= self.most:
            self._drop(next(iter(self._kept)))
        if self.taken >= self.most:
            return False
        self.taken += 1
        return True

    def give(self, kept: Kept) -> None:
        """Take back what was in use."""
        self.taken -= 1
        kept.idle = self.clock()
        self._next += 1
        self._kept[self._next] = kept
        self._keys.setdefault(kept.key, []).append(self._next)

    def lose(self, kept: Kept | None) -> None:
        """What was in use is not to be kept."""
        self.taken -= 1
        if kept is not None:
            kept.link.abort()

    def expire(self) -> None:
        """Close what was not used for too long, or is too old, or was closed at the other end."""
        for number, kept in list(self._kept.items()):
            if self._spent(kept):
                self._drop(number)

    def clear(self) -> None:
        """Close all that are not in use."""
        for number in list(self._kept):
            self._drop(number)

    def _spent(self, kept: Kept) -> bool:
        now = self.clock()
        return bool(now - kept.idle >= self.ttl or now - kept.made >= OLDEST or kept.link.is_closed())

    def _drop(self, number: int) -> None:
        self._remove(number).link.abort()

    def _remove(self, number: int) -> Kept:
        kept = self._kept.pop(number)
        numbers = self._keys[kept.key]
        numbers.remove(number)
        if not numbers:
            del self._keys[kept.key]
        return kept


def key(to: Connection, agent: str, files: dict[str, str]) -> str:
    """Equal for connections that are the same in all: where, as whom, with what key or password, trusting whom.

    `agent`: the socket of the agent that has keys. Files count by their content, which `files` remembers for a run.
    """
    parts = {name: value for name, value in to.plain().items() if name not in _NOT_SHARED}
    names = ["~/.ssh/config", *([to.key_file] if to.key_file else _own_keys(files))]
    parts |= {"agent": agent, "files": {name: _content(name, files) for name in names}}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _own_keys(files: dict[str, str]) -> list[str]:
    """The keys that are tried where none is named."""
    if "" not in files:
        files[""] = "\n".join(sorted(str(path) for path in Path("~/.ssh").expanduser().glob("id_*")))
    return files[""].splitlines()


def _content(name: str, files: dict[str, str]) -> str:
    if name not in files:
        try:
            files[name] = hashlib.sha256(Path(name).expanduser().read_bytes()).hexdigest()
        except OSError:
            files[name] = ""
    return files[name]
