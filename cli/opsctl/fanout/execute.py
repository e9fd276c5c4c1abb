"""Runs a command on all hosts at once, as far as it may: stands where an execution of Ansible would."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from opsctl.clock import now
from opsctl.events.redact import Redactor
from opsctl.fanout.batch import Batch
from opsctl.fanout.host import Spool
from opsctl.fanout.slow import Group
from opsctl.fanout.ssh import Connection, Ending, Mark, Session, Way, direct, room
from opsctl.pace import story
from opsctl.pace.brake import Brake, Change, End
from opsctl.pace.machine import Began, Done, Hold, Machine, Over, Start
from opsctl.pace.rate import DEFAULT, Rate
from opsctl.pace.talk import OnEvent, watched
from opsctl.runs.execute import Job, Outcome, Why
from opsctl.runs.process import RUN_VARIABLE
from opsctl.runs.progress import natural

_ENOUGH = 256
"""Records that may wait for the journal before hosts wait for it too."""

_NOTE = 900
"""Characters of a line in syslog, which many daemons cut at 1024 bytes."""

_EVENTS = {"ok": "runner_on_ok", "unreachable": "runner_on_unreachable"}
_COUNTS = {"ok": ("ok", "changed"), "unreachable": ("dark",)}


class Fanout:
    """As `opsctl.runs.execute.Execution`, over connections of our own; hosts that cannot be reached so, by Ansible."""

    def __init__(
        self,
        job: Job,
        batch: Batch,
        waiting: Callable[[], int],
        rate: Rate = DEFAULT,
        brake: Brake | None = None,
        *,
        way: Way | None = None,
    ) -> None:
        """`waiting`: how many records wait for the journal. `way`: to hosts; without it, connections of its own."""
        self.job = job
        self.why: Why = ""
        self._batch, self._waiting, self._rate = batch, waiting, rate
        self._brake = brake or Brake()
        self._to = {to.name: to for to in batch.fast}
        self._machine = Machine(sorted([*self._to, *batch.slow], key=natural), rate, job.forks)
        self._way: Way = way or direct()
        self._command = batch.command
        if batch.note:
            self._command = replace(batch.command, mark=Mark("opsctl", RUN_VARIABLE, job.id, _note(job.id, batch)))
        self._word = f"opsctl-{os.urandom(12).hex()}"
        self._pattern = re.compile(rate.stop_match) if rate.stop_match else None
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in ("ok", "changed", "dark", "failures")}
        self._ends: Counter[str] = Counter()
        self._statuses: set[int] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Future[None] | None = None
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: Group | None = None
        self._groups = 0
        self._started: list[str] = []

    def stop(self, why: Why) -> None:
        """Ask all hosts to stop; the second time, leave them."""
        again, self.why = bool(self.why), self.why or why
        if self._group is not None:
            self._group.stop(why)
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._leave if again else self._halt)

    def run(self, on_event: OnEvent) -> Outcome:
        """Run to the end. `on_event` is called in this thread and, for hosts of Ansible's, in one more; events have
        the shape of ansible-runner's.
        """
        began = time.monotonic()
        for host, reason in self._batch.slow.items():
            on_event({"event": "warning", "stdout": f"{host} is reached through Ansible: {reason}"})
        room(self.job.forks)
        over = asyncio.run(self._all(on_event))
        text = self._concluded(over)
        if over.left:
            on_event(story.left(over.left))
        if not self.why and self._ends["timeout"] and self._ends["timeout"] == self._ends.total() - self._ends["ok"]:
            self.why = "timeout"
        return Outcome(self._status(), self.why, time.monotonic() - began, text)

    def _concluded(self, over: Over) -> str:
        """Takes over why it ended before all hosts had their turn; in words."""
        end: End | None = over.why if over.why in ("errors", "batch", "matched") else self._brake.end
        if self.why or not over.left or end is None:
            return ""
        self.why = end
        return story.ended(end, self._brake.text, over.errors, len(over.left))

    def _status(self) -> int:
        """As Ansible's."""
        if strange := self._statuses - {0, 2, 4}:
            return max(strange)
        if self._counts["failures"] or 2 in self._statuses:
            return 2
        return 4 if self._counts["dark"] or 4 in self._statuses else 0

    async def _all(self, on_event: OnEvent) -> Over:
        self._loop = asyncio.get_running_loop()
        self._stop = self._loop.create_future()
        if self.why:
            self._halt()
        timer = self._loop.call_later(self.job.timeout, self.stop, "timeout")
        if self._to:
            on_event(_event("playbook_on_play_start", {**self._title, "name": self._batch.title}))
            on_event(_event("playbook_on_task_start", {**self._title, "name": self._batch.title}))
        with self._brake.heard(
            lambda change: self._soon(self._changed, change, on_event), lambda: self._soon(self._ended)
        ):
            if self._brake.held:
                self._machine.hold()
            if self._brake.end:
                self._ended()
            over = await self._drive(on_event)
        timer.cancel()
        await self._way.close()
        if self._to and self.why in ("", "errors", "batch", "matched", "unanswered"):
            processed = {name: 1 for count in self._counts.values() for name in count}
            counts = {name: dict(count) for name, count in self._counts.items()}
            on_event(_event("playbook_on_stats", {**counts, "processed": processed}))
        self._loop = None
        return over

    async def _drive(self, on_event: OnEvent) -> Over:
        """Do what the machine says until it is over."""
        while True:
            self._news.clear()
            for step in self._machine.advance():
                if isinstance(step, Over):
                    return step
                self._follow(step, on_event)
            if self._started and self._group is None:
                self._begin(self._together(on_event))
            await self._news.wait()

    def _follow(self, step: Start | Began | Done | Hold, on_event: OnEvent) -> None:
        if isinstance(step, Start):
            if step.host in self._to:
                self._begin(self._host(self._to[step.host], on_event))
            else:
                self._started.append(step.host)
        elif isinstance(step, Hold):
            self._brake.hold(story.asks(step.batch, step.of))
        elif step.of > 1:
            on_event(
                story.began(step.batch, step.of, step.hosts)
                if isinstance(step, Began)
                else story.done(step.batch, step.of, step.errors)
            )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _host(self, to: Connection, on_event: OnEvent) -> None:
        title = {**self._title, "host": to.name}

        async def record(stream: str, piece: str) -> None:
            on_event(_event("runner_on_output", {**title, "res": {"stream": stream}}, piece))
            if self._pattern is not None and self._pattern.search(piece):
                self._brake.finish("matched", story.match(to.name, self._pattern.pattern))
            # The journal is written by a thread that knows of no loop to wake.
            while self._waiting() > _ENOUGH:  # noqa: ASYNC110
                await asyncio.sleep(0.002)

        on_event(_event("runner_on_start", title))
        failed = True
        try:
            for attempt in range(1, self._rate.retries + 2):
                ending = await self._once(to, record)
                if ending.how in ("ok", "canceled") or attempt > self._rate.retries or self._halted.done():
                    break
                tried = {"attempts": attempt, "retries": self._rate.retries, **_result(ending)}
                on_event(_event("runner_retry", {**title, "res": tried}))
                await asyncio.wait({self._halted}, timeout=self._rate.retry_delay)
            failed = ending.how != "ok"
            self._take(to.name, ending)
            on_event(_event(_EVENTS.get(ending.how, "runner_on_failed"), {**title, "res": _result(ending)}))
        except asyncio.CancelledError:
            return
        finally:
            self._machine.ended(to.name, failed=failed)
            self._news.set()

    async def _once(self, to: Connection, record: Callable[[str, str], Awaitable[None]]) -> Ending:
        """On one host, once; `record` takes what it says piece by piece."""
        spools = {"stdout": Spool(), "stderr": Spool()}

        async def take(stream: str, data: bytes) -> None:
            for piece in spools[stream].take(data):
                await record(stream, piece)

        session = Session(to, self._way, self._word)
        ending = await session.run(self._command, self._batch.timeout, self._halted, take)
        for stream, spool in spools.items():
            for piece in spool.rest():
                await record(stream, piece)
        return ending

    async def _together(self, on_event: OnEvent) -> None:
        """Hosts that have begun and that Ansible must reach, in one execution; who begins meanwhile is in the next."""
        hosts, self._started = self._started, []
        self._groups += 1
        group = self._group = Group(self.job, self._batch, hosts, self._rate, self._groups)
        try:
            if self.why:
                return
            outcome = await asyncio.to_thread(group.run, self._watched(on_event))
            self._statuses.add(outcome.status)
        finally:
            self._group = None
            for host in hosts:
                self._machine.ended(host, failed=host not in group.good)
            self._news.set()

    def _watched(self, on_event: OnEvent) -> OnEvent:
        """Takes events of Ansible's, and holds what the hosts said against the condition to stop."""
        if self._pattern is None:
            return on_event
        return watched(on_event, self._pattern, self._brake)

    def _take(self, name: str, ending: Ending) -> None:
        self._ends[ending.how] += 1
        for count in _COUNTS.get(ending.how, ("failures",)):
            self._counts[count][name] += 1

    def _changed(self, change: Change, on_event: OnEvent) -> None:
        on_event(change.event())
        if change.kind == "paused":
            self._machine.hold()
        else:
            self._machine.go()
        self._news.set()

    def _ended(self) -> None:
        """Hosts that have begun come to their end; no others begin."""
        self._machine.stop("matched" if self._brake.end == "matched" else "stopped")
        self._news.set()

    def _halt(self) -> None:
        if not self._halted.done():
            self._halted.set_result(None)
        self._machine.stop()
        self._news.set()

    def _leave(self) -> None:
        self._halt()
        for task in self._tasks:
            task.cancel()

    def _soon(self, what: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what, *arguments)

    @property
    def _halted(self) -> asyncio.Future[None]:
        assert self._stop is not None  # noqa: S101 - made before anything runs
        return self._stop

    @property
    def _title(self) -> dict[str, str]:
        return {"play": self._batch.title, "task": self._batch.title}


def _note(run: str, batch: Batch) -> str:
    """One line, whatever is in the command."""
    text = Redactor(batch.hidden).text(f"run={run} {batch.note}")
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_NOTE]


def _event(kind: str, data: dict[str, Any], stdout: str = "") -> dict[str, Any]:
    return {"event": kind, "created": now(), "event_data": data, "stdout": stdout}


def _result(ending: Ending) -> dict[str, Any]:
    result: dict[str, Any] = {"rc": ending.rc, "seconds": ending.seconds, "changed": ending.how == "ok"}
    return result | ({"msg": ending.error, "how": ending.how} if ending.error else {})
