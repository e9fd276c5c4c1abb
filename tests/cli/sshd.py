"""A real sshd of this machine, each of its loopback addresses a host."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import wait_for

SSHD = "/usr/sbin/sshd"
NEEDED = [
    pytest.mark.skipif(not Path(SSHD).exists(), reason="needs Debian's openssh-server"),
    pytest.mark.skipif(os.getuid() != 0, reason="sshd lets only root log others in"),
]
LOGIN, ADMIN = "opsctl-tester", "opsctl-admin"
PASSWORD = "canary-pass-4712"


@dataclass
class Server:
    """One sshd; `inventory` writes an inventory of its addresses."""

    folder: Path
    port: int

    def inventory(self, place: Path, more: str = "", *, login: str = "root", key: bool = True) -> Path:
        options = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={place / 'known'}"
        lines = ["[web]", *(f"web{n} ansible_host=127.0.1.{n}" for n in range(1, 21))]
        lines += ["[all:vars]", f"ansible_port={self.port}", f"ansible_ssh_common_args='{options}'"]
        lines += [f"ansible_ssh_private_key_file={self.folder / 'key'}"] * key + [f"ansible_user={login}", more]
        path = place / "inventory.ini"
        path.write_text("\n".join(lines) + "\n")
        return path

    def log(self) -> str:
        """What sshd has written."""
        return (self.folder / "log").read_text()


@contextmanager
def sshd(folder: Path, before: Sequence[str] = (), more: Sequence[str] = ()) -> Iterator[Server]:
    """Start one; `before`: words before its command line, `more`: lines of its configuration."""
    for name in ("key", "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=30)
    shutil.copy(folder / "key.pub", folder / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    lines = [f"Port {port}", "ListenAddress 0.0.0.0", f"HostKey {folder / 'hostkey'}", "PidFile none", "UsePAM no"]
    # Without it a login shell of this machine would read what its owner does at each login.
    lines += [f"SetEnv HOME={folder}", *more] if not any("SetEnv" in line for line in more) else list(more)
    lines += [f"AuthorizedKeysFile {folder / 'authorized'}", "StrictModes no", "PermitRootLogin yes"]
    (folder / "config").write_text("\n".join([*lines, "MaxStartups 100"]) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([*before, SSHD, "-D", "-f", folder / "config", "-E", folder / "log"])

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens)
        yield Server(folder, port)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def guarded(folder: Path) -> Iterator[Server]:
    """One with users of its own, who have passwords and whom sudo knows; nobody else on this machine sees them.

    Both have `PASSWORD`; the first one must tell it to sudo, the other need not. sudo logs to `folder/sudo.log`, what
    goes to syslog comes to the socket `folder/syslog`.
    """
    folder.chmod(0o755)
    for parent in folder.parents[:-1]:
        if parent.stat().st_uid == os.getuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    etc = folder / "etc"
    etc.mkdir()
    crypted = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout
    users = {LOGIN: 4711, ADMIN: 4712}
    passwd = [f"{name}:x:{uid}:{uid}::/tmp:/bin/sh" for name, uid in users.items()]
    shadow = [f"{name}:{crypted.strip()}:19000:0:99999:7:::" for name in users]
    for name, lines in (("passwd", passwd), ("shadow", shadow)):
        (etc / name).write_text(Path("/etc", name).read_text() + "\n".join(lines) + "\n")
    (etc / "shadow").chmod(0o640)
    rules = [f"Defaults logfile={folder / 'sudo.log'}, !syslog, !lecture", "root ALL=(ALL) NOPASSWD: ALL"]
    rules += [f"{LOGIN} ALL=(ALL) ALL", f"{ADMIN} ALL=(ALL) NOPASSWD: ALL"]
    (etc / "sudoers").write_text("\n".join(rules) + "\n")
    (etc / "sudoers").chmod(0o440)
    mounts = [f"mount --bind {etc / name} /etc/{name}" for name in ("passwd", "shadow", "sudoers")]
    devices = folder / "dev"
    devices.mkdir()
    mounts += [f"mount --bind /dev {devices}", "mount -t tmpfs dev /dev", f"ln -s {folder / 'syslog'} /dev/log"]
    for name in ("null", "zero", "random", "urandom", "tty", "ptmx"):
        mounts += [f"touch /dev/{name}", f"mount --bind {devices / name} /dev/{name}"]
    mounts += ["mkdir /dev/pts", f"mount --rbind {devices / 'pts'} /dev/pts", "ln -s /proc/self/fd /dev/fd"]
    more = [f"SetEnv HOME={folder}", "PasswordAuthentication yes"]
    # In a namespace of its own, so that this machine's files stay as they are.
    before = ["unshare", "--mount", "sh", "-c", f'set -e; {"; ".join(mounts)}; exec "$@"', "sh"]
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    with sshd(folder, before, more) as server:
        yield server
