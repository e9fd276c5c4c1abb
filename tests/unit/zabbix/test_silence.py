from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import deliveries, maintenance
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import NotFound

NOW = 1_700_000_010.0


@pytest.fixture
def site(fake):
    fake.group = fake.add_group("Cache")
    fake.hosts = [fake.add_host(f"cache-{one}", fake.group) for one in (1, 2)]
    return fake


def windows(fake):
    return list(fake.table("maintenance").values())


def test_silence_is_one_window_of_whole_minutes(site, connect):
    zabbix = connect(site)
    first = maintenance.silence(zabbix, ["cache-1"], NOW + 900, "run 1", now=NOW)
    (window,) = windows(site)
    assert (window["name"], window["maintenance_type"], window["hosts"]) == (
        "opsctl: run 1",
        0,
        [{"hostid": site.hosts[0]}],
    )
    assert window["active_since"] == window["timeperiods"][0]["start_date"] <= NOW
    assert window["active_till"] >= NOW + 900
    assert window["active_since"] % 60 == window["active_till"] % 60 == window["timeperiods"][0]["period"] % 60 == 0
    assert maintenance.silence(zabbix, ["cache-1", "cache-2"], NOW + 1800, "run 1", now=NOW) == first
    (window,) = windows(site)
    assert (len(window["hosts"]), window["active_till"] >= NOW + 1800) == (2, True)


def test_a_short_silence_is_as_long_as_zabbix_wants_it(site, connect):
    maintenance.silence(connect(site), ["cache-1"], NOW - 5, "run 1", now=NOW)
    assert windows(site)[0]["timeperiods"][0]["period"] == 300


def test_silence_ends_once(site, connect):
    zabbix = connect(site)
    maintenance.silence(zabbix, ["cache-1"], NOW + 900, "run 1", now=NOW)
    assert maintenance.lift(zabbix, "run 1") is True
    assert maintenance.lift(zabbix, "run 1") is False
    assert windows(site) == []


@pytest.mark.parametrize("hosts", [["cache-1", "cache-9"], []])
def test_silence_of_nobody_is_an_error(site, connect, hosts):
    with pytest.raises(NotFound, match="no host cache-9, or" if hosts else "no host to silence"):
        maintenance.silence(connect(site), hosts, NOW + 900, "run 1", now=NOW)
    assert windows(site) == []


def test_hosts_in_maintenance_are_known_by_host_and_by_group_and_only_while_it_lasts(site, connect):
    zabbix = connect(site)
    maintenance.silence(zabbix, ["cache-1"], NOW + 900, "run 1", now=NOW)
    names = ["cache-1", "cache-2", "nobody"]
    assert maintenance.in_maintenance(zabbix, names, now=NOW + 1) == {"cache-1": "opsctl: run 1"}
    assert maintenance.in_maintenance(zabbix, names, now=NOW + 2000) == {}
    assert maintenance.in_maintenance(zabbix, [], now=NOW) == {}
    window = windows(site)[0]
    window |= {"hosts": [], "groups": [{"groupid": site.group}], "name": "Sunday"}
    assert maintenance.in_maintenance(zabbix, names, now=NOW + 1) == {"cache-1": "Sunday", "cache-2": "Sunday"}


def test_a_window_of_people_is_not_hidden_by_one_of_ours(site, connect):
    zabbix = connect(site)
    maintenance.silence(zabbix, ["cache-1"], NOW + 900, "run 1", now=NOW)
    ours = windows(site)[0]
    site.add("maintenance", "maintenanceid", **{**ours, "name": "Sunday", "maintenanceid": "1"})
    assert maintenance.in_maintenance(zabbix, ["cache-1"], now=NOW + 1) == {"cache-1": "Sunday"}


def test_of_a_window_that_recurs_the_server_knows_when_it_is_open(site, connect):
    zabbix = connect(site)
    daily = {"timeperiod_type": "2", "start_time": "3600", "period": "600", "every": "1"}
    site.add(
        "maintenance",
        "maintenanceid",
        name="Nightly",
        active_since="1600000000",
        active_till="2000000000",
        hosts=[{"hostid": site.hosts[0]}],
        groups=[],
        timeperiods=[daily],
    )
    assert maintenance.in_maintenance(zabbix, ["cache-1"], now=NOW) == {}
    window = windows(site)[0]["maintenanceid"]
    site.table("host")[site.hosts[0]] |= {"maintenance_status": "1", "maintenanceid": window}
    assert maintenance.in_maintenance(zabbix, ["cache-1"], now=NOW) == {"cache-1": "Nightly"}


def test_messages_that_nobody_got_are_told_with_why(fake, connect):
    ours, mail = fake.add("mediatype", "mediatypeid", name="opsctl"), fake.add("mediatype", "mediatypeid", name="mail")
    for number, (media, name, status) in enumerate([(ours, "opsctl", 1), (ours, "opsctl", 2), (mail, "mail", 2)]):
        fake.add(
            "alert",
            "alertid",
            eventid=str(100 + number),
            p_eventid="0" if number else "99",
            clock=str(1000 + number),
            status=str(status),
            retries="3" if status == 2 else "0",
            error="Connection refused" if status == 2 else "",
            alerttype="0",
            mediatypes=[{"mediatypeid": media, "name": name}],
            users=[{"username": "opsctl"}],
        )
    zabbix = connect(fake)
    (lost,) = deliveries.deliveries(zabbix, media_type="opsctl", failed=True)
    assert (lost.event_id, lost.state, lost.tries, lost.error) == ("101", "failed", 3, "Connection refused")
    assert (lost.media_type, lost.user, lost.time) == ("opsctl", "opsctl", 1001.0)
    assert [one.event_id for one in deliveries.deliveries(zabbix)] == ["102", "101", "100"]
    (sent,) = deliveries.deliveries(zabbix, event_ids=["100"])
    assert (sent.state, sent.problem_id) == ("sent", "99")
    assert [one.event_id for one in deliveries.deliveries(zabbix, since=1002.0)] == ["102"]
    assert len(deliveries.deliveries(zabbix, limit=2)) == 2
    assert deliveries.deliveries(zabbix, media_type="none") == []
