"""When something holds: days, hours and periods of a time zone's clock, and the instants they come to. Pure.

A span begins and ends at an instant: what the clock shows then decides. Where the clock is put back and shows an hour
twice, a span begins with the first and a period ends with the last; where it is put forward, an hour that does not
exist is the one after it.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opsctl.policy.part import Many, Part, many

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)")
_DAY = timedelta(days=1)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
_HORIZON = timedelta(days=800)
"""How far ahead is looked: a 29 February comes within it, but for the years around 2100."""

Span = tuple[datetime, datetime]
"""From the first instant on, up to the second; both in UTC."""


def _moment(value: Any) -> Any:
    """`2026-12-24 18:00`; a date is its first moment."""
    if value is None:
        return None
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day)
    elif isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f'want a time as "2026-12-24 18:00", not "{value}"') from None
    else:
        raise ValueError('want a time as "2026-12-24 18:00"')
    if not 2000 <= found.year < 3000:
        raise ValueError("want a year from 2000 to 2999")
    return found.astimezone(UTC) if found.tzinfo else found


def _end(value: Any) -> Any:
    """As a moment, but a date is meant whole."""
    whole = isinstance(value, date) and not isinstance(value, datetime)
    if whole or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        return _moment(value) + _DAY
    return _moment(value)


class When(Part):
    """At which time: all that are given must fit. Nothing = always."""

    begin: Annotated[datetime | None, BeforeValidator(_moment), Field(alias="from")] = None
    """The first moment."""
    to: Annotated[datetime | None, BeforeValidator(_end)] = None
    """The first moment after; a date without a time is the last day."""
    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], BeforeValidator(many)] = ()
    dates: Annotated[tuple[int, ...], BeforeValidator(many)] = ()
    """Days of the month; -1 is the last."""
    hours: Many = ()
    """`HH:MM-HH:MM`; one that ends before it begins goes over midnight and belongs to the day it begins on."""
    zone: str | None = None
    """The time zone of all these, as `Asia/Shanghai`; unset = this machine's."""

    @field_validator("hours")
    @classmethod
    def _hours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _HOURS.fullmatch(text):
                raise ValueError(f'want hours as "09:00-17:30", not "{text}"')
        return value

    @field_validator("dates")
    @classmethod
    def _dates(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for number in value:
            if not 1 <= abs(number) <= 31:
                raise ValueError(f"want days of the month, 1 to 31 or -1 to -31, not {number}")
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            clock(value)
        return value

    @model_validator(mode="after")
    def _order(self) -> When:
        begin, end = self.period
        if begin >= end:
            raise ValueError("`from` is not before `to`")
        return self

    @cached_property
    def period(self) -> Span:
        """The outermost bounds."""
        begin = _FIRST if self.begin is None else min(_both(self.begin, self.zone))
        return begin, _LAST if self.to is None else max(_both(self.to, self.zone))

    @property
    def recurs(self) -> bool:
        """Whether it comes again and again."""
        return bool(self.days or self.dates or self.hours)


def clock(zone: str | None) -> ZoneInfo | None:
    """A time zone by its name; None is this machine's.

    Raises:
        ValueError: there is none of that name.
    """
    if zone is None:
        return None
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'unknown time zone "{zone}"; want one as "Asia/Shanghai"') from None


def instant(moment: datetime, zone: str | None) -> datetime:
    """The instant, in UTC, at which the clock of a zone shows this."""
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=clock(zone))
    return moment.astimezone(UTC)


def _both(moment: datetime, zone: str | None) -> tuple[datetime, datetime]:
    """The two instants that an hour may be which is there twice, or not at all; else the same one."""
    return instant(moment, zone), instant(moment.replace(fold=1), zone)


def holds(when: When, at: datetime) -> bool:
    """Whether this instant is meant."""
    at = at.astimezone(UTC)
    return any(begin <= at < end for begin, end in spans(when, at, at))


def change(when: When, at: datetime) -> tuple[bool, datetime | None]:
    """Whether it holds at this instant, and when that changes; None: not that one could see."""
    at = at.astimezone(UTC)
    limit = at + _HORIZON
    for begin, end in spans(when, at, limit):
        if at < begin:
            return False, begin
        if at < end:
            seen = end < limit or not when.recurs or end == when.period[1]
            return True, end if seen and end < _LAST else None
    return False, None


def spans(when: When, since: datetime, until: datetime) -> Iterator[Span]:
    """What it comes to, in order and joined where it touches, as far as it matters between two instants.

    A span that begins before or ends after is whole, or so long that it covers a day on that side.
    """
    first, last = when.period
    if not when.recurs:
        yield first, last
        return
    open_: Span | None = None
    for begin, end in sorted(_daily(when, max(since, first), min(until, last))):
        begin, end = max(begin, first), min(end, last)  # noqa: PLW2901 - cut at the period's ends
        if begin >= end:
            continue
        if open_ is not None and begin <= open_[1]:
            open_ = open_[0], max(open_[1], end)
            continue
        if open_ is not None:
            yield open_
        open_ = begin, end
    if open_ is not None:
        yield open_


def _daily(when: When, since: datetime, until: datetime) -> Iterator[Span]:
    zone = clock(when.zone)
    day = since.astimezone(zone).date() - 2 * _DAY
    last = until.astimezone(zone).date() + 2 * _DAY
    hours = when.hours or ("00:00-24:00",)
    while day <= last:
        if _meant(when, day):
            yield from (_on(day, text, when.zone) for text in hours)
        day += _DAY


def _meant(when: When, day: date) -> bool:
    if when.days and _DAYS[day.weekday()] not in when.days:
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    return not when.dates or day.day in when.dates or day.day - length - 1 in when.dates


def _on(day: date, hours: str, zone: str | None) -> Span:
    begin, end = hours.split("-")
    later = day + _DAY if end <= begin or end == "24:00" else day
    return _at(day, begin, zone), _at(later, "00:00" if end == "24:00" else end, zone)


def _at(day: date, text: str, zone: str | None) -> datetime:
    hour, minute = text.split(":")
    return instant(datetime(day.year, day.month, day.day, int(hour), int(minute)), zone)
