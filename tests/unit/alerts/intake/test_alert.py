"""The one form of alerts: what sources tell becomes valid, short and without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.alert import LONG, SEVERITIES, Alert, bounded, made, moment, severity, tagged, text
from opsctl.clock import uuid7

AT = "2026-11-21T12:00:00.000Z"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.text(), st.text(min_size=1), st.dictionaries(st.text(), anything, max_size=5))
def test_whatever_is_told_can_be_stored_and_read_back(name: str, key: str, data: dict[str, Any]) -> None:
    alert = made("m", "webhook", key or "k", received=AT, name=name, host=name, groups=[name, name], data=data)
    json.dumps(alert.plain()).encode()
    alert.name.encode()
    assert alert.name == "" or alert.name.isprintable()
    assert len(alert.groups) <= 1
    if alert.key:
        back = Alert.of(json.loads(json.dumps(alert.plain())))
        assert (back.id, back.name, back.groups, back.tags) == (alert.id, alert.name, alert.groups, alert.tags)


def test_its_json_has_this_shape() -> None:
    alert = made("m", "zabbix", "7", received=AT, tags={"a": "b"}, groups=["g"], severity="high")
    plain = alert.plain()
    assert plain.pop("id") == alert.id
    assert plain == {
        "source": "m",
        "kind": "zabbix",
        "key": "7",
        "state": "firing",
        "name": "",
        "trigger": "",
        "host": "",
        "address": "",
        "groups": ["g"],
        "stack": "",
        "tags": {"a": "b"},
        "severity": "high",
        "started": AT,
        "received": AT,
        "resolved": "",
        "acknowledged": False,
        "suppressed": False,
        "url": "",
        "count": 1,
        "data": {},
        "change": 0,
    }


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "an alert needs id, source, kind, key"),
        ({"id": "1", "source": "s", "kind": "zabbix", "key": "k", "severity": "bad"}, "bad is no severity"),
        ({"id": "1", "source": "s", "kind": "zabbix", "key": "k", "state": "odd"}, "odd is no state"),
    ],
)
def test_what_is_no_alert_is_told(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Alert.of(plain)


def test_one_that_is_over_has_a_time_for_it() -> None:
    assert made("m", "webhook", "k", received=AT, state="resolved").resolved == AT


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("0", "not_classified"),
        (4, "high"),
        ("5", "disaster"),
        ("Not classified", "not_classified"),
        ("Average", "average"),
        ("critical", "high"),
        (" WARN ", "warning"),
        ("6", "not_classified"),
        (None, "not_classified"),
        ("{EVENT.NSEVERITY}", "not_classified"),
    ],
)
def test_severities_of_others_become_ours(told: Any, meant: str) -> None:
    assert severity(told) == meant


@given(anything)
def test_any_severity_is_one_of_ours(told: Any) -> None:
    assert severity(told) in SEVERITIES


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        ("1763726400", "2025-11-21T12:00:00.000Z"),
        (1763726400.25, "2025-11-21T12:00:00.250Z"),
        ("2026-11-21T13:00:00+01:00", AT),
        ("2026-11-21T12:00:00.000000001Z", AT),
        ("0001-01-01T00:00:00Z", ""),
        ("soon", ""),
        (None, ""),
        (1e300, ""),
    ],
)
def test_times_of_others_become_ours(told: Any, meant: str) -> None:
    assert moment(told) == meant


@given(anything)
def test_any_time_is_one_or_none(told: Any) -> None:
    found = moment(told)
    assert found == "" or moment(found) == found


def test_times_sort_as_text() -> None:
    assert moment(1763726400) < moment(1763726400.1) < moment(1763726401)


def test_texts_are_cut_and_kept_on_one_line() -> None:
    assert text("a\x1b[31m\nb\0c") == "a [31m b c"
    assert text("\ud800") == "?"
    assert len(text("x" * 10 * LONG)) == LONG


def test_tags_of_one_name_are_joined() -> None:
    assert tagged([("a", "1"), ("b", "2"), ("a", "3"), ("a", "1"), ("", "x")]) == {"a": "1,3", "b": "2"}


def test_no_more_tags_than_can_be_handled() -> None:
    assert len(tagged((str(number), "x") for number in range(1000))) == 64


def test_originals_lose_their_secrets() -> None:
    kept = bounded({"password": "hunter22", "text": "postgres://bob:hunter22@db/x", "token": "abcdefgh"})
    assert "hunter22" not in json.dumps(kept)
    assert "abcdefgh" not in json.dumps(kept)


def test_originals_are_cut() -> None:
    kept = bounded({"first": "a", "long": "x" * 100_000, "last": "b"})
    assert kept == {"first": "a", "cut": True}


def test_deep_originals_are_flattened() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    json.dumps(bounded({"deep": deep}))


@pytest.mark.parametrize(
    ("told", "kept"),
    [("https://z/x?y=1", "https://z/x?y=1"), ("javascript:alert(1)", ""), ("data:text/html,x", ""), ("", "")],
)
def test_a_link_is_one_of_the_web_or_none(told: str, kept: str) -> None:
    assert made("m", "webhook", "k", received=AT, url=told).url == kept


def test_no_more_groups_than_can_be_handled() -> None:
    assert len(made("m", "webhook", "k", received=AT, groups=map(str, range(10**6))).groups) == 100


def test_its_kind_of_problem_is_a_tag() -> None:
    alert = Alert(uuid7(), "m", "zabbix", "1", tags={"opsctl_problem": "disk-full"}, severity="average")
    assert alert.problem == "disk-full"
    assert alert.rank == 3
