"""Days, hours and periods come to instants, whatever the clock does."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsctl.policy.times import When, change, holds, instant, spans

BERLIN = "Europe/Berlin"
ZONES = ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "Pacific/Apia", "Africa/Cairo"]


def when(**values: Any) -> When:
    return When.model_validate({key.rstrip("_"): value for key, value in values.items()})


def at(text: str, zone: str = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def length(of: When, since: datetime, until: datetime) -> timedelta:
    """How long it holds between two instants."""
    clipped = ((max(begin, since), min(end, until)) for begin, end in spans(of, since, until))
    return sum((end - begin for begin, end in clipped if begin < end), timedelta())


@pytest.mark.parametrize(
    ("of", "moment", "expected"),
    [
        (when(hours="22:00-06:00", days="mon"), "2026-11-23 23:00", True),
        (when(hours="22:00-06:00", days="mon"), "2026-11-24 05:59", True),
        (when(hours="22:00-06:00", days="mon"), "2026-11-24 06:00", False),
        (when(hours="22:00-06:00", days="mon"), "2026-11-23 05:00", False),
        (when(hours="22:00-24:00"), "2026-11-23 23:59", True),
        (when(hours="22:00-24:00"), "2026-11-24 00:00", False),
        (when(hours="00:00-00:00", days="mon"), "2026-11-23 12:00", True),
        (when(hours="22:00-02:00", dates=-1), "2026-03-01 01:00", True),
        (when(hours="22:00-02:00", dates=-1), "2028-02-28 23:00", False),
        (when(hours="22:00-02:00", dates=-1), "2028-02-29 23:00", True),
        (when(dates=[31]), "2026-04-30 12:00", False),
        (when(days="fri", dates=13), "2026-11-13 12:00", True),
        (when(days="fri", dates=13), "2026-12-13 12:00", False),
        (when(from_="2026-12-24", to="2026-12-26"), "2026-12-26 23:59", True),
        (when(from_="2026-12-24", to="2026-12-26"), "2026-12-27 00:00", False),
        (when(from_="2026-12-24 18:00"), "2026-12-24 17:59", False),
        (when(from_="2026-12-24T18:00:00+00:00"), "2026-12-24 18:30", False),
        (when(to="2026-12-24 18:00", hours="17:00-19:00"), "2026-12-24 18:00", False),
    ],
)
def test_when(of: When, moment: str, expected: bool) -> None:
    assert holds(of.model_validate(of.model_dump(by_alias=True) | {"zone": BERLIN}), at(moment)) is expected


def test_an_hour_that_does_not_exist_is_the_one_after() -> None:
    of = when(hours="02:00-03:00", zone=BERLIN)
    day = [at("2026-03-29 00:00"), at("2026-03-30 00:00")]
    assert length(of, *day) == timedelta()
    assert length(when(hours="02:15-04:00", zone=BERLIN), *day) == timedelta(minutes=45)


def test_an_hour_that_is_there_twice_begins_with_the_first() -> None:
    of = when(hours="02:30-02:45", zone=BERLIN)
    assert holds(of, at("2026-10-25 02:30"))
    assert not holds(of, at("2026-10-25 02:30", fold=1))
    assert length(when(hours="01:00-04:00", zone=BERLIN), at("2026-10-25 00:00"), at("2026-10-26 00:00")) == timedelta(
        hours=4
    )


def test_a_period_ends_with_the_last_of_an_hour_that_is_there_twice() -> None:
    of = when(from_="2026-10-25 02:15", to="2026-10-25 02:30", zone=BERLIN)
    assert length(of, at("2026-10-24 00:00"), at("2026-10-26 00:00")) == timedelta(hours=1, minutes=15)


def test_a_day_is_as_long_as_it_is() -> None:
    of = when(days=["sun"], zone=BERLIN)
    assert length(of, at("2026-03-28 00:00"), at("2026-03-31 00:00")) == timedelta(hours=23)
    assert length(of, at("2026-10-24 00:00"), at("2026-10-27 00:00")) == timedelta(hours=25)


def test_when_it_changes() -> None:
    weekend = when(days=["sat", "sun"], zone=BERLIN)
    assert change(weekend, at("2026-11-21 15:00")) == (True, at("2026-11-23 00:00"))
    assert change(weekend, at("2026-11-23 15:00")) == (False, at("2026-11-28 00:00"))
    assert change(when(), at("2026-11-23 15:00")) == (True, None)
    assert change(when(to="2026-11-20"), at("2026-11-23 15:00")) == (False, None)
    assert change(when(hours="00:00-24:00", zone=BERLIN), at("2026-11-23 15:00")) == (True, None)
    assert change(when(dates=29, to="2027-02-28", zone=BERLIN), at("2027-01-29 15:00")) == (
        True,
        at("2027-01-30 00:00"),
    )


HOURS = st.builds(
    lambda begin, end: f"{begin // 4:02}:{begin % 4 * 15:02}-{end // 4:02}:{end % 4 * 15:02}",
    st.integers(0, 95),
    st.integers(0, 96),
)
WHENS = st.builds(
    lambda hours, days, dates, zone: when(hours=hours, days=days, dates=dates, zone=zone),
    st.lists(HOURS, max_size=3),
    st.lists(st.sampled_from(["mon", "tue", "wed", "sat", "sun"]), max_size=3, unique=True),
    st.lists(st.integers(1, 31) | st.integers(-31, -1), max_size=3),
    st.sampled_from(ZONES),
)
INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@given(WHENS, INSTANTS)
def test_spans_are_in_order_and_apart(of: When, moment: datetime) -> None:
    if of.recurs:
        found = list(spans(of, moment, moment + timedelta(days=70)))
        assert all(begin < end for begin, end in found)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(found))


@given(WHENS, INSTANTS)
def test_nothing_changes_before_it_changes(of: When, moment: datetime) -> None:
    now, then = change(of, moment)
    assert now == holds(of, moment)
    if then is not None:
        assert then > moment
        assert holds(of, then) != now
        assert holds(of, then - timedelta(microseconds=1)) == now
        assert holds(of, moment + (then - moment) / 2) == now


@given(WHENS, INSTANTS)
def test_on_a_plain_day_the_clock_decides(of: When, moment: datetime) -> None:
    zone = ZoneInfo(str(of.zone))
    local = moment.astimezone(zone)
    around = {(local + timedelta(days=days)).utcoffset() for days in (-3, -2, -1, 0, 1, 2, 3)}
    if len(around) > 1 or not of.recurs:
        return
    clock = f"{local:%H:%M}"

    def meant(day: datetime) -> bool:
        following = day + timedelta(days=1)
        names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        last = following.day == 1
        length = day.day if last else next(n for n in range(28, 32) if (day.replace(day=1) + timedelta(n)).day == 1)
        return (not of.days or names[day.weekday()] in of.days) and (
            not of.dates or day.day in of.dates or day.day - length - 1 in of.dates
        )

    expected = False
    for text in of.hours or ("00:00-24:00",):
        begin, end = text.split("-")
        if begin < end:
            expected |= meant(local) and begin <= clock < end
        else:
            expected |= (meant(local) and clock >= begin) or (meant(local - timedelta(days=1)) and clock < end)
    assert holds(of, moment) is expected


@given(st.sampled_from(ZONES), INSTANTS)
def test_all_hours_of_all_days_are_always(zone: str, moment: datetime) -> None:
    assert holds(when(hours=["00:00-12:00", "12:00-24:00"], zone=zone), moment)
    assert instant(moment.astimezone(ZoneInfo(zone)), None) == moment


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"zone": "Mars/Base"}, "unknown time zone"),
        ({"zone": "Europe"}, "unknown time zone"),
        ({"zone": "../etc/passwd"}, "unknown time zone"),
        ({"zone": ""}, "unknown time zone"),
        ({"hours": "22:00-24:30"}, "want hours as"),
        ({"hours": "24:00-25:00"}, "want hours as"),
        ({"dates": 0}, "want days of the month"),
        ({"dates": [32]}, "want days of the month"),
        ({"from": "soon"}, "want a time as"),
        ({"from": "0001-01-01"}, "want a year from 2000"),
        ({"from": [1]}, "want a time as"),
        ({"from": "2026-12-25", "to": "2026-12-24"}, "`from` is not before `to`"),
    ],
)
def test_bad_times_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        When.model_validate(values)
    assert said in str(caught.value)
