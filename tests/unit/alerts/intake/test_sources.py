"""What each source tells becomes alerts: host, severity, state and a key that is the same for the same problem."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import HostRef, Problem
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.alert import SEVERITIES
from opsctl.alerts.config import Mapping
from opsctl.alerts.sources import alertmanager, webhook
from opsctl.alerts.sources import zabbix as source
from opsctl.alerts.sources.told import MOST, Told

from .senders import RECEIVED, prometheus, zabbix

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


def host(name: str) -> HostRef:
    return HostRef("10601", name, name, ("cache",), "192.168.0.1")


def problem(**values: Any) -> Problem:
    given: dict[str, Any] = {
        "event_id": "101",
        "trigger_id": "17",
        "name": "Redis is down on cache-1",
        "severity": 4,
        "started": 1795262400.5,
        "resolved": None,
        "acknowledged": False,
        "suppressed": False,
        "tags": (("opsctl_stack", "cache"),),
        "opdata": "",
        "hosts": (host("cache-1"),),
    }
    return Problem(**{**given, **values})


def from_zabbix(**values: Any) -> Any:
    [alert] = source.told(zabbix(**values), "zabbix", RECEIVED, "http://zabbix").alerts
    return alert


def from_hook(message: Any, **mapping: Any) -> Told:
    return webhook.told(message, "hook", RECEIVED, Mapping.model_validate(mapping))


def test_a_problem_of_zabbix() -> None:
    alert = from_zabbix()
    assert (alert.key, alert.state, alert.severity) == ("101", "firing", "high")
    assert (alert.host, alert.address, alert.stack) == ("cache-1", "192.168.0.1", "cache")
    assert alert.groups == ("cache", "cache/redis")
    assert alert.problem == "redis-process-down"
    assert alert.started == "2026-11-21T12:00:00.000Z"
    assert alert.resolved == ""
    assert alert.url == "http://zabbix/tr_events.php?triggerid=17&eventid=101"


@pytest.mark.parametrize("values", [{"value": "0"}, {"r_eventid": "102"}, {"value": "0", "update": "1"}])
def test_a_recovery_of_zabbix_has_the_key_of_its_problem(values: dict[str, str]) -> None:
    alert = from_zabbix(**values, r_clock=1795262460)
    assert (alert.key, alert.state, alert.resolved) == ("101", "resolved", "2026-11-21T12:01:00.000Z")


def test_an_update_of_zabbix_is_still_a_problem() -> None:
    alert = from_zabbix(update="1", acknowledged=True)
    assert (alert.state, alert.acknowledged) == ("firing", True)


def test_what_zabbix_did_not_know_is_empty() -> None:
    alert = from_zabbix(host="", address=None, groups="", tags="x", clock=0, severity="", trigger_id="")
    assert (alert.host, alert.address, alert.groups, alert.tags, alert.url) == ("", "", (), {}, "")
    assert alert.started == RECEIVED


@pytest.mark.parametrize(
    "message",
    [None, [], {}, zabbix(version=2), zabbix(event=""), zabbix(event="{EVENT.ID}"), zabbix(value="2"), zabbix("²")],
)
def test_what_is_no_message_of_zabbix_is_refused(message: Any) -> None:
    with pytest.raises(ValueError, match=r"webhook of version 1|eventid must be a number"):
        source.told(message, "zabbix", RECEIVED)


def test_zabbix_asked_and_zabbix_telling_agree() -> None:
    told, seen = from_zabbix(), source.seen(problem(), "zabbix", RECEIVED, "http://zabbix")
    for name in ("source", "kind", "key", "state", "name", "trigger", "host", "address", "stack", "severity", "url"):
        assert getattr(told, name) == getattr(seen, name)


def test_a_problem_of_several_hosts_keeps_the_one_it_was_told_with() -> None:
    both = problem(hosts=(host("a"), host("b")))
    assert source.seen(both, "zabbix", RECEIVED).host == "a"
    assert source.seen(both, "zabbix", RECEIVED, known="b").host == "b"
    assert source.seen(both, "zabbix", RECEIVED, known="gone").host == "a"
    assert source.seen(both, "zabbix", RECEIVED).data["hosts"] == ["a", "b"]
    assert source.seen(problem(hosts=()), "zabbix", RECEIVED).host == ""


def test_alerts_of_prometheus() -> None:
    first, second = alertmanager.told(prometheus("firing", "resolved", stack="shop"), "prom", RECEIVED).alerts
    assert (first.host, first.severity, first.state, first.stack) == ("web-0", "high", "firing", "shop")
    assert (first.name, first.trigger) == ("Disk almost full", "DiskFull")
    assert first.started == "2026-11-21T11:59:00.123Z"
    assert (second.host, second.state, second.resolved) == ("web-1", "resolved", "2026-11-21T12:04:00.000Z")
    assert first.key != second.key


def test_a_resolution_of_prometheus_has_the_key_of_its_alert() -> None:
    [fires] = alertmanager.told(prometheus("firing"), "prom", RECEIVED).alerts
    [ends] = alertmanager.told(prometheus("resolved"), "prom", RECEIVED).alerts
    assert fires.key == ends.key


def test_without_fingerprint_labels_tell_alerts_apart() -> None:
    message = prometheus("firing", "firing")
    for alert in message["alerts"]:
        del alert["fingerprint"]
    first, second = alertmanager.told(message, "prom", RECEIVED).alerts
    assert first.key != second.key
    assert first.key == alertmanager.told(message, "prom", RECEIVED).alerts[0].key


@pytest.mark.parametrize(
    ("instance", "host", "address"),
    [
        ("web-1:9100", "web-1", ""),
        ("web-1", "web-1", ""),
        ("10.0.0.7:9100", "10.0.0.7", "10.0.0.7"),
        ("[::1]:9100", "::1", "::1"),
        ("http://x:80/y", "http://x:80/y", ""),
    ],
)
def test_an_instance_becomes_a_host(instance: str, host: str, address: str) -> None:
    [alert] = alertmanager.told(prometheus("firing", instance=instance), "prom", RECEIVED).alerts
    assert (alert.host, alert.address) == (host, address)


def test_a_bad_alert_among_good_ones_does_not_hurt_them() -> None:
    message = prometheus("firing", "firing")
    message["alerts"].insert(1, {"labels": 7})
    told = alertmanager.told(message, "prom", RECEIVED)
    assert len(told.alerts) == 2
    assert told.wrong == ["alert 1: it has no labels"]


def test_alerts_that_alertmanager_left_out_are_told() -> None:
    told = alertmanager.told({**prometheus("firing"), "truncatedAlerts": 3}, "prom", RECEIVED)
    assert told.wrong == ["Alertmanager left out 3 alerts: raise its max_alerts"]


@pytest.mark.parametrize("message", [None, {}, {"alerts": {}}, {"alerts": []}, {"alerts": [1]}, {"alerts": [{}]}])
def test_what_is_no_message_of_alertmanager_is_refused(message: Any) -> None:
    with pytest.raises(ValueError, match=r"no list of alerts|no alerts|no labels"):
        alertmanager.told(message, "prom", RECEIVED)


def test_a_generic_message_without_a_mapping() -> None:
    message = {"key": 7, "name": "Queue is long", "host": "mq-1", "severity": "warn", "tags": {"q": "mail"}}
    [alert] = from_hook({**message, "groups": "mq, prod"}).alerts
    assert (alert.key, alert.host, alert.severity, alert.groups) == ("7", "mq-1", "warning", ("mq", "prod"))
    assert alert.tags == {"q": "mail"}
    assert alert.firing


def test_a_generic_message_with_a_mapping() -> None:
    message = {
        "checks": [
            {"node": {"fqdn": "db-1"}, "check": "disk", "status": "CRIT", "labels": [{"name": "fs", "value": "/"}]},
            {"node": {"fqdn": "db-2"}, "check": "disk", "status": "Okay", "when": 1795262400},
        ]
    }
    first, second = from_hook(
        message,
        items="checks",
        key=["node.fqdn", "check"],
        host="node.fqdn",
        name=["title", "check"],
        severity=["level", "=high"],
        state="status",
        resolved_values=["okay"],
        ended="when",
        tags="labels",
        stack="=shop",
    ).alerts
    assert (first.key, first.name, first.severity, first.state) == ("db-1/disk", "disk", "high", "firing")
    assert (first.tags, first.stack) == ({"fs": "/"}, "shop")
    assert (second.state, second.resolved) == ("resolved", "2026-11-21T12:00:00.000Z")


def test_a_list_is_several_messages() -> None:
    assert [alert.host for alert in from_hook([{"host": "a"}, {"host": "b"}]).alerts] == ["a", "b"]


@pytest.mark.parametrize(
    ("message", "mapping", "why"),
    [
        ({}, {}, "it has no key, name or host"),
        (7, {}, "it is no JSON object"),
        ({"a": 1}, {"items": "a"}, "there is no list at a"),
        ([{"host": "x"}] * (MOST + 1), {}, f"more than {MOST} alerts"),
    ],
)
def test_what_the_mapping_finds_nothing_in_is_refused(message: Any, mapping: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_hook(message, **mapping)


def test_secrets_of_messages_are_not_kept() -> None:
    [alert] = from_hook({"host": "a", "password": "hunter22", "nested": {"api_key": "qwertyuiop"}}).alerts
    kept = json.dumps(alert.plain())
    assert "hunter22" not in kept
    assert "qwertyuiop" not in kept


@given(anything)
def test_no_message_is_too_odd_for_a_generic_source(message: Any) -> None:
    try:
        alerts = from_hook(message).alerts
    except ValueError:
        return
    for alert in alerts:
        assert alert.key
        json.dumps(alert.plain())


@given(st.dictionaries(st.sampled_from(list(zabbix())), anything))
def test_no_message_is_too_odd_for_zabbix(values: dict[str, Any]) -> None:
    try:
        [alert] = source.told({**zabbix(), **values}, "zabbix", RECEIVED, "http://zabbix").alerts
    except ValueError:
        return
    assert alert.severity in SEVERITIES
    json.dumps(alert.plain())


@given(st.dictionaries(st.sampled_from([*prometheus("firing")["alerts"][0]]), anything))
def test_no_message_is_too_odd_for_alertmanager(values: dict[str, Any]) -> None:
    message = prometheus("firing")
    message["alerts"][0].update(values)
    try:
        [alert] = alertmanager.told(message, "prom", RECEIVED).alerts
    except ValueError:
        return
    json.dumps(alert.plain())
