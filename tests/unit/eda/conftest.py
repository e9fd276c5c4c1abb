"""A Zabbix that answers what the event source asks, and the sources as ansible-rulebook loads them."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

SOURCES = Path(__file__).resolve().parents[3] / "extensions/eda/plugins/event_source"
TOKEN = "0123456789abcdef" * 4
PATIENCE = 20


def load(name: str) -> dict[str, Any]:
    """The names of a source, loaded as ansible-rulebook does it."""
    return runpy.run_path(str(SOURCES / f"{name}.py"))


@dataclass
class Fake:
    """A Zabbix: its problems by event id, and what it is to do next instead of answering."""

    version: str = "6.0.14"
    problems: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    faults: list[Callable[[], Awaitable[web.Response]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def raised(self, key: str, **more: Any) -> None:
        """A problem begins."""
        self.problems[key] = {
            "eventid": key,
            "objectid": "77",
            "clock": "1795284001",
            "name": "Redis is down",
            "severity": "4",
            "acknowledged": "0",
            "suppressed": "0",
            "opdata": "0",
            "tags": [{"tag": "opsctl_component", "value": "redis"}, {"tag": "opsctl_stack", "value": "cache"}],
            **more,
        }

    def over(self, key: str) -> None:
        """A problem ends."""
        del self.problems[key]
        self.ended[key] = "1795284061"

    def result(self, method: str, params: dict[str, Any]) -> Any:
        if method == "problem.get" and params.get("recent"):
            return [{"eventid": key, "r_clock": at} for key, at in self.ended.items() if key in params["eventids"]]
        if method == "problem.get":
            rows = [row for row in self.problems.values() if int(row["severity"]) in params.get("severities", range(6))]
            return sorted(rows, key=lambda row: -int(row["eventid"]))[: params["limit"]]
        if method == "event.get":
            return [{"eventid": key, "hosts": [{"hostid": "10"}]} for key in params["eventids"] if key in self.problems]
        if method == "host.get":
            new = self.version >= "6.2"
            assert ("selectHostGroups" in params) is new
            faces = [{"ip": "10.0.0.5", "dns": "", "useip": "1", "main": "1"}]
            groups = {"hostgroups" if new else "groups": [{"name": "opsctl"}]}
            return [{"hostid": "10", "host": "cache-redis-1", "name": "c", "interfaces": faces, **groups}]
        assert method == "hostgroup.get"
        return [{"groupid": "5"} for name in params["filter"]["name"] if name == "opsctl"]

    async def answer(self, request: web.Request) -> web.Response:
        call = await request.json()
        self.asked.append(call["method"])
        if self.faults:
            return await self.faults.pop(0)()
        said: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        if call["method"] == "apiinfo.version":
            assert "auth" not in call
            assert "Authorization" not in request.headers
            return web.json_response({**said, "result": self.version})
        bearer = self.version >= "6.4"
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") if bearer else call.get("auth")
        if bearer and "auth" in call:
            return web.json_response({**said, "error": refusal('Invalid parameter "/": unexpected parameter "auth".')})
        if given != TOKEN:
            return web.json_response({**said, "error": refusal("Not authorized.")})
        return web.json_response({**said, "result": self.result(call["method"], call["params"])})


def refusal(text: str, code: int = -32602) -> dict[str, Any]:
    return {"code": code, "message": "Invalid params.", "data": text}


@asynccontextmanager
async def serving(fake: Fake) -> AsyncIterator[None]:
    """The fake on a port of its own."""
    app = web.Application()
    app.router.add_post("/zabbix/api_jsonrpc.php", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/zabbix"
    try:
        yield
    finally:
        await runner.cleanup()


class Told:
    """A source that runs, and what it tells."""

    def __init__(self, main: Callable[..., Coroutine[Any, Any, None]], args: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(main(self.queue, args))

    async def next(self) -> dict[str, Any]:
        """The next alert; the source's error if it ended instead."""
        got = asyncio.create_task(self.queue.get())
        done, _ = await asyncio.wait({got, self.task}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if got not in done:
            got.cancel()
            assert self.task in done, f"nothing was told within {PATIENCE} s"
            self.task.result()
        event: dict[str, Any] = got.result()
        assert list(event) == ["alert"]
        alert: dict[str, Any] = event["alert"]
        return alert

    async def __aenter__(self) -> Told:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self.task
