"""A way to the server that can lose answers, be slow, or be closed."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Proxy:
    """Forwards connections to a port of this machine."""

    def __init__(self, target: int) -> None:
        self.lost = 0
        """Answers that were not passed on."""
        self.lose = 0
        """How many of the next answers to bulk requests are lost: the server has done what it was asked."""
        self.delay = 0.0
        """Seconds before each request is passed on."""
        self._target = target
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection; one request after the other, as clients of HTTP/1.1 do it."""
        try:
            with client, socket.create_connection(("127.0.0.1", self._target)) as server:
                while request := _message(client):
                    self._over.wait(self.delay)
                    server.sendall(request)
                    answer = _message(server)
                    if self.lose > 0 and b"/_bulk" in request[:200]:
                        self.lose -= 1
                        self.lost += 1
                        return
                    client.sendall(answer)
        except OSError:
            with suppress(OSError):
                client.close()


def _message(sock: socket.socket) -> bytes:
    """A whole request or answer; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    if fields.get(b"transfer-encoding", b"").strip() == b"chunked":
        while not rest.endswith(b"0\r\n\r\n"):
            rest += sock.recv(65536)
    else:
        while len(rest) < int(fields.get(b"content-length", b"0")):
            rest += sock.recv(1 << 20)
    return head + b"\r\n\r\n" + rest
