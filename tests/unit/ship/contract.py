"""What the minimal distribution lacks, as far as opsctl asks for it: ILM, the API of data streams, Kibana's import.

It answers as the documentation of Elasticsearch 8.19 and Kibana 8.19 says; it shows that opsctl sends what they ask
for, not what they make of it. Everything else is tested against a real server.
"""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Contract:
    """A server on loopback. `lifecycle`: what it has: `ilm`, `dsl` or `none`."""

    def __init__(self, lifecycle: str = "ilm", tls: ssl.SSLContext | None = None) -> None:
        self.lifecycle = lifecycle
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path, headers in lower case, body."""
        self.stored: dict[str, dict[str, Any]] = {}
        """What was put, by path."""
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.status = 200
        """Another status is the answer to everything."""
        contract = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                contract.requests.append((self.command, self.path, headers, body))
                path = self.path.split("?")[0]
                status, answer = contract.answer(self.command, path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("x-elastic-product", "Elasticsearch")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Contract:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if self.status != 200:
            return self.status, {"error": {"type": "told_so", "reason": "as the test wants it"}, "status": self.status}
        if path.startswith("/_ilm/"):
            return self._ilm(method, path, body)
        if path.startswith(("/_component_template/", "/_index_template/")):
            return self._template(method, path, body)
        if path == "/_data_stream/*/_lifecycle" and self.lifecycle == "none":
            return _unknown(path)
        fixed = {
            "/_data_stream/*/_lifecycle": lambda: {"data_streams": []},
            "/_bulk": lambda: self._bulk(body),
            "/api/saved_objects/_import": lambda: {"success": True, "successCount": body.count(b'"attributes"')},
        }
        if path in fixed:
            return 200, fixed[path]()
        return 404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": 404}

    def _ilm(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if self.lifecycle != "ilm":
            return (410, {"error": "not here"}) if self.lifecycle == "dsl" else _unknown(path)
        if path == "/_ilm/status":
            return 200, {"operation_mode": "RUNNING"}
        name = path.rpartition("/")[2]
        if method == "PUT":
            self.stored[path] = json.loads(body)
            return 200, {"acknowledged": True}
        if path not in self.stored:
            return 404, {"error": {"type": "resource_not_found_exception", "reason": f"no policy {name}"}}
        return 200, {name: {"version": 1, **self.stored[path]}}

    def _template(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        kind, name = path.split("/")[1:]
        if method == "PUT":
            self.stored[path] = json.loads(body)
            return 200, {"acknowledged": True}
        if path not in self.stored:
            return 404, {"error": {"type": "resource_not_found_exception", "reason": f"{name} not found"}}
        return 200, {f"{kind[1:]}s": [{"name": name, kind[1:]: self.stored[path]}]}

    def _bulk(self, body: bytes) -> dict[str, Any]:
        lines, items = body.splitlines(), []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            head = json.loads(action)["create"]
            key = head["_index"], head["_id"]
            items.append({"create": {"status": 409 if key in self.documents else 201}})
            self.documents.setdefault(key, json.loads(document))
        for item in items:
            if item["create"]["status"] == 409:
                item["create"]["error"] = {"type": "version_conflict_engine_exception", "reason": "is there"}  # type: ignore[assignment]
        return {"errors": any(item["create"]["status"] == 409 for item in items), "items": items}


def _unknown(path: str) -> tuple[int, Any]:
    return 400, {"error": f"no handler found for uri [{path}] and method [GET]"}
