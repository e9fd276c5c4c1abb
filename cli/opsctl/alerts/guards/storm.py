"""Many alerts at once: counted as they come, in memory that does not grow with them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from opsctl.alerts.guards.config import Storm


@dataclass(frozen=True, slots=True)
class Storms:
    """What was heard lately, second by second."""

    bounds: Storm = field(default_factory=Storm)
    buckets: tuple[tuple[int, int], ...] = ()
    """Second and number of new alerts in it, the oldest first; no more than `within` of them."""
    until: float = 0.0
    """Until when the last storm lasts, calm included; seconds since the epoch."""

    def heard(self, when: datetime, number: int = 1) -> Storms:
        """The same with so many more new alerts. A clock that goes back counts them at the last second known."""
        second = int(when.timestamp())
        newest = self.buckets[-1] if self.buckets else None
        if newest is not None and second <= newest[0]:
            buckets = (*self.buckets[:-1], (newest[0], newest[1] + number))
        else:
            buckets = (*self.buckets, (second, number))
        last = buckets[-1][0]
        buckets = tuple(bucket for bucket in buckets if bucket[0] > last - self.bounds.within)
        return replace(self, buckets=buckets, until=max(self.until, _end(buckets, self.bounds)))

    def storm(self, now: datetime) -> datetime | None:
        """Until when it is a storm; None = it is none."""
        return datetime.fromtimestamp(self.until, UTC) if now.timestamp() < self.until else None


def _end(buckets: tuple[tuple[int, int], ...], bounds: Storm) -> float:
    """When those of one `within` are no longer too many, and calm has lasted; 0 = they are not."""
    total = 0
    for second, number in reversed(buckets):
        total += number
        if total > bounds.alerts:
            return float(second + bounds.within + bounds.calm)
    return 0.0
