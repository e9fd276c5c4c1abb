"""Time and ids, in the one form everything stores them."""

from __future__ import annotations

import os
import re
import time
import uuid
from datetime import UTC, datetime


def now() -> str:
    """The present in UTC, e.g. `2026-11-21T11:41:00.123456Z`; sorts as text."""
    return stamp(time.time())


def stamp(seconds: float) -> str:
    """Seconds since the epoch as text, e.g. `2026-11-21T11:41:00.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """The inverse of `stamp`."""
    return datetime.fromisoformat(text).timestamp()


_SPAN = re.compile(r"([1-9]\d{0,5})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def span(text: str) -> int:
    """Seconds of a length of time such as `90s`, `30m`, `24h`, `7d`.

    Raises:
        ValueError: it is none; the message says what is wanted.
    """
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f'want a length of time as "30m", "24h" or "7d", not "{text}"')
    return int(found[1]) * _UNITS[found[2]]


_last = 0


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): sorts by creation, also within one millisecond of one process."""
    global _last  # noqa: PLW0603 - the counter of method 3 of the RFC must outlive the call
    tick = time.time_ns() * 4096 // 1_000_000
    tick = _last = max(tick, _last + 1)
    milliseconds, fraction = divmod(tick, 4096)
    tail = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail))
