"""The checks of `opsctl doctor`: each looks at one thing, changes nothing, and never raises."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from opsctl.errors import OpsctlError

State = Literal["ok", "warn", "fail"]

_SPACE_LOW, _SPACE_NONE = 5 << 30, 1 << 30
_INOTIFY = 1024
_PATIENCE = 10
"""Seconds a program we ask may take."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found, and what to do when that is not well."""

    name: str
    state: State
    found: str
    advice: str = ""

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"name": self.name, "state": self.state, "found": self.found, "advice": self.advice}


def all_checks(home: Path) -> Iterator[Check]:
    """All of them, one after the other."""
    checks: tuple[Callable[[Path], Check], ...] = (
        _python,
        _ansible,
        _collection,
        _config,
        _home,
        _space,
        _memory,
        _ledger,
        _clock,
        _ssh,
        _docker,
        _inotify,
        _local,
    )
    for check in checks:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            yield check(home)
        except OpsctlError as error:
            yield Check(name, "fail", str(error))
        except Exception as error:
            yield Check(name, "fail", f"cannot be checked: {error or type(error).__name__}", "report this")


def _python(_home: Path) -> Check:
    found = f"{sys.version.split()[0]} at {sys.executable}"
    return Check("python", "ok", found)


def _ansible(_home: Path) -> Check:
    try:
        version = metadata.version("ansible-core")
    except metadata.PackageNotFoundError:
        return Check("ansible-core", "fail", "missing", "install opsctl again: pip install --force-reinstall opsctl")
    program = Path(sys.executable).with_name("ansible-playbook")
    if tuple(int(part) for part in version.split(".")[:2]) < (2, 19):
        return Check("ansible-core", "fail", version, "pip install 'ansible-core>=2.19'")
    if not program.exists() and shutil.which("ansible-playbook") is None:
        return Check(
            "ansible-core", "fail", f"{version}, but no ansible-playbook", "pip install --force-reinstall ansible-core"
        )
    return Check("ansible-core", "ok", version)


def _collection(_home: Path) -> Check:
    from opsctl.scenarios import collection, collections_path

    own = collection()
    places = [Path(part).expanduser() for part in collections_path().split(":")[1:]]
    copies = [place / "ansible_collections/opsctl/cloud" for place in places]
    shadows = [str(copy) for copy in copies if copy.exists() and copy.resolve() != own.resolve()]
    if shadows:
        advice = "opsctl uses its own; plain ansible-playbook uses the copy: remove it or keep it at the same version"
        return Check("collection", "warn", f"{own}; a copy at {', '.join(shadows)}", advice)
    return Check("collection", "ok", str(own))


def _config(home: Path) -> Check:
    from opsctl.settings import load

    chosen = load(home)
    chosen.chosen()
    return Check("config", "ok", f"default cloud {chosen.cloud}, {len(chosen.clouds)} profiles of your own")


def _home(home: Path) -> Check:
    place = home if home.exists() else next(parent for parent in home.parents if parent.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return Check("home", "fail", f"{place} is not writable", "set OPSCTL_HOME to a directory you can write")
    if not home.exists():
        return Check("home", "ok", f"{home}, made at first use")
    if home.stat().st_mode & 0o022:
        return Check("home", "warn", f"{home} can be written by others", f"chmod go-w {home}")
    return Check("home", "ok", str(home))


def _space(home: Path) -> Check:
    place = home if home.exists() else next(parent for parent in home.parents if parent.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < _SPACE_NONE:
        return Check("disk space", "fail", found, "free some: journals and hosts of the local cloud need it")
    return Check(
        "disk space", "warn" if free < _SPACE_LOW else "ok", found, "free some soon" if free < _SPACE_LOW else ""
    )


def _memory(_home: Path) -> Check:
    """Secrets of a run must not meet a disk."""
    from opsctl.runs.workspace import base

    place = base()
    kind = _filesystem(place)
    if kind not in ("tmpfs", "ramfs"):
        return Check(
            "private directory", "warn", f"{place} is on {kind}", "mount a tmpfs there, or set XDG_RUNTIME_DIR to one"
        )
    return Check("private directory", "ok", f"{place} ({kind})")


def _filesystem(path: Path) -> str:
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, filesystem, *_ = line.split()
        if (str(path) + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, filesystem
    return kind


def _ledger(home: Path) -> Check:
    if not (home / "opsctl.db").exists():
        return Check("ledger", "ok", "none yet")
    from opsctl.db.engine import opened
    from opsctl.ledger.book import Ledger

    last = list(Ledger(opened(home), home / "ledger.head").records(last=1))
    count = last[0].seq if last else 0
    return Check("ledger", "ok", f"{count} records; `opsctl audit verify` proves them")


def _clock(_home: Path) -> Check:
    """A wrong clock makes the cloud refuse every call: signatures carry the time."""
    year = time.gmtime().tm_year
    built = time.gmtime(Path(__file__).stat().st_mtime)
    if time.time() + 86400 < time.mktime(built):
        return Check(
            "clock",
            "fail",
            time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "set the clock: it is behind this installation",
        )
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    synced = _said(["timedatectl", "show", "-p", "NTPSynchronized", "--value"])
    if synced == "no":
        return Check("clock", "warn", f"{found}, not synchronised", "start a time service (systemd-timesyncd, chrony)")
    return Check("clock", "ok" if year < 2100 else "warn", found)


def _ssh(_home: Path) -> Check:
    program = shutil.which("ssh")
    if program is None:
        return Check("ssh", "fail", "no ssh client", "apt-get install openssh-client")
    return Check("ssh", "ok", program)


def _docker(_home: Path) -> Check:
    """Only the local cloud needs it."""
    if shutil.which("docker") is None:
        return Check("docker", "warn", "no docker client", "apt-get install docker.io, if you want the local cloud")
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Check("docker", "fail", f"the daemon does not answer within {_PATIENCE} s", "restart it")
    if done.returncode == 0:
        return Check("docker", "ok", f"server {done.stdout.strip()}")
    if "permission denied" in done.stderr:
        return Check(
            "docker", "fail", "no permission for the daemon's socket", "usermod -aG docker $USER, then log in again"
        )
    return Check(
        "docker", "warn", "the daemon does not run", "start it (systemctl start docker), if you want the local cloud"
    )


def _inotify(_home: Path) -> Check:
    """Each host of the local cloud runs systemd, which needs a few; without them it ends at once."""
    path = Path("/proc/sys/fs/inotify/max_user_instances")
    limit = int(path.read_text())
    if limit < _INOTIFY:
        advice = f"sysctl -w fs.inotify.max_user_instances={_INOTIFY * 8}, for more than {limit // 5} local hosts"
        return Check("inotify", "warn", f"{limit} instances", advice)
    return Check("inotify", "ok", f"{limit} instances")


def _local(home: Path) -> Check:
    try:
        from opsctl.localcloud import service
    except ImportError as error:
        return Check("local cloud", "fail", str(error), "install opsctl again")
    if not (home / "cloud").exists():
        return Check("local cloud", "ok", "not used yet; `opsctl cloud up` or the first run starts it")
    status: Any = service.status(home)
    if status.endpoint is None:
        return Check("local cloud", "ok", "does not run; `opsctl cloud up` or the next run starts it")
    return Check("local cloud", "ok", f"runs at {status.endpoint.url}")


def _said(command: list[str]) -> str:
    """What a program prints; nothing when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
