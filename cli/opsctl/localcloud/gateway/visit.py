"""One HTTP exchange: who came in where, the body within bounds, the answer out."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.types import Receive, Scope, Send

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.answer import Answer


@dataclass
class Visit:
    """One HTTP exchange, and what its line in the access log says."""

    request_id: str
    source: str
    loopback: bool
    host: str
    method: str
    path: str
    raw_query: str
    headers: tuple[tuple[str, str], ...]
    what: str = "-"
    product: str = ""

    @classmethod
    def of(cls, scope: Scope) -> Visit:
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        source = (scope.get("client") or ("", 0))[0]
        server = (scope.get("server") or ("", 0))[0]
        return cls(
            request_id=str(uuid.uuid4()).upper(),
            source=source,
            loopback=_loopback(source) or _loopback(server),
            host=next((value for name, value in headers if name == "host"), "")[:255],
            method=scope["method"],
            path=scope["path"],
            raw_query=scope["query_string"].decode("latin-1"),
            headers=headers,
        )


def _loopback(address: str) -> bool:
    """Whether an address is of this machine alone; an unknown one counts so, which opens no door."""
    try:
        ip = ip_address(address)
    except ValueError:
        return True
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


async def read(receive: Receive, limit: int, seconds: float) -> bytes | None:
    """The body, at most ``limit`` bytes; None when the client went away.

    What is too much is read on for a while: closing on a client that still sends would destroy the answer.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                if not message.get("more_body") or size > 4 * limit:
                    break
    except TimeoutError:
        raise ApiError("RequestTimeout", f"The request body did not arrive within {seconds:.0f} s.", 408) from None
    if size > limit:
        raise ApiError("RequestEntityTooLarge", f"The request body is larger than {limit} bytes.", 413)
    return b"".join(chunks)


async def write(send: Send, answer: Answer, visit: Visit) -> None:
    """Send ``answer``; a client that was cut short is told that the connection ends."""
    headers = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        "x-acs-request-id": visit.request_id,
        **answer.headers,
    }
    if answer.status in (408, 413):
        headers["connection"] = "close"
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if visit.method == "HEAD" else answer.body})
