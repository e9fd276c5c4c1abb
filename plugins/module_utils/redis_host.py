# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about itself in its files: system and memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Read = Callable[[str], str]  # a file's text; empty when there is none


def systems(os_release: str) -> list[str]:
    """The names a system goes by, its own first: ``["ubuntu", "debian"]``."""
    pairs = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return " ".join(pairs.get(key, "").strip("\"'") for key in ("ID", "ID_LIKE")).split()


def memory_mb(read: Read) -> int:
    """MiB of memory that processes can have: the machine's, or less where a control group says so."""
    total = next(int(line.split()[1]) for line in read("/proc/meminfo").splitlines() if line.startswith("MemTotal:"))
    return min([total * 1024, *_limits(read)]) >> 20


def _limits(read: Read) -> Iterator[int]:
    """Limits of the control groups of process 1 and of all above them, in bytes. Both versions may be there."""
    for line in read("/proc/1/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers == "memory":
            base, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        elif not controllers:
            base, name = "/sys/fs/cgroup", "memory.max"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):
            text = read("/".join([base, *parts[:depth], name])).strip()
            if text.isdigit():
                yield int(text)
