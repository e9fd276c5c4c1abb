"""Locks on hosts and stacks, so that two changes never meet: taken all at once, released with the run's end.

A name is `host:ADDRESS:PORT`, or `stack:CLOUD/NAME`. A run on a stack's hosts shares the stack with other such runs; a
run that changes the stack itself has it alone. A lock holds only while its run is active, so what a killed opsctl left
holds no longer than until its run is found lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select

from opsctl.clock import now
from opsctl.db.engine import Database
from opsctl.db.schema import locks, runs
from opsctl.errors import OpsctlError

_ACTIVE = ("pending", "running", "paused")
_AT_ONCE = 500
"""Names in one question; SQLite takes 32,766, older ones 999."""
_LONGEST = 60
"""Characters of what another run does, in a message."""
_INTERVAL = 0.2
"""Seconds between two looks while waiting."""


class Busy(OpsctlError):
    """Another run changes what this one wants to change."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a run needs for itself, or shares."""

    name: str
    shared: bool = False
    label: str = field(default="", compare=False)
    """What people call it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held, and the run that holds it."""

    name: str
    shared: bool
    since: str
    run_id: str
    what: str
    requester: str

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "shared": self.shared,
            "since": self.since,
            "run": self.run_id,
            "what": self.what,
            "by": self.requester,
        }


def of_hosts(variables: Mapping[str, Mapping[str, Any]], cloud: str) -> tuple[Lock, ...]:
    """Those of hosts, by what the inventory says of each: itself alone, its stack shared."""
    found: dict[str, Lock] = {}
    for host, of in variables.items():
        for lock in _of_host(host, of, cloud):
            found.setdefault(lock.name, lock)
    return tuple(found.values())


def of_stack(cloud: str, stack: str) -> tuple[Lock, ...]:
    """That of a stack which is itself changed."""
    return (Lock(f"stack:{cloud}/{stack}", label=f"stack {stack}"),)


def take(connection: Connection, run_id: str, wanted: Sequence[Lock]) -> list[Held]:
    """Take all of them, or none when others hold some: those. The connection must hold the write lock."""
    blocking = conflicts(connection, run_id, wanted)
    if not blocking and wanted:
        moment = now()
        connection.execute(delete(locks).where(locks.c.run_id == run_id))
        rows = [{"name": lock.name, "run_id": run_id, "shared": lock.shared, "since": moment} for lock in wanted]
        connection.execute(insert(locks), rows)
    return blocking


def conflicts(connection: Connection, run_id: str, wanted: Iterable[Lock]) -> list[Held]:
    """Locks of active runs that keep this run from taking what it wants."""
    alone = {lock.name for lock in wanted if not lock.shared}
    found: list[Held] = []
    for names in _pieces(lock.name for lock in wanted):
        query = _HELD.where(locks.c.name.in_(names), locks.c.run_id != run_id)
        rows = connection.execute(query.order_by(locks.c.name)).mappings()
        found += [held for held in map(_held, rows) if not held.shared or held.name in alone]
    return found


def release(connection: Connection, run_id: str) -> None:
    """Give back what a run holds, in the transaction that ends it; and what runs left that ended long ago."""
    active = select(runs.c.id).where(runs.c.status.in_(_ACTIVE))
    connection.execute(delete(locks).where(or_(locks.c.run_id == run_id, locks.c.run_id.not_in(active))))


def held(database: Database) -> list[Held]:
    """All that are held, by name."""
    with database.read() as connection:
        return [_held(row) for row in connection.execute(_HELD.order_by(locks.c.name, locks.c.run_id)).mappings()]


def acquire(
    database: Database,
    run_id: str,
    wanted: Sequence[Lock],
    patience: float,
    *,
    reap: Callable[[], object],
    waiting: Callable[[str], None],
) -> None:
    """Take all, waiting at most `patience` seconds for other runs to end; `waiting` is told once whom for.

    `reap` marks runs as lost whose opsctl was killed, and is called before each look at others' locks.

    Raises:
        Busy: others still hold some.
    """
    if not wanted:
        return
    limit = time.monotonic() + patience
    told = False
    while True:
        with database.read() as connection:
            blocking = conflicts(connection, run_id, wanted)
        if blocking:
            reap()
        with database.write() as connection:
            blocking = take(connection, run_id, wanted)
        if not blocking:
            return
        left = limit - time.monotonic()
        if left <= 0:
            raise Busy(_refusal(blocking, wanted, patience))
        if not told:
            waiting(f"waiting for {_whom(blocking, wanted)}")
            told = True
        time.sleep(min(_INTERVAL, left))


_HELD = (
    select(locks, runs.c.kind, runs.c.content, runs.c.action, runs.c.requester)
    .join(runs, runs.c.id == locks.c.run_id)
    .where(runs.c.status.in_(_ACTIVE))
)


def _held(row: RowMapping) -> Held:
    import json

    what = f"{row['content']} {row['action']}".strip()
    requester = str(json.loads(row["requester"]).get("name", ""))
    return Held(row["name"], bool(row["shared"]), row["since"], row["run_id"], what, requester)


def _refusal(blocking: Sequence[Held], wanted: Sequence[Lock], patience: float) -> str:
    waited = f"waited {patience:g} s, give --lock-wait more" if patience else "--lock-wait SECONDS waits for it"
    return f"Busy: {_whom(blocking, wanted)}; {waited}, and --no-lock is for what only reads"


def _whom(blocking: Sequence[Held], wanted: Sequence[Lock]) -> str:
    first = blocking[0]
    labels = {lock.name: lock.label or lock.name for lock in wanted}
    names = list(dict.fromkeys(labels[each.name] for each in blocking if each.run_id == first.run_id))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    what = first.what if len(first.what) <= _LONGEST else f"{first.what[:_LONGEST]}..."
    return f"{names[0]}{more} held by run {first.run_id} ({what}, by {first.requester}, since {first.since[:19]}Z)"


def _of_host(host: str, variables: Mapping[str, Any], cloud: str) -> Iterator[Lock]:
    kind = str(variables.get("ansible_connection") or "ssh").rpartition(".")[2]
    address = str(variables.get("ansible_ssh_host") or variables.get("ansible_host") or host).lower()
    port = variables.get("ansible_ssh_port") or variables.get("ansible_port") or 22
    place = f"{address}:{port}" if kind in ("ssh", "smart", "paramiko", "paramiko_ssh") else f"{kind}:{address}"
    yield Lock(f"host:{place}", label=host)
    stack = variables.get("stack_name")
    if isinstance(stack, str) and stack:
        yield Lock(f"stack:{cloud}/{stack}", shared=True, label=f"stack {stack}")


def _pieces(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while piece := list(islice(rest, _AT_ONCE)):
        yield piece
