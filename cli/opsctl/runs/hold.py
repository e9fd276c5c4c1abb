"""What keeps a run from going on: locks of others before it begins, people and its own rate while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opsctl.ledger.record import Entry
from opsctl.output import say
from opsctl.pace.brake import Brake, Change
from opsctl.pace.control import Inbox
from opsctl.pace.keeper import Keeper, interactive
from opsctl.runs.locks import Lock, acquire
from opsctl.runs.request import RunRequest, me

if TYPE_CHECKING:
    from opsctl.runs.desk import Desk


def lock(desk: Desk, request: RunRequest, locks: Sequence[Lock], reap: Callable[[], object]) -> None:
    """Take what the run changes, or wait for it as long as the run wants to.

    Raises:
        Busy: another run has it.
        KeyboardInterrupt: somebody canceled the run meanwhile.
    """
    inbox = Inbox(desk.home, request.id)

    def look() -> None:
        if any(order.verb == "cancel" for order in inbox.take()):
            raise KeyboardInterrupt
        reap()

    wanted = locks if request.rate.lock else ()
    try:
        acquire(desk.database, request.id, wanted, request.rate.lock_wait, reap=look, waiting=say)
    except BaseException:
        inbox.close()
        raise


def brake(request: RunRequest) -> Brake:
    """What holds this run; it tells people how it goes on."""
    if interactive():
        return Brake(": Enter goes on, q ends it")
    return Brake(f": `opsctl runs continue {request.id}` goes on, within {request.rate.pause_timeout} s")


@contextmanager
def kept(desk: Desk, request: RunRequest, brake: Brake, cancel: Callable[[], None]) -> Iterator[Keeper]:
    """Watch over the run meanwhile; `cancel` ends it at once.

    Raises:
        OpsctlError: a pause could not be recorded.
    """

    def record(change: Change) -> None:
        by = dict(change.by or request.requester.plain())
        with desk.ledger.writing() as writing:
            status = "paused" if change.kind == "paused" else "running"
            if desk.store.move(writing.connection, request.id, status):
                data = {"text": change.text.partition(": ")[0], "by_itself": change.by is None}
                writing.append(Entry(change.kind, request.id, by, os.uname().nodename, data))

    patience = request.rate.pause_timeout
    inbox = Inbox(desk.home, request.id)
    keeper = Keeper(brake, inbox, me=me().plain(), patience=patience, record=record, cancel=cancel)
    with keeper:
        yield keeper
    if keeper.error is not None:
        raise keeper.error
