"""A command on many hosts: ours against a bare asyncssh loop that records nothing.

    python benchmarks/fanout.py [HOSTS]

One sshd of this machine serves addresses of 127.1.0.0/16, each of them a host; needs root and openssh-server.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
from common import header, row, timed

_FORKS = 50
_ROUNDS = 3


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


async def _bare(addresses: list[str], port: int, folder: Path) -> None:
    gate = asyncio.Semaphore(_FORKS)
    key = asyncssh.read_private_key(folder / "key")

    async def one(address: str) -> None:
        async with (
            gate,
            asyncssh.connect(address, port, username="root", client_keys=[key], known_hosts=None) as connection,
        ):
            await connection.run("true", check=True)

    await asyncio.gather(*map(one, addresses))


def _ours(inventory: Path, home: Path) -> None:
    words = ["run", "command", "-i", str(inventory), "--yes-all", "--forks", str(_FORKS), "-o", "json", "--", "true"]
    environment = {**os.environ, "OPSCTL_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "opsctl", *words], env=environment, capture_output=True, check=True)


def main() -> None:
    """Measure, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    addresses = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(count)]
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as port:
        folder = Path(name)
        options = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={folder / 'known'}"
        lines = [f"h{n} ansible_host={address}" for n, address in enumerate(addresses)]
        lines += ["[all:vars]", f"ansible_port={port}", f"ansible_ssh_common_args='{options}'", "ansible_user=root"]
        inventory = folder / "inventory.ini"
        inventory.write_text("\n".join([*lines, f"ansible_ssh_private_key_file={folder / 'key'}"]) + "\n")
        ours, bare = [], []
        for _ in range(_ROUNDS):
            bare.append(timed(lambda: asyncio.run(_bare(addresses, port, folder)))[0])
            ours.append(timed(lambda: _ours(inventory, folder / "home"))[0])
    header("opsctl", "asyncssh")
    row(f"true on {count} hosts, {_FORKS} at once", ours, bare, "<= 1.10 x + 1 s")


if __name__ == "__main__":
    main()
