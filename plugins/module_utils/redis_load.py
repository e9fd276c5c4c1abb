# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that writes to every shard without a pause, and afterwards looks for every write it was promised.

A write is *written* when its master answered OK, and *acknowledged* when WAIT then said that enough replicas have it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Failed
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import tags
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_verify import Shard
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_wire import Connection, Lost, Refused

BATCH = 4  # writes before each WAIT: what a crash finds in between is written and not acknowledged
PACE = 0.01  # seconds between batches
RETRY = 0.02  # seconds between two tries while nobody serves the slots
ANSWER = 1.0  # seconds to wait for an answer
WAIT_MS = 500
LIFE_MS = 1_800_000
MOST = 200_000  # writes of a shard: bounds memory here and there
READ_BACK = 60.0  # seconds


@dataclass
class Tally:
    """What happened to the writes of one shard; ``gap`` is the longest time in seconds between two that succeeded."""

    shard: str
    written: list[int] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    unanswered: int = 0
    refused: int = 0
    gap: float = 0.0
    lost: list[int] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "shard": self.shard,
            "written": len(self.written),
            "acknowledged": len(self.acknowledged),
            "unanswered": self.unanswered,
            "refused": self.refused,
            "lost_acknowledged": sum(number in self.acknowledged for number in self.lost),
            "lost_other": sum(number not in self.acknowledged for number in self.lost),
            "seconds_without_service": round(self.gap, 2),
        }


class Writer:
    """Writes to the slots of one shard, whichever node serves them."""

    def __init__(self, shard: Shard, nodes: Sequence[Node], password: str | None, replicas: int) -> None:
        self.tally = Tally(shard.master.name)
        self._nodes = nodes
        self._password = password
        self._replicas = replicas
        self._tags = [tags()[slot] for slot in shard.slots[:: max(1, len(shard.slots) // 64)]]
        self._run = secrets.token_hex(6)
        self._target = (shard.master.host, shard.master.port)
        self._tries = 0
        self._used = 0
        self._connection: Connection | None = None

    def write(self, stop: Event, started: Callable[[], None]) -> None:
        """Write until ``stop`` is set; ``started`` is called after the first success."""
        last: float | None = None
        while not stop.is_set() and self._used < MOST:
            self._used += BATCH
            good = self._batch(range(self._used - BATCH, self._used))
            now = time.monotonic()
            if good:
                self.tally.gap = max(self.tally.gap, now - (last or now))
                last = now
                started()
            stop.wait(PACE if good else RETRY)

    def read_back(self) -> None:
        """Look for every write, then remove all keys."""
        end = time.monotonic() + READ_BACK
        wanted = self.tally.written
        while True:
            try:
                connection = self._connect()
                answers = connection.pipeline([("GET", self._key(number)) for number in wanted])
                moved = next((answer for answer in answers if isinstance(answer, Refused)), None)
                if moved is None:
                    self.tally.lost = [n for n, answer in zip(wanted, answers) if answer != str(n)]  # noqa: B905
                    connection.pipeline([("UNLINK", self._key(number)) for number in range(self._used)])
                    return
                self._follow(moved)
            except Lost:
                self._elsewhere()
            if time.monotonic() > end:
                raise Failed(f"Nobody serves the slots of {self.tally.shard}: its writes cannot be read back")
            time.sleep(RETRY)

    def _batch(self, numbers: range) -> bool:
        """One batch and its WAIT; tells whether the master took all of it."""
        sent = False
        try:
            connection = self._connect()
            sent = True
            answers = connection.pipeline([("SET", self._key(n), n, "PX", LIFE_MS) for n in numbers])
            sent = False
            refused = next((answer for answer in answers if isinstance(answer, Refused)), None)
            taken = [number for number, answer in zip(numbers, answers) if answer == "OK"]  # noqa: B905
            self.tally.written += taken
            if refused is not None:
                self.tally.refused += len(answers) - len(taken)
                self._follow(refused)
                return False
            if connection.call("WAIT", self._replicas, WAIT_MS) >= self._replicas:
                self.tally.acknowledged.update(taken)
            return True
        except Refused as refusal:  # of WAIT: the node is no master any more
            self._follow(refusal)
            return False
        except Lost:
            self.tally.unanswered += len(numbers) if sent else 0
            self._elsewhere()
            return False

    def _key(self, number: int) -> str:
        return f"opsctl:drill:{self._run}:{number}:{{{self._tags[number % len(self._tags)]}}}"

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(*self._target, password=self._password, timeout=ANSWER)
        return self._connection

    def _elsewhere(self) -> None:
        """Ask another node, which tells who serves the slots now."""
        self._tries += 1
        node = self._nodes[self._tries % len(self._nodes)]
        self._go(node.host, node.port)

    def _follow(self, refusal: Refused) -> None:
        if refusal.code == "MOVED":
            host, _colon, port = refusal.text.split()[2].rpartition(":")
            self._go(host, int(port))
        else:
            self._elsewhere()

    def _go(self, host: str, port: int) -> None:
        if self._connection:
            self._connection.close()
        self._connection, self._target = None, (host, port)


def load(writers: Sequence[Writer], until: Callable[[], bool], ready: Callable[[], None]) -> list[Tally]:
    """Write to all shards until ``until`` says so, then read back. ``ready`` is called once all shards take writes."""
    stop, started = Event(), [Event() for _writer in writers]
    with ThreadPoolExecutor(len(writers)) as pool:
        jobs = [pool.submit(writer.write, stop, begun.set) for writer, begun in zip(writers, started)]  # noqa: B905
        told = False
        try:
            while not until() and not any(job.done() for job in jobs):
                if not told and all(begun.is_set() for begun in started):
                    ready()
                    told = True
                stop.wait(0.1)
        finally:
            stop.set()
        for job in jobs:
            job.result()
        list(pool.map(Writer.read_back, writers))
    return [writer.tally for writer in writers]
