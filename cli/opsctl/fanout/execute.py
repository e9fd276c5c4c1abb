"""Runs a command on all hosts at once, as far as it may: stands where an execution of Ansible would."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opsctl.clock import now
from opsctl.fanout.connection import Connection
from opsctl.fanout.host import Ending, Keys, Session
from opsctl.fanout.known import KnownHosts
from opsctl.fanout.remote import Command
from opsctl.fanout.slow import playbook
from opsctl.runs.execute import Execution, Job, Outcome, Why

_ENOUGH = 256
"""Records that may wait for the journal before hosts wait for it too."""

_EVENTS = {"ok": "runner_on_ok", "unreachable": "runner_on_unreachable"}
_COUNTS = {"ok": ("ok", "changed"), "unreachable": ("dark",)}


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be done where."""

    title: str
    command: Command = field(repr=False)
    fast: Sequence[Connection] = field(default=(), repr=False)
    slow: Mapping[str, str] = field(default_factory=dict)
    """Hosts that Ansible must reach, with the reason."""
    timeout: float = 3600
    """Seconds on one host."""
    user: str = ""
    become: bool = False
    script: Path | None = None


class Fanout:
    """A batch while it runs. `stop` may be called from a signal handler or another thread, at any time."""

    def __init__(self, job: Job, batch: Batch, waiting: Callable[[], int]) -> None:
        """`waiting`: how many records wait for the journal."""
        self.job = job
        self.why: Why = ""
        self._batch = batch
        self._waiting = waiting
        self._known, self._keys = KnownHosts(), Keys()
        self._mark = f"opsctl-{os.urandom(12).hex()}"
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in ("ok", "changed", "dark", "failures")}
        self._ends: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._rest: Execution | None = None

    def stop(self, why: Why) -> None:
        """Ask all hosts to stop; the second time, leave them."""
        again, self.why = bool(self.why), self.why or why
        if self._rest is not None:
            self._rest.stop(why)
        elif self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._leave if again else self._halt)

    def run(self, on_event: Callable[[dict[str, Any]], None]) -> Outcome:
        """Run to the end. `on_event` is called in this thread, with events of ansible-runner's shape."""
        began = time.monotonic()
        batch, status = self._batch, 0
        for host, reason in batch.slow.items():
            on_event({"event": "warning", "stdout": f"{host} is reached through Ansible: {reason}"})
        if batch.fast:
            asyncio.run(self._fast(on_event))
            status = 2 if self._counts["failures"] else 4 if self._counts["dark"] else 0
        if batch.slow and not self.why:
            path = playbook(self.job.space, batch.title, list(batch.slow), batch)
            extra = {"ansible_user": batch.user} if batch.user else {}
            self._rest = Execution(replace(self.job, playbook=path, extra=extra, limit=""))
            outcome = self._rest.run(on_event)
            self.why, status = (
                outcome.why,
                max(status, outcome.status)
                if outcome.status not in (2, 4)
                else (2 if 2 in (status, outcome.status) else 4),
            )
        if not self.why and self._ends["timeout"] and self._ends["timeout"] == self._ends.total() - self._ends["ok"]:
            self.why = "timeout"
        return Outcome(status, self.why, time.monotonic() - began)

    async def _fast(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = self._loop.create_future()
        if self.why:
            self._halt()
        timer = self._loop.call_later(self.job.timeout, self.stop, "timeout")
        title = {"play": self._batch.title, "task": self._batch.title}
        on_event(_event("playbook_on_play_start", {**title, "name": self._batch.title}))
        on_event(_event("playbook_on_task_start", {**title, "name": self._batch.title}))
        gate = asyncio.Semaphore(self.job.forks)
        self._tasks = [asyncio.create_task(self._host(to, gate, on_event)) for to in self._batch.fast]
        await asyncio.gather(*self._tasks, return_exceptions=False)
        timer.cancel()
        if not self.why:
            processed = {to.name: 1 for to in self._batch.fast}
            counts = {name: dict(count) for name, count in self._counts.items()}
            on_event(_event("playbook_on_stats", {**counts, "processed": processed}))
        self._loop = None

    async def _host(self, to: Connection, gate: asyncio.Semaphore, on_event: Callable[[dict[str, Any]], None]) -> None:
        title = {"task": self._batch.title, "play": self._batch.title, "host": to.name}

        async def say(stream: str, piece: str) -> None:
            on_event(_event("runner_on_output", {**title, "res": {"stream": stream}}, piece))
            # The journal is written by a thread that knows of no loop to wake.
            while self._waiting() > _ENOUGH:  # noqa: ASYNC110
                await asyncio.sleep(0.002)

        async with gate:
            if self._stop is None or self._stop.done():
                return
            on_event(_event("runner_on_start", title))
            session = Session(to, self._known, self._keys, self._mark)
            try:
                ending = await session.run(self._batch.command, self._batch.timeout, self._stop, say)
            except asyncio.CancelledError:
                return
            self._take(to.name, ending)
            on_event(_event(_EVENTS.get(ending.how, "runner_on_failed"), {**title, "res": _result(ending)}))

    def _take(self, name: str, ending: Ending) -> None:
        self._ends[ending.how] += 1
        for count in _COUNTS.get(ending.how, ("failures",)):
            self._counts[count][name] += 1

    def _halt(self) -> None:
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(None)

    def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()


def _event(kind: str, data: dict[str, Any], stdout: str = "") -> dict[str, Any]:
    return {"event": kind, "created": now(), "event_data": data, "stdout": stdout}


def _result(ending: Ending) -> dict[str, Any]:
    result: dict[str, Any] = {"rc": ending.rc, "seconds": ending.seconds, "changed": ending.how == "ok"}
    return result | ({"msg": ending.error, "how": ending.how} if ending.error else {})
