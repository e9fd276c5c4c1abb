"""The sockets: the only file that knows uvicorn, with the limits a public HTTP server needs.

A template travels percent-encoded in the query of some actions, so a request line of 1.5 MB is normal here, far above
what web servers take by default. Clients that send their request head too slowly, or without end, are cut off.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 4 * 2**20
"""Largest request line with headers, in bytes."""
HEAD_TIMEOUT = 30.0
"""Seconds a client has for sending it."""
KEEP_ALIVE = 75

log = logging.getLogger("opsctl.localcloud.gateway")


class Connection(H11Protocol):
    """One client: uvicorn's, plus a time limit for the request head and refusals in JSON."""

    head_timeout = HEAD_TIMEOUT
    _timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn's own access log shows whole queries, with the secrets in them, wherever somebody turned logging on.
        self.access_log = False
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            # What a refused client still sends is read and dropped: closing at once would destroy the answer.
            return
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Keep the timer running exactly while a request head is incomplete."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_watch()
        elif self._timer is None and self.timeout_keep_alive_task is None:
            self._timer = self.loop.call_later(self.head_timeout, self.transport.abort)

    def _stop_watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def send_400_response(self, msg: str) -> None:
        self._refused = True
        self._stop_watch()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        if len(self.conn.trailing_data[0]) > HEAD:
            status, code, text = 413, "RequestEntityTooLarge", f"The request head is larger than {HEAD} bytes."
        else:
            status, code, text = 400, "InvalidRequest", "The request is not valid HTTP."
        request_id = str(uuid.uuid4()).upper()
        body = json.dumps({"RequestId": request_id, "HostId": "", "Code": code, "Message": text}).encode()
        headers = [
            ("content-type", "application/json;charset=utf-8"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()
        self._timer = self.loop.call_later(self.head_timeout, self.transport.abort)

    def eof_received(self) -> None:
        if self._refused:
            self.transport.close()


class Server(uvicorn.Server):
    """A server that hands control back when told to stop, instead of dying of the signal it got.

    ``run(sockets=[...])`` serves on bound sockets; calls in progress get ``grace`` seconds when it stops.
    """

    def __init__(self, app: ASGIApp, grace: float = 10.0) -> None:
        self._app = app
        self.cut = 0
        """Calls that were cut off because they did not end in time when the server stopped."""
        config = uvicorn.Config(
            self._counted,
            interface="asgi3",
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # A host is known by its source address; a header must not be able to change it.
            proxy_headers=False,
            h11_max_incomplete_event_size=HEAD,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=max(1, round(grace)),
        )
        super().__init__(config)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            self.cut += scope["type"] == "http"
            raise

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Ask the server to stop; from any thread."""
        self.should_exit = True


def serve(app: ASGIApp, sockets: list[socket.socket], *, grace: float = 10.0) -> bool:
    """Serve on bound sockets until SIGTERM or SIGINT; returns at most about ``grace`` seconds after that.

    False when calls were still running then: their threads are abandoned, and as Python waits for threads at its end,
    the process should leave with ``os._exit``.
    """
    server = Server(app, grace)
    server.run(sockets=sockets)
    if server.cut:
        log.warning("%d calls were still running", server.cut)
    return not server.cut
