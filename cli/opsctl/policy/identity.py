"""Who somebody is: a user of the operating system and his groups there. No environment variable is asked."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of this machine."""

    name: str
    uid: int | None
    """None = the machine has no such user."""
    groups: frozenset[str] = frozenset()
    """The operating system's."""


def of_uid(uid: int) -> Identity:
    """The user with this id."""
    try:
        return _of(pwd.getpwuid(uid))
    except KeyError:
        return Identity(str(uid), uid)


def of_name(name: str) -> Identity:
    """The user of this name; one without an id when there is none."""
    try:
        return _of(pwd.getpwnam(name))
    except KeyError:
        return Identity(name, None)


def _of(entry: pwd.struct_passwd) -> Identity:
    names = set()
    for number in os.getgrouplist(entry.pw_name, entry.pw_gid):
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            names.add(str(number))
    return Identity(entry.pw_name, entry.pw_uid, frozenset(names))
