"""A real Zabbix 6.0 for tests: the distribution's packages on a host as the local cloud makes them, as an image.

The image is made once from ``install.sh`` and carries a hash of all that goes into it; from it a server is up in
seconds. Everything is labelled with the checkout's home, so that ``scripts/clean`` finds it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from opsctl.localcloud.hosts import image
from opsctl.localcloud.hosts.engine import Docker

USER, PASSWORD = "Admin", "zabbix"
_PATIENCE = 120
_INSTALL = Path(__file__).with_name("install.sh")
_LABEL = "tests-zabbix"
_SYSTEM = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--cgroupns", "host"),
    *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--tmpfs", "/run:exec,mode=755", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec,mode=1777"),
)


class Refused(Exception):
    """What the API says of a call that was refused."""


def docker(*words: str, timeout: float = 60, stdin: str = "") -> str:
    """A Docker command's output; what it says when it fails is the error."""
    done = subprocess.run(["docker", *words], input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(words[:3])}: {(done.stderr or done.stdout)[-3000:]}")
    return done.stdout.strip()


@dataclass
class Server:
    """One running server. ``container`` is its name in Docker, ``address`` where containers of the bridge find it,
    ``trapper`` and ``agent`` are (host, port) as seen from here, ``gateway`` is where it finds this machine."""

    container: str
    url: str
    trapper: tuple[str, int]
    agent: tuple[str, int]
    address: str
    gateway: str
    token: str = field(default="", repr=False)

    @property
    def api(self) -> str:
        return f"{self.url}/api_jsonrpc.php"

    def call(self, method: str, params: Any = None, *, token: str | None = None) -> Any:
        """One request to the API, without any client; as Admin unless there is another ``token`` ("" for none)."""
        secret = self.token if token is None else token
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params}
        answer = requests.post(self.api, json={**body, **({"auth": secret} if secret else {})}, timeout=120).json()
        if "error" in answer:
            raise Refused(json.dumps(answer["error"]))
        return answer["result"]

    def run(self, *argv: str, timeout: float = 60) -> str:
        """A command on the server's host."""
        return docker("exec", self.container, *argv, timeout=timeout)

    def write(self, path: str, text: str, mode: str) -> None:
        """A file on the server's host."""
        docker("exec", "--interactive", self.container, "sh", "-c", f"cat > {path} && chmod {mode} {path}", stdin=text)

    def reload(self) -> None:
        """Let the server take over now what the API has stored; else it does within a second or two."""
        self.run("zabbix_server", "-R", "config_cache_reload")

    @contextmanager
    def stopped(self, *units: str) -> Iterator[None]:
        """Without these services, such as ``zabbix-server``, ``postgresql`` or ``nginx``."""
        self.run("systemctl", "stop", *units)
        try:
            yield
        finally:
            self.run("systemctl", "start", *units)
            self.wait()

    def wait(self) -> None:
        """Until the API answers from its database and the server takes values."""
        until("the API", self._answers, self)
        until("the server", self._serves, self)

    def _answers(self) -> bool:
        return bool(self.call("apiinfo.version", [], token=""))

    def _serves(self) -> bool:
        return "LISTEN" in self.run("ss", "--listening", "--tcp", "--numeric", "sport = 10051")


def until(what: str, poll: Any, server: Server) -> None:
    limit = time.monotonic() + _PATIENCE
    while True:
        try:
            if poll():
                return
            last: object = "it says no"
        except (RuntimeError, Refused, OSError, ValueError) as error:
            last = error
        if time.monotonic() > limit:
            log = docker("exec", server.container, "tail", "-n", "30", "/var/log/zabbix-server/zabbix_server.log")
            raise RuntimeError(f"waited {_PATIENCE} s for {what} of {server.container}: {last}\n{log}")
        time.sleep(0.2)


def start(root: Path) -> Server:
    """A server of its own, ready. The first one on a machine takes a minute or two, as its image is made."""
    name = f"opsctl-zabbix-{os.getpid()}-{os.urandom(3).hex()}"
    ports = ("--publish", "127.0.0.1::80", "--publish", "10051", "--publish", "127.0.0.1::10050")
    _run(root, name, ensure(root), *ports)
    try:
        network = json.loads(docker("inspect", "--format", "{{json .NetworkSettings}}", name))
        published = {port: int(found[0]["HostPort"]) for port, found in network["Ports"].items() if found}
        server = Server(
            container=name,
            url=f"http://127.0.0.1:{published['80/tcp']}",
            trapper=("127.0.0.1", published["10051/tcp"]),
            agent=("127.0.0.1", published["10050/tcp"]),
            address=network["Networks"]["bridge"]["IPAddress"],
            gateway=network["Networks"]["bridge"]["Gateway"],
        )
        server.wait()
        # The database knows nothing yet of how much is where, and takes seconds for what should take milliseconds.
        server.run("runuser", "-u", "postgres", "--", "psql", "-qc", "analyze", "zabbix")
        server.token = _token(server)
    except BaseException:
        remove(name)
        raise
    return server


def remove(container: str) -> None:
    docker("rm", "--force", "--volumes", container)


def _token(server: Server) -> str:
    """One for Admin, made with a session that ends here."""
    session = server.call("user.login", {"username": USER, "password": PASSWORD}, token="")
    (user,) = server.call("user.get", {"filter": {"username": USER}, "output": ["userid"]}, token=session)
    wanted = {"name": "tests", "userid": user["userid"]}
    (made,) = server.call("token.create", wanted, token=session)["tokenids"]
    (token,) = server.call("token.generate", [made], token=session)
    server.call("user.logout", [], token=session)
    return str(token["token"])


# --- the image -----------------------------------------------------------------------------------------------------


def ensure(root: Path) -> str:
    """The image's name, after it was found or made. Two who need it at once make one."""
    host = os.environ.get("OPSCTL_HOST_IMAGE") or image.name()
    name = f"opsctl-zabbix:{hashlib.sha256((host + _INSTALL.read_text()).encode()).hexdigest()[:12]}"
    with (Path(tempfile.gettempdir()) / f"{name.replace(':', '-')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not docker("images", "--quiet", name):
            _make(root, name)
    return name


def _make(root: Path, name: str) -> None:
    wanted = os.environ.get("OPSCTL_HOST_IMAGE")
    host = image.ensure(Docker(_LABEL, str(_home(root))), wanted, lambda text: None)
    builder = f"{name.replace(':', '-')}-{os.getpid()}"
    _run(root, builder, host)
    try:
        docker("cp", str(_INSTALL), f"{builder}:/root/install.sh")
        docker("exec", builder, "sh", "/root/install.sh", timeout=900)
        docker("commit", builder, name, timeout=300)
    finally:
        remove(builder)


def _run(root: Path, name: str, host: str, *options: str) -> None:
    labels = ("--label", f"opsctl.cloud={_LABEL}", "--label", f"opsctl.home={_home(root)}")
    docker("run", "--detach", "--name", name, "--hostname", "zabbix", *labels, *_SYSTEM, *options, host, "/sbin/init")


def _home(root: Path) -> Path:
    return root / ".opsctl"
