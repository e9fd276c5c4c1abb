# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files make room on a disk: only below the folders named, only old ones, the oldest first."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

DAY = 86400.0
FORBIDDEN = frozenset({"/", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/var", "/var/lib"})
WHOLE = ("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr")
DATA = ("var/lib/dpkg", "var/lib/redis", "var/lib/postgresql", "var/lib/mysql", "var/lib/docker", "var/lib/zabbix")
KEPT = tuple(f"/{folder}/" for folder in (*WHOLE, *DATA))


@dataclass(frozen=True)
class Old:
    """A file below ``folder`` that may go: ``size`` in bytes on disk, ``age`` in days."""

    path: str
    folder: str
    size: int
    age: float


@dataclass(frozen=True)
class Policy:
    """One folder: files below it whose names match one of ``patterns`` and that are older than ``days``."""

    folder: str
    patterns: tuple[str, ...]
    days: float


def policy(folder: str, patterns: Sequence[str], days: float) -> Policy:
    """Raises :class:`Invalid` for a folder that holds more than what may be thrown away."""
    clean = os.path.normpath(folder)
    if not folder.startswith("/") or clean in FORBIDDEN or f"{clean}/".startswith(KEPT):
        raise Invalid(f"{folder} is no folder to clean up: name one that holds logs or temporary files only")
    if os.path.realpath(clean) != clean:
        raise Invalid(f"{folder} is reached through a link: name {os.path.realpath(clean)}")
    if not patterns:
        raise Invalid(f"{folder} is given without patterns: nothing would be removed")
    if days < 0:
        raise Invalid(f"{folder} is given with {days:g} days: they cannot be negative")
    return Policy(clean, tuple(patterns), days)


def found(one: Policy, now: float) -> Iterator[Old]:
    """Regular files only, on the folder's own file system; links are never followed, and never removed."""
    try:
        device = os.lstat(one.folder).st_dev
    except OSError:
        return
    for parent, folders, names in os.walk(one.folder, followlinks=False):
        folders[:] = [name for name in folders if _device(os.path.join(parent, name)) == device]
        for name in names:
            path = os.path.join(parent, name)
            if any(fnmatchcase(name, pattern) for pattern in one.patterns):
                old = _old(path, one.folder, device, now)
                if old is not None and old.age >= one.days:
                    yield old


def enough(files: Iterable[Old], wanted: int) -> list[Old]:
    """The oldest files that together free ``wanted`` bytes, or all of them."""
    chosen: list[Old] = []
    freed = 0
    for old in sorted(files, key=lambda one: (-one.age, one.path)):
        if freed >= wanted:
            break
        chosen.append(old)
        freed += old.size
    return chosen


def remove(old: Old) -> bool:
    """Whether it is gone now.

    Goes down from the folder one step at a time and follows no link: who may write there could else put one in the way
    after the file was found.
    """
    parts = os.path.relpath(old.path, old.folder).split("/")
    handle = os.open(old.folder, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = below
        os.unlink(parts[-1], dir_fd=handle)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def lacking(total: int, free: int, percent: float) -> int:
    """Bytes to be freed until at most ``percent`` of the file system are used."""
    return max(0, int(total * (1 - percent / 100)) - free)


def _device(path: str) -> int:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return -1


def _old(path: str, folder: str, device: int, now: float) -> Old | None:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(seen.st_mode) or seen.st_dev != device or seen.st_nlink > 1:
        return None
    return Old(path, folder, seen.st_blocks * 512, (now - seen.st_mtime) / DAY)
