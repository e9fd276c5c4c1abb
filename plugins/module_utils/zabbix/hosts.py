# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the hosts that Zabbix watches those that are wanted: few calls, one caller at a time, never half a host.

Two calls at the same time that create a host of one name both succeed on Zabbix 6.0 (the check is not in the database),
so that only one registration runs here at a time, and what another machine made meanwhile is looked for afterwards.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import maintenance, records
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import (
    Auth,
    Duplicate,
    NotFound,
    Unavailable,
    Unsupported,
    ZabbixError,
)
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hostplan import Changes, Present, Tag, Wanted, plan

__all__ = ["BATCH", "Changes", "Present", "Result", "Tag", "Wanted", "plan", "read", "sync"]

BATCH = 100  # hosts a call: 0.1 s for bare ones
LINKED = 20  # hosts a call that get templates: up to 0.3 s each
# Seconds to wait for the answer to a write, and more for each host. PHP goes on when we hang up: who gives up early
# and looks again sees nothing yet, and makes a second host.
WRITE, EACH = 60.0, 3.0
TRIES = 3  # times to look again what was done, when an answer got lost
LOCK = 120.0  # seconds to wait for another registration

T = TypeVar("T")
read = records.read


@dataclass(frozen=True)
class Result:
    """What :func:`sync` did, or would do. ``failed``: what Zabbix says; ``duplicates``: ids that went; both by host."""

    changed: bool
    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    duplicates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    diff: dict[str, Any] = field(default_factory=dict)


def sync(
    zabbix: Zabbix,
    wanted: Sequence[Wanted],
    owner: Tag,
    check: bool = False,
    *,
    purge: bool = True,
    prune: bool = True,
    adopt: bool = False,
    lock_timeout: float = LOCK,
) -> Result:
    """Create, change and delete hosts until those with the tag ``owner`` are the wanted ones; see :func:`plan`.

    Missing host groups are created, missing templates are an error. A host that Zabbix refuses is in ``failed``, the
    others are done. Duplicates of hosts of ours go, except for the oldest.
    """

    def look() -> Changes:
        present = read(zabbix, owner=owner, names=[one.host for one in wanted])
        return plan(wanted, present, owner, purge=purge, prune=prune, adopt=adopt)

    if check:
        return _result(look(), {})
    with _alone(zabbix, lock_timeout):
        first = changes = look()
        failed: dict[str, str] = {}
        for left in range(TRIES - 1, -1, -1):
            work = _Work(zabbix, changes)
            try:
                failed = work.do()
            except Unavailable:
                if not left:
                    raise
                changes = look()  # it may have been done, and only the answer got lost
                continue
            if not work.raced or not left:
                break
            changes = look()  # somebody else may have made the same hosts meanwhile
            if work.raced <= {one.host for one in changes.create}:
                break
        extra = _later(zabbix, [one.host for one in first.create], owner)
    return _result(first, failed, extra)


class _Work:
    """Writes changes. Batches that Zabbix refuses are halved until the one that it does not like is alone.

    ``raced``: hosts that were not there a moment ago, and now are.
    """

    def __init__(self, zabbix: Zabbix, changes: Changes) -> None:
        self._zabbix, self._changes = zabbix, changes
        self._failed: dict[str, str] = {}
        self.raced: set[str] = set()

    def do(self) -> dict[str, str]:
        """What failed, by host."""
        changes, zabbix, version = self._changes, self._zabbix, self._zabbix.version
        doomed = [*changes.extra, *changes.delete]
        if doomed:
            maintenance.release(zabbix, [one.host_id for one in doomed])
            self._each("host.delete", [(one.host, one.host_id) for one in doomed])
        wanted = [*changes.create, *(one.wanted for one in changes.update)]
        if not wanted:
            return self._failed
        names = records.Names(zabbix, wanted)
        faces = [(one.present.host, records.interface(one)) for one in changes.update]
        for method, new in (("hostinterface.create", True), ("hostinterface.update", False)):
            self._each(method, [(host, face) for host, face in faces if face and ("hostid" in face) == new])
        alterations = [
            (one.present.host, records.alteration(one, names, changes.owner, version)) for one in changes.update
        ]
        self._each("host.update", [(host, call) for host, call in alterations if len(call) > 1])
        creations = [(one.host, records.creation(one, names, changes.owner, version)) for one in changes.create]
        self._each("host.create", creations)
        return self._failed

    def _each(self, method: str, rows: Sequence[tuple[str, Any]]) -> None:
        todo = [row for row in rows if row[0] not in self._failed]
        linked = any(isinstance(call, dict) and call.get("templates") for _host, call in todo)
        step = LINKED if linked else BATCH
        for start in range(0, len(todo), step):
            self._batch(method, todo[start : start + step])

    def _batch(self, method: str, rows: Sequence[tuple[str, Any]]) -> None:
        try:
            timeout = max(WRITE, self._zabbix.access.timeout) + EACH * len(rows)
            self._zabbix.call(method, [call for _host, call in rows], timeout=timeout)
        except (Unavailable, Auth, Unsupported):
            raise
        except ZabbixError as error:
            if len(rows) == 1 and method == "host.delete" and isinstance(error, NotFound) and self._gone(rows[0][1]):
                return  # somebody else was faster
            if len(rows) == 1:
                self.raced |= {rows[0][0]} if isinstance(error, Duplicate) and method == "host.create" else set()
                self._failed[rows[0][0]] = str(error)
                return
            middle = len(rows) // 2
            self._batch(method, rows[:middle])
            self._batch(method, rows[middle:])

    def _gone(self, host_id: str) -> bool:
        return not self._zabbix.call("host.get", {"output": ["hostid"], "hostids": [host_id]})


def _later(zabbix: Zabbix, names: Sequence[str], owner: Tag) -> list[Present]:
    """Delete hosts of ours that somebody elsewhere created at the same time, except for the oldest of each name."""
    if not names:
        return []
    extra: list[Present] = []
    seen: dict[str, Present] = {}
    for one in sorted(read(zabbix, names=names), key=lambda one: int(one.host_id)):
        if one.host in seen and owner in one.tags:
            extra.append(one)
        seen.setdefault(one.host, one)
    for one in extra:
        with suppress(NotFound):  # who made it at the same time looks for it too
            zabbix.call("host.delete", [one.host_id])
    return extra


def _result(changes: Changes, failed: dict[str, str], later: Sequence[Present] = ()) -> Result:
    duplicates: dict[str, tuple[str, ...]] = {}
    for one in [*changes.extra, *later]:
        duplicates[one.host] = (*duplicates.get(one.host, ()), one.host_id)
    return Result(
        changed=bool(changes),
        created=tuple(one.host for one in changes.create if one.host not in failed),
        updated=tuple(one.present.host for one in changes.update if one.present.host not in failed),
        deleted=tuple(one.host for one in changes.delete if one.host not in failed),
        unchanged=changes.unchanged,
        duplicates=duplicates,
        failed=failed,
        diff=changes.diff,
    )


@contextmanager
def _alone(zabbix: Zabbix, timeout: float) -> Iterator[None]:
    """Only one registration of this user at a Zabbix at a time; the lock ends with the process."""
    home = Path(os.environ.get("OPSCTL_HOME") or Path.home() / ".opsctl")
    path = home / "locks" / f"zabbix-{hashlib.sha256(zabbix.access.page.encode()).hexdigest()[:16]}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Invalid(f"Cannot lock {path}: {error.strerror}; nothing was changed") from None
    try:
        _waited(lambda: _locked(handle), f"another registration of hosts at {zabbix.access.page} to end", timeout)
        yield
    finally:
        os.close(handle)


def _waited(poll: Callable[[], bool], what: str, timeout: float) -> None:
    try:
        wait_until(poll, bool, what, timeout)
    except Timeout as error:
        raise Timeout(f"{error}; nothing was changed") from None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
