"""Which place on a host a path names, as far as danger goes."""

from __future__ import annotations

import posixpath
import re
from typing import Literal

from opsctl.policy.shell import Word

Place = Literal["device", "root", "kernel", "system", "passing", "unknown", "other"]

_DEVICE = re.compile(
    r"/dev/(?:disk/|mapper/|[shv]d[a-z*?\[]|xvd|nvme|md\d|dm-|mmcblk|loop\d|sr\d|mem$|kmem|vg|r?disk|zd\d)"
)
_TOP = {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run", "sbin", "srv", "sys", "usr"}
_TOP |= {"var", "lib32", "data", "mnt"}
_SYSTEM = ("/etc/", "/boot/", "/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/root/", "/var/lib/", "/var/spool/cron")
_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108 - looked for, not used
_PASSING = (*_TEMPORARY, "/dev/null", "/dev/std", "/dev/fd/", "/dev/tty", "/dev/zero", "/dev/full")


def place(word: Word) -> Place:  # noqa: PLR0911 - one line a place
    """Where it points; `unknown` when that is only known when it runs."""
    text = word.text
    if text in ("~", "~root", "$HOME", "${HOME}") or re.fullmatch(r"(?:~(?:root)?|\$HOME|\$\{HOME\})/[*.]*", text):
        return "root"
    if not word.fixed and not text.startswith("/"):
        return "unknown"
    path = re.sub(r"^/+", "/", posixpath.normpath(text)) if text else ""
    if _DEVICE.match(path):
        return "device"
    if path.startswith(("/proc/", "/sys/")):
        return "kernel"
    if path.startswith(_PASSING):
        return "passing"
    parts = [part for part in path.split("/") if part not in ("", "*", ".*", ".")]
    if path.startswith("/"):
        first = parts[0] if parts else ""
        if not parts or first in ("..", ".*") or (len(parts) == 1 and (first in _TOP or set(first) & set("*?[{"))):
            return "root"
        if first.startswith(("$", "{")) and len(parts) == 1:
            return "root"
        if path.startswith(_SYSTEM) or set(first) & set("*?[{$"):
            return "system"
    return "other" if word.fixed else "unknown"
