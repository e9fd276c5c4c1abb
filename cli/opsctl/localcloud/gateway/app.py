"""One HTTP call from bytes to answer: read, authenticate, route, run the handler, write the wire JSON.

Which doors are open depends on the address a call arrives at. Signed API calls are taken everywhere. On an address that
hosts can reach (any but loopback) there are two unsigned doors besides: the metadata service, which tells a host about
itself by its source address, and the signals of wait conditions, whose URLs carry a signature of their own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from opsctl.localcloud.errors import ApiError, places
from opsctl.localcloud.gateway.answer import PRODUCTS, Answer, ThrottledError, failure, success
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.gateway.replay import Nonces
from opsctl.localcloud.gateway.signature import Call, KeyStore, authenticate
from opsctl.localcloud.gateway.visit import Visit, read, write

METADATA_HOST = "100.100.100.200"
API_BODY = 4 * 2**20
HOST_BODY = 2**16
_METADATA = re.compile(r"/(latest|2016-01-01)(/|$)")
_WORD = re.compile(r"[A-Za-z0-9.-]{1,64}")

access = logging.getLogger("opsctl.localcloud.access")
log = logging.getLogger("opsctl.localcloud.gateway")


@dataclass(frozen=True)
class Request:
    """One authenticated API call, as a handler sees it."""

    product: str
    """``ROS``, ``Ecs``, ``Vpc`` ..."""
    version: str
    action: str
    params: Params
    region_id: str
    """The parameter RegionId, empty when the call names no region."""
    access_key_id: str
    request_id: str
    now: datetime
    """When the call was taken, in UTC."""


Handler = Callable[[Request], Mapping[str, Any]]
"""Answers one action with the response body (RequestId is added), or raises ApiError. Runs in a thread."""

Signals = Callable[[dict[str, str], bytes, str], None]
"""Takes the query, the body and the content type of a wait condition's call, or raises ApiError."""


class HostService(Protocol):
    """The metadata service: answers a host by its source address (see :mod:`opsctl.localcloud.metadata`)."""

    def answer(self, source: str, method: str, path: str, headers: Mapping[str, str]) -> Answer: ...


def utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Limits:
    """Bounds of the gateway: everything that queues or waits has an end. Times in seconds."""

    workers: int = 32
    queue: int = 1024
    body_timeout: float = 30.0
    call_timeout: float = 60.0
    send_timeout: float = 60.0


def create_app(
    actions: Mapping[tuple[str, str], Handler],
    keys: KeyStore,
    *,
    metadata: HostService | None = None,
    signals: Signals | None = None,
    clock: Callable[[], datetime] = utcnow,
    limits: Limits | None = None,
) -> Starlette:
    """The application; ``actions`` maps (API version, action) to handlers, ``clock`` gives the time in UTC."""
    gateway = Gateway(
        actions=actions, keys=keys, metadata=metadata, signals=signals, clock=clock, limits=limits or Limits()
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        gateway.close()

    return Starlette(routes=[Mount("/", app=gateway)], lifespan=lifespan)


class Gateway:
    """The ASGI application proper."""

    def __init__(
        self,
        *,
        actions: Mapping[tuple[str, str], Handler],
        keys: KeyStore,
        metadata: HostService | None,
        signals: Signals | None,
        clock: Callable[[], datetime],
        limits: Limits,
    ) -> None:
        self._actions = actions
        self._keys = keys
        self._metadata = metadata
        self._signals = signals
        self._clock = clock
        self._limits = limits
        self._nonces = Nonces(clock())
        self._pending = 0
        self._pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="gateway")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        visit = Visit.of(scope)
        work = self._door(visit)
        try:
            body = await read(receive, API_BODY if work == self._api else HOST_BODY, self._limits.body_timeout)
            if body is None:
                return
            answer = await self._run(work, visit, body)
        except ApiError as error:
            answer = failure(error, visit.request_id, visit.host)
        milliseconds = (time.perf_counter() - started) * 1000
        access.info(
            "%s %s %s %s %s %d %.0f ms",
            visit.request_id,
            visit.source,
            visit.method,
            visit.what,
            answer.code or "ok",
            answer.status,
            milliseconds,
        )
        async with asyncio.timeout(self._limits.send_timeout):
            await write(send, answer, visit)

    def _door(self, visit: Visit) -> Callable[[Visit, bytes], Answer]:
        """Which of the three services a call wants, by address, Host header and path only."""
        to_metadata = visit.host.partition(":")[0] == METADATA_HOST or _METADATA.match(visit.path)
        to_signals = visit.path == "/waitcondition"
        if not (to_metadata or to_signals):
            return self._api
        if visit.loopback:
            return self._closed
        return self._describe if to_metadata else self._signal

    async def _run(self, work: Callable[[Visit, bytes], Answer], visit: Visit, body: bytes) -> Answer:
        if self._pending >= self._limits.queue:
            raise _busy()
        self._pending += 1
        try:
            future = self._pool.submit(self._guarded, work, visit, body)
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limits.call_timeout)
        except TimeoutError:
            log.error("%s %s took over %.0f s", visit.request_id, visit.what, self._limits.call_timeout)
            raise _busy() from None
        finally:
            self._pending -= 1

    def _guarded(self, work: Callable[[Visit, bytes], Answer], visit: Visit, body: bytes) -> Answer:
        """``work``, with any error as an answer; of an unexpected one only types and places are logged.

        Its message is not: it may quote a password or a piece of a template.
        """
        try:
            return work(visit, body)
        except ApiError as error:
            return failure(error, visit.request_id, visit.host, visit.product)
        except Exception as error:
            log.error("%s %s failed:\n%s", visit.request_id, visit.what, places(error))
            server = ApiError("InternalError", "Server error.", 500)
            return failure(server, visit.request_id, visit.host, visit.product)

    def _api(self, visit: Visit, body: bytes) -> Answer:
        if visit.path != "/":
            raise _no_action()
        if visit.method not in ("GET", "POST"):
            raise ApiError("UnsupportedHTTPMethod", "This http method is not supported.", 403)
        now = self._clock()
        call = Call(visit.method, visit.path, visit.raw_query, visit.headers, body)
        caller = authenticate(call, self._keys, self._nonces, now)
        if _WORD.fullmatch(caller.action) and _WORD.fullmatch(caller.version):
            visit.what = f"{caller.version} {caller.action}"
        handler = self._actions.get((caller.version, caller.action))
        if handler is None:
            if any(version == caller.version for version, _ in self._actions):
                raise _no_action()
            raise ApiError("InvalidVersion", "Specified parameter Version is not valid.", 404)
        visit.product = PRODUCTS.get(caller.version, "")
        params = Params(caller.params)
        request = Request(
            product=visit.product,
            version=caller.version,
            action=caller.action,
            params=params,
            region_id=params.text("RegionId"),
            access_key_id=caller.access_key_id,
            request_id=visit.request_id,
            now=now,
        )
        return success(handler(request), visit.request_id)

    def _describe(self, visit: Visit, _: bytes) -> Answer:
        visit.what = "metadata"
        if self._metadata is None:
            raise _no_action()
        return self._metadata.answer(visit.source, visit.method, visit.path, dict(visit.headers))

    def _signal(self, visit: Visit, body: bytes) -> Answer:
        visit.what = "waitcondition"
        if self._signals is None:
            raise _no_action()
        if visit.method not in ("POST", "PUT"):
            raise ApiError("UnsupportedHTTPMethod", "This http method is not supported.", 403)
        call = Call(visit.method, visit.path, visit.raw_query, visit.headers, body)
        self._signals(call.query, body, call.header("content-type"))
        return success({}, visit.request_id)

    def _closed(self, visit: Visit, _: bytes) -> Answer:
        raise ApiError("Forbidden", "This service is for the hosts of the local cloud only.", 403)


def _no_action() -> ApiError:
    message = "Specified api is not found, please check your url and method."
    return ApiError("InvalidAction.NotFound", message, 404)


def _busy() -> ThrottledError:
    message = "The request has failed due to a temporary failure of the server."
    return ThrottledError("ServiceUnavailable", message, retry_after=1000, status=503)
