"""The hosts' image: Debian 12 with systemd, sshd and Python, built here with mmdebstrap or pulled where named."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from opsctl.localcloud.hosts.engine import Docker, HostError

SUITE = "bookworm"
PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "python3",
    "python3-apt",
    "iproute2",
    "iptables",
    "iputils-ping",
    "procps",
    "ca-certificates",
    "curl",
    "less",
    "locales",
    "rsyslog",
]
# Fast boots, and every host its own: no shared host keys, no machine id, no units that cannot work here.
_TIDY = (
    "rm -f $1/etc/ssh/ssh_host_* $1/etc/machine-id $1/var/lib/dbus/machine-id && touch $1/etc/machine-id",
    "chroot $1 systemctl mask systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service "
    "sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount "
    "getty.target console-getty.service systemd-resolved.service systemd-timesyncd.service >/dev/null 2>&1",
    "chroot $1 systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer "
    "fstrim.timer >/dev/null 2>&1 || true",
    "sed -i 's/^#*UsePAM.*/UsePAM yes/' $1/etc/ssh/sshd_config",
    # A host that loses power is made again: dpkg need not wait for the disk after each file, nor apt for translations.
    "echo force-unsafe-io > $1/etc/dpkg/dpkg.cfg.d/opsctl",
    "echo 'Acquire::Languages \"none\";' > $1/etc/apt/apt.conf.d/90opsctl-languages",
    # Fresh package lists, read and indexed once here instead of once on every host.
    "chroot $1 apt-get clean && chroot $1 apt-cache gencaches",
)
BUILD_TIMEOUT = 900


def name() -> str:
    """Changes with the recipe, so an old image is never taken for a new one."""
    recipe = "\n".join([SUITE, *PACKAGES, *_TIDY])
    return f"opsctl-host:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ensure(docker: Docker, wanted: str | None, say: Callable[[str], None]) -> str:
    """The image's name, after it was found, pulled (``wanted``) or built. Raises :class:`HostError`."""
    image = wanted or name()
    if docker.has_image(image):
        return image
    if wanted:
        say(f"Pulling the host image {wanted}")
        docker.pull(wanted)
        return wanted
    tool = shutil.which("mmdebstrap")
    if tool is None:
        raise HostError(
            "No host image and no mmdebstrap to build one: apt-get install mmdebstrap, or name an image to pull "
            "with OPSCTL_HOST_IMAGE."
        )
    say(f"Building the host image {image} with mmdebstrap (about half a minute)")
    with tempfile.TemporaryDirectory(prefix="opsctl-image-") as folder:
        tar = Path(folder) / "host.tar"
        _build(tool, tar)
        docker.import_image(str(tar), image)
    return image


def _build(tool: str, tar: Path) -> None:
    argv = [tool, "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    argv += ["--aptopt=APT::Install-Recommends false", "--skip=cleanup/apt/lists,cleanup/apt/cache"]
    argv += [f"--customize-hook={hook}" for hook in _TIDY]
    try:
        done = subprocess.run(
            [*argv, SUITE, str(tar)],
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"mmdebstrap did not end within {BUILD_TIMEOUT} s: is the package mirror reachable?") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()[-1:]
        raise HostError(f"mmdebstrap failed: {lines[-1] if lines else 'no output'}")
