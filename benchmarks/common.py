"""What the benchmarks share: timing, side-by-side figures, the local cloud, SSH readiness."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("OPSCTL_BENCH_HOME", ROOT / ".opsctl" / "benchmarks"))
SSH = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
SSH += ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that ``work`` took, and what it returned."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def row(name: str, ours: Sequence[float], peer: Sequence[float], target: str) -> None:
    """One line: medians side by side and their ratio."""
    left, right = statistics.median(ours), statistics.median(peer)
    print(f"{name:<44} {left:>8.2f} s {right:>8.2f} s {left / right:>6.2f} x   target {target}", flush=True)


def figure(name: str, value: str, target: str) -> None:
    """One figure that has no peer."""
    print(f"{name:<44} {value:>32}   target {target}", flush=True)


def header(ours: str, peer: str) -> None:
    print(f"{'':<44} {ours:>10} {peer:>10} {'ratio':>8}", flush=True)


@contextmanager
def local_cloud(port: int = 8790) -> Iterator[dict[str, str]]:
    """A local cloud of the benchmarks' own; yields the environment that points at it, wipes it afterwards."""
    from opsctl.localcloud import service

    HOME.mkdir(parents=True, exist_ok=True)
    endpoint = service.up(HOME, service.Choice(port=port), lambda text: print(f"# {text}", file=sys.stderr))
    try:
        yield {**os.environ, **endpoint.environment(), "OPSCTL_HOME": str(HOME)}
    finally:
        service.reset(HOME)


def key_pair(folder: Path) -> tuple[Path, str]:
    """An SSH key made for this run: (private file, public text)."""
    path = folder / "key"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path, path.with_suffix(".pub").read_text().strip()


def wait_for_ssh(addresses: Sequence[str], key: Path, timeout: float = 300) -> None:
    """Until a command over SSH has worked on every host."""
    end = time.monotonic() + timeout

    def ready(address: str) -> None:
        while not _banner(address):
            if time.monotonic() > end:
                raise TimeoutError(f"{address} did not answer SSH within {timeout:.0f} s")
            time.sleep(0.05)
        argv = [*SSH, "-i", str(key), f"root@{address}", "true"]
        while subprocess.run(argv, capture_output=True, check=False).returncode:
            if time.monotonic() > end:
                raise TimeoutError(f"{address} refused the login for {timeout:.0f} s")
            time.sleep(0.1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ready, addresses))


def _banner(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as sock:
            return sock.recv(4) == b"SSH-"
    except OSError:
        return False


def memory_of(containers: Sequence[str]) -> float:
    """MB that all processes of these containers hold, shared pages counted once (PSS)."""
    total = 0
    for name in containers:
        shown = subprocess.run(["docker", "top", name, "-o", "pid"], capture_output=True, text=True, check=True)
        for pid in shown.stdout.split()[1:]:
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024
