"""The local cloud as a service of this machine: start, find, stop, wipe. Used by the CLI; light to import."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PORT = 8460
START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0
KILL_TIMEOUT = 10.0
WAIT_TIMEOUT = 1200.0  # another one may be building the host image


class ServiceError(Exception):
    """The local cloud cannot be started or stopped; one line that says what to do."""


@dataclass(frozen=True)
class Endpoint:
    """Where it answers and who may call."""

    url: str
    access_key_id: str
    access_key_secret: str
    region_id: str

    def environment(self) -> dict[str, str]:
        """The variables that modules, the inventory and official tools read."""
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": self.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": self.access_key_secret,
            "ALIBABA_CLOUD_REGION_ID": self.region_id,
            "OPSCTL_CLOUD_ENDPOINT": self.url,
        }


@dataclass(frozen=True)
class Choice:
    """What ``opsctl cloud up`` was told; kept for the next start."""

    port: int = PORT
    host_image: str | None = None
    any_image: bool = False
    apt_cache: bool = True


@dataclass(frozen=True)
class Status:
    """``pid`` is None when the service does not run; then ``endpoint`` is None too."""

    pid: int | None
    endpoint: Endpoint | None
    started: str = ""


def folder(home: Path) -> Path:
    """``OPSCTL_HOME/cloud``: state, log, keys; for the owner only."""
    path = home / "cloud"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def cloud_id(home: Path) -> str:
    """Names this installation's Docker objects; made once."""
    path = folder(home) / "id"
    if not path.exists():
        _write(path, secrets.token_hex(4))
    return path.read_text().strip()


def credentials(home: Path) -> tuple[str, str]:
    """The local access key, made once: (id, secret)."""
    path = folder(home) / "credentials.json"
    if not path.exists():
        key = {"access_key_id": f"LTAI{secrets.token_hex(8)}", "access_key_secret": secrets.token_urlsafe(30)}
        _write(path, json.dumps(key))
    read = json.loads(path.read_text())
    return read["access_key_id"], read["access_key_secret"]


def choice(home: Path) -> Choice:
    path = folder(home) / "options.json"
    return Choice(**json.loads(path.read_text())) if path.exists() else Choice()


def status(home: Path) -> Status:
    """Whether it runs, judged by the process itself: its id, start time and boot, never the id alone."""
    read = _read(folder(home) / "service.json")
    if read is None or birth(read["pid"]) != read["birth"]:
        return Status(None, None)
    key_id, secret = credentials(home)
    return Status(read["pid"], Endpoint(read["url"], key_id, secret, read["region_id"]), read["started"])


def ensure(home: Path, say: Callable[[str], None] = lambda text: None) -> Endpoint:
    """The endpoint of the running service, which is started if need be. Raises :class:`ServiceError`."""
    found = status(home).endpoint
    return found or up(home, choice(home), say)


def up(home: Path, wanted: Choice, say: Callable[[str], None]) -> Endpoint:
    """Start the service and wait until it answers. Of several at once, one does it and the others wait for it."""
    found = status(home)
    if found.endpoint and wanted == choice(home):
        return found.endpoint
    with _alone(home, say):
        return _up(home, wanted, say)


def _up(home: Path, wanted: Choice, say: Callable[[str], None]) -> Endpoint:
    found = status(home)
    if found.endpoint and wanted == choice(home):
        return found.endpoint
    if found.endpoint:
        down(home, keep_hosts=True)
    _write(folder(home) / "options.json", json.dumps(asdict(wanted)))
    prepare(home, wanted, say)
    say("Starting the local cloud")
    log = folder(home) / "service.log"
    _rotate(log)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "opsctl.localcloud", "--home", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
        )
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        found = status(home)
        if found.pid == process.pid and found.endpoint and _answers(found.endpoint.url):
            return found.endpoint
        if process.poll() is not None:
            raise ServiceError(_last_words(log))
        time.sleep(0.05)
    process.kill()
    raise ServiceError(f"The local cloud did not answer within {START_TIMEOUT:.0f} s; see {log}")


def prepare(home: Path, wanted: Choice, say: Callable[[str], None]) -> None:
    """What needs a person's eyes while it happens: Docker itself, the network, the host image."""
    from opsctl.localcloud.hosts import image, limits
    from opsctl.localcloud.hosts.engine import Docker, HostError

    limits.ensure(home, say)
    try:
        docker = Docker(cloud_id(home), str(home))
        docker.ensure_network()
        image.ensure(docker, wanted.host_image, say)
    except HostError as error:
        raise ServiceError(str(error)) from error


def down(home: Path, *, keep_hosts: bool = False) -> bool:
    """Stop the service and, unless told otherwise, its hosts. False when nothing ran."""
    found = status(home)
    if found.pid is not None:
        _end(found.pid)
    if not keep_hosts:
        _stop_hosts(home)
    (folder(home) / "service.json").unlink(missing_ok=True)
    return found.pid is not None


def reset(home: Path, *, everything: bool = False) -> None:
    """Wipe stacks, hosts and network; with ``everything`` also image, package cache, keys and log."""
    from opsctl.localcloud.hosts import limits
    from opsctl.localcloud.hosts.engine import Docker, HostError

    down(home, keep_hosts=True)
    try:
        docker = Docker(cloud_id(home), str(home))
        for name in docker.hosts():
            docker.remove(name)
        docker.remove_network()
        if not docker.anybodys_hosts():
            limits.give_back(home)
        if everything:
            docker.remove_images()
    except HostError as error:
        raise ServiceError(str(error)) from error
    for path in folder(home).glob("state.db*"):
        path.unlink()
    if everything:
        shutil.rmtree(folder(home))


def write_ready(home: Path, url: str, region_id: str) -> None:
    """Called by the service once its sockets are bound."""
    row = {
        "pid": os.getpid(),
        "birth": birth(os.getpid()),
        "url": url,
        "region_id": region_id,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    _write(folder(home) / "service.json", json.dumps(row))


def birth(pid: int) -> str:
    """What tells this process from another that later gets the same id: boot and start time."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else f"{boot}/{fields[19]}"


@contextmanager
def _alone(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time prepare and start the service of a home."""
    end, told = time.monotonic() + WAIT_TIMEOUT, False
    with (folder(home) / "starting").open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ServiceError(
                        "Another opsctl is starting the local cloud and does not come to an end"
                    ) from None
            if not told:
                say("Waiting for another opsctl that starts the local cloud")
                told = True
            time.sleep(0.1)
        yield


def _end(pid: int) -> None:
    born = birth(pid)
    if not born:
        return
    for number, patience in ((signal.SIGTERM, STOP_TIMEOUT), (signal.SIGKILL, KILL_TIMEOUT)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        end = time.monotonic() + patience
        while birth(pid) == born:
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        else:
            return
    raise ServiceError(f"The local cloud (process {pid}) does not end, not even when killed")


def _stop_hosts(home: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from opsctl.localcloud.hosts.engine import Docker, HostError

    try:
        docker = Docker(cloud_id(home), str(home))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: docker.stop(name, force=False), docker.hosts()))
    except HostError as error:
        raise ServiceError(str(error)) from error


def hosts(home: Path) -> int | None:
    """How many hosts there are; None when Docker does not answer."""
    from opsctl.localcloud.hosts.engine import Docker, HostError

    try:
        return len(Docker(cloud_id(home), str(home)).hosts())
    except HostError:
        return None


def _answers(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def _last_words(log: Path) -> str:
    """The service ends with one line that says why."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].partition("ERROR ")[2] or lines[-1] if lines else f"The local cloud ended at once; see {log}"


def _rotate(log: Path, limit: int = 10 * 2**20) -> None:
    if log.exists() and log.stat().st_size > limit:
        log.replace(log.with_suffix(".log.1"))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for the owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
    draft.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found
