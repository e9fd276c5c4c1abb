"""Times as people type them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from opsctl.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, now: float, *, end: bool = False) -> int:
    """A time in microseconds since the epoch: `2h` ago (s, m, h, d, w), `today`, `yesterday`, or a date and time.

    A time without an offset is in UTC, as everything opsctl prints. `end`: of a day, its last moment is meant.

    Raises:
        UsageError: it is none of these.
    """
    present = datetime.fromtimestamp(now, UTC)
    word = text.strip().lower()
    day = _DAY.fullmatch(word) is not None
    if word in ("today", "yesterday"):
        midnight = present.replace(hour=0, minute=0, second=0, microsecond=0)
        found, day = midnight - timedelta(days=word == "yesterday"), True
    elif _AGO.fullmatch(word):
        found = present - age(text)
    else:
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UsageError(
                f"Cannot understand the time {text}; give 30m, 2h, 7d, today, yesterday, 2026-11-20 or 2026-11-20T08:30"
            ) from None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found + (timedelta(days=1) - _MICROSECOND if end and day else timedelta()) - _EPOCH) // _MICROSECOND


def age(text: str) -> timedelta:
    """A length of time such as `90d`.

    Raises:
        UsageError: it is none.
    """
    found = _AGO.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"Cannot understand {text}; give a number and s, m, h, d or w, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
