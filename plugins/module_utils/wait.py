# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that waits for something to happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Timeout

T = TypeVar("T")

FIRST = 0.2
LONGEST = 5.0
SHARE = 0.1  # of the time waited so far: a watcher is late by a tenth at most, and asks ever less often


def pause(waited: float) -> float:
    """Seconds until the next look, after ``waited`` seconds."""
    return min(LONGEST, max(FIRST, waited * SHARE))


def wait_until(
    poll: Callable[[], T],
    done: Callable[[T], bool],
    what: str,
    timeout: float,
    *,
    every: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call ``poll`` until ``done`` accepts what it returns, and return that.

    Looks each ``every`` seconds, or ever less often without it. Raises :class:`Timeout` ``"Waited 60 s for <what>"``
    after ``timeout`` seconds, with a last look at their end.
    """
    start = clock()
    while True:
        seen = poll()
        if done(seen):
            return seen
        waited = clock() - start
        if waited >= timeout:
            raise Timeout(f"Waited {round(timeout, 1):g} s for {what}")
        sleep(min(pause(waited) if every is None else every, max(0.0, timeout - waited)))
