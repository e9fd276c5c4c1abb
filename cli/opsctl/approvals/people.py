"""Who acts: an account, and the person behind it. What the kernel says counts, variables do not."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl.policy.identity import Identity, of_name, of_uid

_UNSET = 4294967295
_LOGGED = Path("/proc/self/loginuid")
"""The audit id: who logged in, whatever he became since; only root can change it."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account of this machine, and who uses it where that is another (by sudo or su)."""

    name: str
    uid: int
    login: str = ""

    def same(self, other: Person) -> bool:
        """Whether these may be one person: the same account counts unless two people are known behind it."""
        if (self.login or self.name) == (other.login or other.name):
            return True
        return self.uid == other.uid and not (self.login and other.login)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The accounts that this person has rights by."""
        own = of_uid(self.uid)
        return (own, of_name(self.login)) if self.login else (own,)

    @property
    def text(self) -> str:
        """For people to read."""
        return f"{self.login} as {self.name}" if self.login else self.name

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "uid": self.uid, **({"login": self.login} if self.login else {})}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Person:
        """From what `plain` gave."""
        return cls(plain["name"], plain["uid"], plain.get("login", ""))


def present() -> Person:
    """Whoever runs this process."""
    uid = os.getuid()
    behind = _behind(uid)
    return Person(_name(uid), uid, "" if behind is None else _name(behind))


def _behind(uid: int) -> int | None:
    """The user who logged in and became this one: the audit id of the session, else the nearest other ancestor."""
    logged = _number(_LOGGED)
    if logged not in (None, _UNSET):
        return None if logged == uid else logged
    pid = os.getppid()
    for _ in range(64):
        try:
            lines = Path("/proc", str(pid), "status").read_text().splitlines()
        except OSError:
            return None
        found = dict(line.split(":", 1) for line in lines if ":" in line)
        owner, pid = int(found["Uid"].split()[0]), int(found["PPid"])
        if owner not in (uid, 0):
            return owner
        if pid <= 0:
            return None
    return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
