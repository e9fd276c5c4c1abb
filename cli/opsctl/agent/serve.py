"""The agent's process: connects to hosts for the clients of its user, and keeps the connections for the next one."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.direct import Direct

from opsctl.agent import place, wire
from opsctl.agent.pool import Kept, Pool, key
from opsctl.agent.relay import Relay, Stale, start
from opsctl.clock import now
from opsctl.fanout.ssh import Connection, Refused

_RUNS = 16
"""Runs whose known hosts and keys are remembered: as without an agent, a run reads each file once."""
_END = 4.0
"""Seconds a process may take to end when its client is gone."""
_TICK = 5.0
_LOOK = 1.0
_T = TypeVar("_T")


class Agent:
    """Serves until nothing was asked of it for so long that nothing is kept any more."""

    def __init__(self, most: int, ttl: float) -> None:
        """`most`: connections at the same time; `ttl`: seconds one may be idle."""
        self.pool = Pool(most, ttl)
        self._began, self._used = now(), time.monotonic()
        self._cold = self._warm = 0
        self._runs: OrderedDict[str, tuple[Direct, dict[str, str]]] = OrderedDict()
        self._clients: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()

    async def serve(self, listening: socket.socket, held: int) -> None:
        """Until it is told to leave, or nobody needs it any more; then until the last process has ended."""
        server = await asyncio.start_unix_server(self._accept, sock=listening, backlog=place.BACKLOG)
        try:
            while not self._leaving.is_set() and not self._idle():
                try:
                    await asyncio.wait_for(self._leaving.wait(), min(_TICK, self.pool.ttl / 2))
                except TimeoutError:
                    self.pool.expire()
        finally:
            place.leave(held)
            server.close()
        self.pool.clear()
        if self._clients:
            await asyncio.wait(self._clients)

    def leave(self) -> None:
        """Take no more clients, and end with the last one. The second time: end now."""
        if self._leaving.is_set():
            for task in self._clients:
                task.cancel()
        self._leaving.set()

    def _idle(self) -> bool:
        if len(self.pool) or self.pool.taken or self._clients:
            self._used = time.monotonic()
        return time.monotonic() - self._used > self.pool.ttl

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - every coroutine that runs has one
        self._clients.add(task)
        try:
            if place.ours(writer.get_extra_info("socket")):
                await self._client(reader, writer)
        except (EOFError, OSError, wire.BadFrame, ValueError, KeyError, TypeError):
            # It is gone, or speaks something else. Nothing of what it said goes into a log: it may be a secret.
            return
        finally:
            self._clients.discard(task)
            writer.transport.abort() if self._leaving.is_set() else writer.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, content = await asyncio.wait_for(wire.read(reader), 10)
        if kind == wire.OPEN:
            await self._open(wire.parsed(content), reader, writer)
            return
        if kind == wire.QUIT:
            self._leaving.set()
        writer.write(wire.message(wire.STATUS, self._status()))
        await writer.drain()

    def _status(self) -> dict[str, Any]:
        pool = self.pool
        return {
            "pid": os.getpid(),
            "started": self._began,
            "kept": len(pool),
            "in_use": pool.taken,
            "max": pool.most,
            "ttl": pool.ttl,
            "commands": {"over_kept": self._warm, "over_new": self._cold},
        }

    async def _open(self, asked: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to = Connection(**asked["to"] | {"known_hosts": tuple(asked["to"]["known_hosts"])})
        found: tuple[Kept, Relay] | None = None
        answer = wire.frame(wire.ALONE)
        if not self._leaving.is_set() and asked["home"] == os.environ.get("HOME"):
            try:
                found = await _while_there(reader, writer, self._started(to, asked, writer))
            except Refused as error:
                answer = wire.frame(wire.REFUSED, str(error).encode("utf-8", "replace"))
        if found is None:
            writer.write(answer)
            await writer.drain()
            return
        kept, relay = found
        whole = False
        try:
            whole = await self._carry(relay, reader)
        finally:
            if whole:
                self.pool.give(kept)
            else:
                self.pool.lose(kept)

    async def _carry(self, relay: Relay, reader: asyncio.StreamReader) -> bool:
        """Both ways until one end is gone; whether the connection can be used again."""
        feeding = asyncio.ensure_future(relay.feed(reader))
        over = asyncio.ensure_future(relay.over.wait())
        try:
            await asyncio.wait({feeding, over}, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                relay.end()
                await asyncio.wait({over}, timeout=_END)
                return False
            await relay.finish()
            return relay.status is not None
        finally:
            for task in (feeding, over):
                task.cancel()
            await asyncio.gather(feeding, over, return_exceptions=True)

    async def _started(
        self, to: Connection, asked: Mapping[str, Any], writer: asyncio.StreamWriter
    ) -> tuple[Kept, Relay] | None:
        """A process over a kept connection or a new one; None when there is no room for one more."""
        run, files = self._run(asked["run"], asked["agent"])
        same = key(to, asked["agent"], files)
        while kept := self.pool.take(same):
            try:
                if complaint := run.refuses(to, kept.link):
                    raise Stale(complaint)
                relay = await start(kept.link, asked["line"], writer, warm=True)
            except Stale:
                self.pool.lose(kept)
            except BaseException:
                self.pool.lose(kept)
                raise
            else:
                self._warm += 1
                return kept, relay
        if not self.pool.room():
            return None
        made: Kept | None = None
        try:
            made = Kept(same, await run.connect(to), time.monotonic())
            relay = await start(made.link, asked["line"], writer, warm=False)
        except Stale as error:
            self.pool.lose(made)
            raise Refused(str(error)) from error
        except BaseException:
            self.pool.lose(made)
            raise
        self._cold += 1
        return made, relay

    def _run(self, name: str, agent: str) -> tuple[Direct, dict[str, str]]:
        if name not in self._runs:
            self._runs[name] = Direct(agent), {}
            if len(self._runs) > _RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(name)
        return self._runs[name]


async def _while_there(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, work: Coroutine[Any, Any, _T]) -> _T:
    """What the work returns; the client hears that it goes on, and when he is gone it is given up."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK)
            if reader.at_eof():
                raise EOFError
            if not task.done():
                writer.write(wire.frame(wire.WAIT))
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
