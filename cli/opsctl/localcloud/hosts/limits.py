"""A limit of this machine that many hosts run into: file watches of systemd.

Each host's systemd and its services take about 7 inotify instances, and all of root's share 128 of them by default:
from the 18th host on some would not boot.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
WANTED = 8192
ENOUGH = 1024


def ensure(home: Path, say: Callable[[str], None], limit: Path = INOTIFY) -> None:
    """Raise the limit until the next boot, where that is allowed; what it was is kept in ``home``."""
    try:
        before = int(limit.read_text())
    except (OSError, ValueError):
        return
    if before >= ENOUGH:
        return
    try:
        limit.write_text(f"{WANTED}\n")
    except OSError:
        say(f"For more than 15 hosts: sudo sysctl -w fs.inotify.max_user_instances={WANTED}")
        return
    kept = home / "inotify"
    if not kept.exists():
        kept.write_text(f"{before}\n")
    say(f"Raised fs.inotify.max_user_instances from {before} to {WANTED} until the next boot")


def give_back(home: Path, limit: Path = INOTIFY) -> None:
    """Set it to what it was, unless somebody else has changed it since."""
    kept = home / "inotify"
    try:
        if int(limit.read_text()) == WANTED:
            limit.write_text(kept.read_text())
    except (OSError, ValueError):
        return
    kept.unlink(missing_ok=True)
