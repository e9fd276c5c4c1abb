"""A web server that answers JSON-RPC as the front end of Zabbix does, with the faults that were seen there."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.unit.zabbix.model import Trouble
from tests.unit.zabbix.writes import Writes


class FakeZabbix(Writes):
    """``faults``: what happens to the next calls, one each; ``calls``: what was asked; ``connections``: how many."""

    def __init__(self, version: str = "6.0.14", port: int = 0, certificate: Path | None = None) -> None:
        super().__init__(version)
        self.faults: deque[str] = deque()
        self.calls: list[tuple[str, Any]] = []
        self.connections = 0
        self.lock = threading.RLock()
        fake = self

        class Handler(_Handler):
            zabbix = fake

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: Any) -> None:
                """A client that leaves is no error."""

        self._server = Server(("127.0.0.1", port), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/zabbix"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def methods(self) -> list[str]:
        return [method for method, _params in self.calls]

    def answer(self, call: dict[str, Any], header: str) -> dict[str, Any]:
        method, params = call["method"], call["params"]
        with self.lock:
            self.calls.append((method, params))
            try:
                self.admit(call, header)
                return {"jsonrpc": "2.0", "id": call["id"], "result": self.do(method, params)}
            except Trouble as trouble:
                return {"jsonrpc": "2.0", "id": call["id"], "error": trouble.record}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    zabbix: FakeZabbix

    def setup(self) -> None:
        super().setup()
        self.zabbix.connections += 1

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.zabbix.faults.popleft() if self.zabbix.faults else ""
        if fault == "reset":
            self._drop()
            return
        call = json.loads(body)
        if fault == "database":  # said before anything is done
            error = {"code": 1, "message": "Error connecting to database", "data": ""}
            answer = {"jsonrpc": "2.0", "id": call["id"], "error": error}
        else:
            answer = self.zabbix.answer(call, self.headers.get("Authorization", ""))
        if fault == "drip":
            self._drip()
            return
        if fault == "slow":
            time.sleep(0.6)
        elif fault == "lost":  # it was carried out, and nobody hears of it
            self._drop()
            return
        elif fault == "no-data":
            answer = {"jsonrpc": "2.0", "id": answer["id"], "error": {"code": -32602, "message": "Invalid params."}}
        text = b"<html>Zabbix is being installed</html>" if fault == "html" else json.dumps(answer).encode()
        self.send_response(int(fault) if fault.isdigit() else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text) + 100 * (fault == "cut")))
        if fault in {"301", "302"}:
            self.send_header("Location", "https://zabbix.example.com/?token=abc")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(text)
        if fault in {"cut", "leave"}:
            self._drop()

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(50):
                self.wfile.write(b" ")
                time.sleep(0.1)
        self.close_connection = True

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
