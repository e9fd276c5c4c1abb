"""The package cache by itself: what it keeps, drops and refuses, with many at work at once."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from opsctl.localcloud import packages
from opsctl.localcloud.packages import PackageCache


class _Mirror(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        short = "short" in self.path
        self.send_response(200)
        self.send_header("Content-Length", "1000" if short else "10")
        self.end_headers()
        self.wfile.write(b"0123456789")
        self.close_connection = short

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mirror)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/debian/pool/main"
    server.shutdown()
    server.server_close()


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("gone on to the gateway")


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(nobody, tmp_path / "packages", "100.80.0.0/20")


def ask(cache: PackageCache, *urls: str, source: str = "100.80.0.10", method: str = "GET") -> list[tuple[int, bytes]]:
    """(status, body) of proxy requests, all made at once."""

    async def one(url: str) -> tuple[int, bytes]:
        status, body = 0, b""

        async def send(message: Any) -> None:
            nonlocal status, body
            status, body = message.get("status", status), body + message.get("body", b"")

        messages = [{"type": "http.request"}]

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Event().wait()  # this client never hangs up

        asked = {"type": "http", "method": method, "path": url, "query_string": b"", "headers": []}
        await cache({**asked, "client": (source, 1)}, receive, send)
        return status, body

    async def every() -> list[tuple[int, bytes]]:
        return await asyncio.gather(*map(one, urls))

    return asyncio.run(every())


def test_a_package_is_kept_and_served_again_without_its_mirror(cache: PackageCache, mirror: str) -> None:
    (first,) = ask(cache, f"{mirror}/a.deb")
    assert first == (200, b"0123456789")
    gone = f"{mirror}/a.deb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages.requests, "get", None)
        assert ask(cache, gone) == [first]


def test_many_that_fetch_at_once_do_not_trip_over_each_others_drafts(
    cache: PackageCache, mirror: str, tmp_path: Path
) -> None:
    # A draft that its owner has just renamed is listed and no longer there, as this name is.
    (tmp_path / "packages" / "new-gone").symlink_to(tmp_path / "nowhere")
    urls = [f"{mirror}/{number}.deb" for number in range(20)]
    assert ask(cache, *urls) == [(200, b"0123456789")] * 20


def test_a_body_that_breaks_off_is_not_kept(cache: PackageCache, mirror: str, tmp_path: Path) -> None:
    ((status, text),) = ask(cache, f"{mirror}/short.deb")
    assert status == 502
    assert b"short.deb" in text
    assert list((tmp_path / "packages").iterdir()) == []


def test_a_mirror_that_does_not_answer_is_said(cache: PackageCache) -> None:
    ((status, text),) = ask(cache, "http://127.0.0.1:1/debian/pool/a.deb")
    assert (status, text) == (502, b"http://127.0.0.1:1/debian/pool/a.deb cannot be fetched: ConnectionError")


def test_what_was_not_used_for_longest_goes_first(
    cache: PackageCache, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LIMIT_BYTES", 25)
    ask(cache, f"{mirror}/old.deb")
    ask(cache, f"{mirror}/used.deb")
    hour = time.time() - 3600
    for entry in (tmp_path / "packages").iterdir():
        os.utime(entry, (hour, hour))
    ask(cache, f"{mirror}/used.deb")
    kept = {entry.name for entry in (tmp_path / "packages").iterdir()}
    os.utime(tmp_path / "packages" / packages.name(f"{mirror}/used.deb"))
    ask(cache, f"{mirror}/new.deb")
    wanted = {packages.name(f"{mirror}/{each}.deb") for each in ("used", "new")}
    assert len(kept) == 2
    assert {entry.name for entry in (tmp_path / "packages").iterdir()} == wanted


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://x/debian/pool/a.deb", {"source": "127.0.0.1"}),
        ("http://x/debian/pool/a.deb", {"source": "192.168.0.5"}),
        ("http://x/debian/pool/a.deb", {"method": "POST"}),
        ("http://x/secret", {}),
        ("http://x/secret?/pool/", {}),
    ],
)
def test_others_and_other_things_are_refused(cache: PackageCache, url: str, options: dict[str, str]) -> None:
    assert ask(cache, url, **options)[0][0] == 403


def test_what_is_no_proxy_request_goes_on_to_the_gateway(cache: PackageCache) -> None:
    with pytest.raises(AssertionError, match="gone on to the gateway"):
        ask(cache, "/")
