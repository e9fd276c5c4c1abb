"""The calls: `POST /v1/alerts/SOURCE` and `GET /healthz`. What was answered with 202 is on the disk."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from opsctl.alerts.alert import moment
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Full, Inbox, Taken
from opsctl.alerts.receiver.proof import Memory, Refusal, bearer, signed
from opsctl.alerts.sources import alertmanager, webhook, zabbix
from opsctl.alerts.sources.told import Told
from opsctl.errors import OpsctlError

LARGEST = 1_000_000
"""Bytes of one message."""
_SMALL = 32_000
"""Bytes of a message that is understood in no time."""
_DRAINED = 8 * LARGEST
"""Bytes that are read of one that is larger: a sender that is cut off does not hear why."""
_BODY = 10.0
"""Seconds a sender has for it."""
_STORE = 10.0
"""Seconds that storing may take before the sender is told to come again."""
_AT_ONCE = 256
"""Messages handled at the same time."""


class Intake:
    """What is done with messages of these sources."""

    def __init__(
        self,
        inbox: Inbox,
        sources: Sequence[Source],
        home: Path,
        base: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`base`: URL of Zabbix's web front end, where known; `clock`: seconds since the epoch.

        Raises:
            ConfigError: the secret of a source cannot be read.
        """
        self._inbox, self._home, self._base, self._clock = inbox, home, base, clock
        self._sources = {source.name: source for source in sources if source.kind != "search"}
        for source in self._sources.values():
            source.secret(home)
        self._memory = Memory(inbox.signed(clock()))
        self._busy = 0
        self.counts: Counter[str] = Counter()
        """taken, and refused by status."""

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/v1/alerts/{source}", self._post, methods=["POST"]),
            Route("/healthz", self._health, methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http, Exception: _broken})

    async def _health(self, request: Request) -> JSONResponse:
        try:
            await asyncio.to_thread(self._inbox.newest)
        except OpsctlError as error:
            return _answer(503, {"status": "failing", "error": str(error)})
        return _answer(200, {"status": "ok", **self.counts, "lost": self._inbox.refused})

    async def _post(self, request: Request) -> JSONResponse:
        self._busy += 1
        try:
            if self._busy > _AT_ONCE:
                raise Refusal(503, f"more than {_AT_ONCE} messages at once", retry_after=1)
            taken = await self._take(request)
        except Refusal as refusal:
            self.counts[f"refused_{refusal.status}"] += 1
            headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
            return _answer(refusal.status, {"error": str(refusal)}, headers)
        finally:
            self._busy -= 1
        return _answer(202, taken)

    async def _take(self, request: Request) -> dict[str, Any]:
        source = self._sources.get(request.path_params["source"])
        if source is None:
            raise Refusal(404, "no source of this name takes messages; the settings name them: alerts.sources")
        body = await _read(request)
        now = self._clock()
        mac = self._proved(source, request, body, now)
        known = (source, body, moment(now))
        # A large one takes long to understand: others need not wait for it.
        told = self._told(*known) if len(body) < _SMALL else await asyncio.to_thread(self._told, *known)
        until = self._memory.take(mac, now) if mac else 0
        try:
            taken = await self._stored(told, mac, until)
        except Refusal:
            self._memory.forget(mac)
            raise
        self.counts["taken"] += len(taken)
        return _said(source, taken, told.wrong)

    def _proved(self, source: Source, request: Request, body: bytes, now: float) -> str:
        try:
            # Read each time: a secret that was changed counts at once.
            secret = source.secret(self._home)
        except OpsctlError:
            raise Refusal(503, "the secret of this source cannot be read here", retry_after=60) from None
        if source.proved == "bearer":
            bearer(request.headers, secret)
            return ""
        return signed(request.headers, body, secret, now)

    def _told(self, source: Source, body: bytes, received: str) -> Told:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            raise Refusal(400, "the message is no JSON") from None
        try:
            if source.kind == "zabbix":
                return zabbix.told(message, source.name, received, self._base)
            if source.kind == "alertmanager":
                return alertmanager.told(message, source.name, received)
            return webhook.told(message, source.name, received, source.mapping)
        except ValueError as error:
            raise Refusal(400, str(error)) from None

    async def _stored(self, told: Told, mac: str, until: int) -> list[Taken]:
        try:
            future = asyncio.wrap_future(self._inbox.submit(told.alerts, mac, until))
            return await asyncio.wait_for(asyncio.shield(future), _STORE)
        except Full as error:
            raise Refusal(503, str(error), retry_after=error.retry_after) from None
        except TimeoutError:
            raise Refusal(503, f"not stored within {_STORE:.0f} s", retry_after=5) from None
        except OpsctlError:
            # Paths of this machine are nothing a sender must know.
            raise Refusal(503, "it cannot be stored here now", retry_after=10) from None


async def _read(request: Request) -> bytes:
    """The body.

    Raises:
        Refusal: it is too large, too slow or not whole.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > _DRAINED:
        raise Refusal(413, f"a message may have {LARGEST} bytes")
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY):
            async for part in request.stream():
                size += len(part)
                if size <= LARGEST:
                    parts.append(part)
                elif size > _DRAINED:
                    break
    except TimeoutError:
        raise Refusal(408, f"the message was not whole within {_BODY:.0f} s") from None
    except ClientDisconnect:
        raise Refusal(400, "the message was not whole") from None
    if size > LARGEST:
        raise Refusal(413, f"a message may have {LARGEST} bytes")
    return b"".join(parts)


def _said(source: Source, taken: Sequence[Taken], wrong: Sequence[str]) -> dict[str, Any]:
    """What the sender is told. Zabbix writes `tags` on the event."""
    said: dict[str, Any] = {"taken": len(taken), "ids": [each.alert.id for each in taken]}
    if wrong:
        said["passed_over"] = list(wrong[:10])
    if source.kind == "zabbix" and taken[0].alert.firing:
        said["tags"] = {"opsctl_alert": taken[0].alert.id}
    return said


def _answer(status: int, content: Any, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, headers)


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = {404: "there is nothing here; post to /v1/alerts/SOURCE", 405: "messages are posted"}.get(status, "refused")
    return _answer(status, {"error": text})


async def _broken(request: Request, error: Exception) -> JSONResponse:
    return _answer(500, {"error": f"opsctl failed: {type(error).__name__}"})
