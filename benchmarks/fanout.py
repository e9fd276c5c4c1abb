"""A command on many hosts: ours against bare asyncssh loops that record nothing, pyinfra, and ansible.

    python benchmarks/fanout.py [HOSTS] [--only cold,warm,pyinfra,ansible] [--rounds N]

One sshd of this machine serves addresses of 127.1.0.0/16, each of them a host; needs root and openssh-server. All
figures are medians over the rounds, in which every contestant runs once in turn. Hosts and contestants share the
machine's processors, so only ratios mean something. pyinfra is installed into a virtual environment of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from common import HOME, figure, header, row, timed

_FORKS = 50
_MOST_ANSIBLE = 100
"""Hosts for ansible, which takes minutes for more."""


@dataclass
class Field:
    """The hosts, and what is needed to reach them."""

    folder: Path
    port: int
    addresses: list[str]

    def inventory(self, count: int) -> Path:
        """An inventory of so many hosts."""
        options = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.folder / 'known'}"
        lines = [f"h{n} ansible_host={address}" for n, address in enumerate(self.addresses[:count])]
        lines += [
            "[all:vars]",
            f"ansible_port={self.port}",
            f"ansible_ssh_common_args='{options}'",
            "ansible_user=root",
        ]
        lines += [f"ansible_ssh_private_key_file={self.folder / 'key'}"]
        lines += ["ansible_python_interpreter=/usr/bin/python3"]
        path = self.folder / f"inventory-{count}.ini"
        path.write_text("\n".join(lines) + "\n")
        return path


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """An sshd; its port."""
    for name in ("key", "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    lines = [f"Port {port}", "ListenAddress 0.0.0.0", f"HostKey {folder / 'hostkey'}", "PidFile none", "UsePAM no"]
    # Without it a login shell of this machine would read what its owner does at each login.
    lines.append(f"SetEnv HOME={folder}")
    lines += [f"AuthorizedKeysFile {folder / 'key.pub'}", "StrictModes no", "PermitRootLogin yes"]
    (folder / "config").write_text("\n".join([*lines, "MaxStartups 5000"]) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", folder / "config", "-E", folder / "log"])
    try:
        limit = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() > limit:
                sys.exit("sshd does not listen")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


async def _each(field: Field, work: Callable[[str, asyncio.Semaphore], object]) -> None:
    gate = asyncio.Semaphore(_FORKS)
    await asyncio.gather(*(work(address, gate) for address in field.addresses))  # type: ignore[call-overload]


async def _bare(field: Field) -> None:
    """A connection and a command for each host, in the simplest way."""
    key = asyncssh.read_private_key(field.folder / "key")

    async def one(address: str, gate: asyncio.Semaphore) -> None:
        async with (
            gate,
            asyncssh.connect(address, field.port, username="root", client_keys=[key], known_hosts=None) as connection,
        ):
            await connection.run("true", check=True)

    await _each(field, one)


async def _open(field: Field, rounds: int) -> list[float]:
    """A command over connections that are open already: seconds of each round."""
    key, found, took = asyncssh.read_private_key(field.folder / "key"), {}, []

    async def connect(address: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            found[address] = await asyncssh.connect(
                address, field.port, username="root", client_keys=[key], known_hosts=None
            )

    async def run(address: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            await found[address].run("true", check=True)

    await _each(field, connect)
    for _ in range(rounds):
        begin = time.perf_counter()
        await _each(field, run)
        took.append(time.perf_counter() - begin)
    for connection in found.values():
        connection.abort()
    return took


class Ours:
    """opsctl with a home of its own, as a process."""

    def __init__(self, field: Field) -> None:
        """Nothing runs yet."""
        self.peak = 0.0
        self._field = field
        runtime = field.folder / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self._environment = {**os.environ, "OPSCTL_HOME": str(field.folder / "home"), "XDG_RUNTIME_DIR": str(runtime)}

    def call(self, *words: str, **more: str) -> None:
        """Run it to its end; the largest it grew in MB is kept in `peak`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "opsctl", *words],
            env=self._environment | more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"opsctl {' '.join(words)} ended with {process.returncode}")
        self.peak = max(self.peak, usage.ru_maxrss / 1024)

    def command(self, count: int, **more: str) -> None:
        """`true` on so many hosts."""
        words = ["run", "command", "-i", str(self._field.inventory(count)), "--yes-all", "--forks", str(_FORKS)]
        self.call(*words, "-o", "json", "--", "true", **more)


def _quiet(words: list[str | Path], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words[0]} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")


def _pyinfra(field: Field) -> Callable[[], None]:
    """A call of pyinfra for all hosts; it is installed when it is not there."""
    place = HOME / "pyinfra"
    program = place / "bin" / "pyinfra"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "-q", "pyinfra>=3"], check=True)
    data = {"ssh_user": "root", "ssh_port": field.port, "ssh_key": str(field.folder / "key")}
    data |= {"ssh_strict_host_key_checking": "no", "ssh_known_hosts_file": "/dev/null"}
    inventory = field.folder / "inventory.py"
    inventory.write_text(f"hosts = [(name, {data!r}) for name in {field.addresses!r}]\n")
    return lambda: _quiet([program, "-y", "--parallel", str(_FORKS), inventory, "exec", "--", "true"])


def _ansible(field: Field, count: int) -> Callable[[], None]:
    program = Path(sys.executable).with_name("ansible")
    words: list[str | Path] = [program, "all", "-i", field.inventory(count), "-f", str(_FORKS), "-m", "command"]
    environment = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(field.folder / "cp")}
    return lambda: _quiet([*words, "-a", "true"], environment)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hosts", nargs="?", type=int, default=100)
    parser.add_argument("--only", default="cold,warm,pyinfra,ansible")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    wanted, count = set(given.only.split(",")), given.hosts
    few = min(count, _MOST_ANSIBLE)
    addresses = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(count)]
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as port:
        field = Field(Path(name), port, addresses)
        ours = Ours(field)
        contests: dict[str, Callable[[], object]] = {"ours": lambda: ours.command(count, OPSCTL_AGENT="off")}
        if "cold" in wanted:
            contests["asyncssh"] = lambda: asyncio.run(_bare(field))
        if "pyinfra" in wanted:
            contests["pyinfra"] = _pyinfra(field)
        if "ansible" in wanted:
            contests["few"] = lambda: ours.command(few, OPSCTL_AGENT="off")
            contests["ansible"] = _ansible(field, few)
        took: dict[str, list[float]] = {of: [] for of in contests}
        for _ in range(given.rounds):
            for of, work in contests.items():
                took[of].append(timed(work)[0])
        header("opsctl", "peer")
        if "cold" in wanted:
            row(f"cold: true on {count} hosts / asyncssh", took["ours"], took["asyncssh"], "<= 1.10 x + 1 s")
        if "pyinfra" in wanted:
            row(f"cold: true on {count} hosts / pyinfra", took["ours"], took["pyinfra"], "< 1 x")
        if "ansible" in wanted:
            row(f"cold: true on {few} hosts / ansible -f {_FORKS}", took["few"], took["ansible"], "<= 0.14 x")
        figure("memory, the largest of opsctl's process", f"{ours.peak:.0f} MB", "< 400 MB at 1,000 hosts")
        if "warm" in wanted:
            _warm(field, ours, given.rounds)


def _warm(field: Field, ours: Ours, rounds: int) -> None:
    count = len(field.addresses)
    ours.call("agent", "start", "--max", str(count))
    try:
        ours.command(count)
        took = [timed(lambda: ours.command(count))[0] for _ in range(rounds)]
        alone = statistics.median(timed(lambda: ours.command(1))[0] for _ in range(rounds))
    finally:
        ours.call("agent", "stop")
    row(f"warm: true on {count} hosts / asyncssh, open", took, asyncio.run(_open(field, rounds)), "2.5 s at 1,000")
    figure("of that: opsctl on one host", f"{alone:.2f} s", "")


if __name__ == "__main__":
    main()
