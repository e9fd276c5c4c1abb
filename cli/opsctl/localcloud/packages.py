"""A package cache that the hosts share: each .deb comes from its mirror once, however many hosts install it.

Hosts speak to it as to an HTTP proxy. Pool files never change under their name and are kept; indexes are kept for a
minute, which is as long as a deployment's hosts need to ask for the same one.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
import tempfile
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import requests
from starlette.responses import FileResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

INDEX_SECONDS = 60
TIMEOUT = (10, 60)
LIMIT_BYTES = 4 * 2**30
FILE_BYTES = 2**30
_LOCKS = 1000


class PackageCache:
    """ASGI middleware: proxy requests of hosts in ``subnet`` are answered here, all else goes to ``app``."""

    def __init__(self, app: ASGIApp, folder: Path, subnet: str) -> None:
        self._app = app
        self._folder = folder
        self._subnet = ipaddress.ip_network(subnet)
        # Threads of its own: the loop's are waited for when the service ends, however slow a mirror is.
        self._pool = ThreadPoolExecutor(8, "package")
        self._locks: OrderedDict[str, asyncio.Lock] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("http://"):
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode()
        url = scope["path"] + (f"?{query}" if query else "")
        refusal = self._refuse(scope, url)
        response = PlainTextResponse(refusal, 403) if refusal else await self._answer(url)
        await response(scope, receive, send)

    def _refuse(self, scope: Scope, url: str) -> str:
        source = ipaddress.ip_address((scope.get("client") or ("0.0.0.0", 0))[0])  # noqa: S104
        if source not in self._subnet:
            return "Only hosts of the local cloud use this cache."
        path = urlsplit(url).path
        if scope["method"] not in ("GET", "HEAD") or not ("/pool/" in path or "/dists/" in path):
            return "Only packages and indexes of Debian archives are fetched here."
        return ""

    async def _answer(self, url: str) -> FileResponse | PlainTextResponse:
        path = self._folder / name(url)
        lock = self._locks.setdefault(url, asyncio.Lock())
        while len(self._locks) > _LOCKS:
            self._locks.popitem(last=False)
        async with lock:
            if not _fresh(path, url):
                try:
                    status = await asyncio.get_running_loop().run_in_executor(self._pool, self._fetch, url, path)
                except requests.RequestException as error:
                    return PlainTextResponse(f"{url} cannot be fetched: {type(error).__name__}", 502)
                except OSError as error:
                    return PlainTextResponse(f"{url} cannot be kept: {error.strerror}", 507)
                if status != 200:
                    return PlainTextResponse(f"{url}: {status}", status)
        return FileResponse(path, media_type="application/octet-stream")

    def _fetch(self, url: str, path: Path) -> int:
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code != 200:
                return answer.status_code
            handle, draft = tempfile.mkstemp(dir=self._folder, prefix="new-")
            try:
                size = 0
                with os.fdopen(handle, "wb") as out:
                    for chunk in answer.iter_content(1 << 16):
                        size += len(chunk)
                        if size > FILE_BYTES:
                            return 413
                        out.write(chunk)
                Path(draft).replace(path)
            finally:
                Path(draft).unlink(missing_ok=True)
        self._trim()
        return 200

    def _trim(self) -> None:
        """Drop what was not used for longest when the folder is over its limit."""
        rows = []
        for entry in self._folder.iterdir():
            # Others are at work: a draft becomes a file, another one trims too.
            with suppress(FileNotFoundError):
                found = entry.stat()
                rows.append((found.st_atime, found.st_size, entry))
        rows.sort()
        total = sum(size for _, size, _ in rows)
        for _, size, entry in rows:
            if total <= LIMIT_BYTES:
                return
            entry.unlink(missing_ok=True)
            total -= size


def name(url: str) -> str:
    """The file that keeps what ``url`` answered."""
    return hashlib.sha256(url.encode()).hexdigest()


def _fresh(path: Path, url: str) -> bool:
    if not path.exists():
        return False
    return url.endswith(".deb") or "/by-hash/" in url or time.time() - path.stat().st_mtime < INDEX_SECONDS
