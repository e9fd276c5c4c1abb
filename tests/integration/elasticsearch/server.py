"""A real Elasticsearch for tests: the official minimal distribution, on loopback, as a user that is not root."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import requests

USER, WRITER, ANCHORER, NOBODY, PASSWORD = "tester", "writer", "anchorer", "nobody", "pw-canary-7b1d"
_ROLES = """
writer:
  indices:
    - names: ["logs-opsctl.*"]
      privileges: [create_doc, auto_configure]
anchorer:
  indices:
    - names: ["opsctl-anchors-*"]
      privileges: [create_doc, read, create_index]
"""
_NOBODY = 65534
_PATIENCE = 120
_CONFIG = """
cluster.name: opsctl-tests
node.name: tests
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport}
http.max_content_length: 1mb
thread_pool.write.queue_size: 2
path.data: {place}/data
path.logs: {place}/logs
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: true
xpack.security.autoconfiguration.enabled: false
xpack.security.http.ssl.enabled: false
xpack.security.transport.ssl.enabled: false
xpack.security.authc.api_key.enabled: true
"""
"""Small on purpose: what is too long or too much at once must be met by the tests."""


def archive(root: Path) -> Path | None:
    """The distribution's archive, where scripts/test puts it."""
    found = sorted((root / ".opsctl" / "cache").glob("elasticsearch-*.zip"))
    return found[-1] if found else None


def java() -> Path | None:
    """A Java runtime's home."""
    program = shutil.which("java")
    return Path(program).resolve().parent.parent if program else None


class Node:
    """One server with a folder of its own. Started once or more often; the data stay until `remove`."""

    def __init__(self, zipped: Path) -> None:
        """Unpacks it where whoever it runs as may read."""
        self.folder = Path(tempfile.mkdtemp(prefix="opsctl-elasticsearch-", dir=_place(zipped.parents[1] / "tests")))
        self.port, transport = _free_ports()
        self._process: subprocess.Popen[bytes] | None = None
        with zipfile.ZipFile(zipped) as content:
            content.extractall(self.folder)
        (self._home,) = self.folder.glob("elasticsearch-*")
        shutil.copytree(self._home / "config", self.folder / "config")
        for name in ("data", "logs", "tmp"):
            (self.folder / name).mkdir()
        config = self.folder / "config"
        (config / "elasticsearch.yml").write_text(
            _CONFIG.format(port=self.port, transport=transport, place=self.folder)
        )
        # In files: what the API for users and keys needs is not in this distribution.
        (config / "users").write_text(
            "".join(f"{name}:{_hashed(PASSWORD)}\n" for name in (USER, WRITER, ANCHORER, NOBODY))
        )
        (config / "users_roles").write_text(f"superuser:{USER}\nwriter:{WRITER}\nanchorer:{ANCHORER}\n")
        (config / "roles.yml").write_text(_ROLES)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", str(self.folder)], check=True)
        self.folder.chmod(0o755)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(java()),
            "ES_PATH_CONF": str(self.folder / "config"),
            "ES_TMPDIR": str(self.folder / "tmp"),
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
        }
        # Should the tests be killed, the launcher goes with them, and the server with the launcher.
        command = ["setpriv", "--pdeathsig", "KILL", "bash", str(self._home / "bin/elasticsearch")]
        other = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **other
            )
        self._wait()

    def _wait(self) -> None:
        limit = time.monotonic() + _PATIENCE
        while True:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > limit:
                tail = (self.folder / "output").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"Elasticsearch does not start:\n{tail}")
            try:
                if self.call("GET", "/_cluster/health?wait_for_status=yellow&timeout=2s")["status"] in (
                    "green",
                    "yellow",
                ):
                    return
            except (OSError, ValueError):
                time.sleep(0.2)

    @property
    def pid(self) -> int:
        """The server's own process; its launcher is its parent."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = [int(part) for thread in children.parents[1].glob("*/children") for part in thread.read_text().split()]
        return found[0] if found else self._process.pid

    def pause(self) -> None:
        """It keeps its connections and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            pid = self.pid
            for each in {pid, self._process.pid}:
                try:
                    os.kill(each, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.wait(timeout=30)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request, without any client."""
        answer = requests.request(method, self.url + path, json=body, auth=(USER, PASSWORD), timeout=20)
        answer.raise_for_status()
        return answer.json()

    def documents(self, namespace: str, dataset: str = "*") -> list[dict[str, Any]]:
        """All documents of a namespace, with id and index."""
        self.call("POST", f"/logs-opsctl.{dataset}-{namespace}/_refresh")
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"size": 2000, "sort": [{"event.id": "asc"}, {"_index": "asc"}]}
        while True:
            hits = self.call("POST", f"/logs-opsctl.{dataset}-{namespace}/_search", query)["hits"]["hits"]
            found += [{**hit["_source"], "_id": hit["_id"], "_index": hit["_index"]} for hit in hits]
            if len(hits) < 2000:
                return found
            query["search_after"] = hits[-1]["sort"]


def _place(wanted: Path) -> Path | None:
    """Below the checkout's home, which scripts/clean removes; where only root may look, the system's own place."""
    wanted.mkdir(parents=True, exist_ok=True)
    closed = os.getuid() == 0 and any(not path.stat().st_mode & 0o001 for path in (wanted, *wanted.parents))
    return None if closed else wanted


def _hashed(password: str) -> str:
    salt = os.urandom(32)
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return f"{{PBKDF2}}10000${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(two.getsockname()[1])
