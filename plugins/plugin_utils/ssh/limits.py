# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operating system lets this process have."""

from __future__ import annotations

import resource

_OTHERS = 256
"""Open files that have nothing to do with hosts."""


def room(hosts: int) -> None:
    """Let this process have as many files open as it takes to talk with so many hosts at once, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _OTHERS + 2 * hosts
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
