from __future__ import annotations

import fcntl
import os
import threading

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import hosts, maintenance
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import NotFound, Unavailable
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hosts import Wanted

OWNER = ("opsctl_stack", "cache")
PSK = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("OPSCTL_HOME", str(tmp_path))
    return tmp_path


def wanted(number=1, **fields):
    given = {
        "host": f"cache-{number}",
        "groups": ("opsctl/cache/redis",),
        "address": f"10.0.0.{number}",
        "templates": ("opsctl Redis",),
        "tags": (("opsctl_group", "redis"),),
        "macros": {"{$REDIS.PORT}": "6379"},
    }
    return Wanted(**{**given, **fields})


def host(fake, name="cache-1"):
    (found,) = [row for row in fake.table("host").values() if row["host"] == name]
    return found


def writes(fake):
    return [method for method in fake.methods() if not method.endswith((".get", ".version", ".login"))]


@pytest.fixture
def site(fake):
    fake.add_template("opsctl Redis")
    fake.add_template("opsctl Linux")
    return fake


def test_check_do_check_again_do_again(site, connect):
    zabbix = connect(site)
    nodes = [wanted(one) for one in range(1, 4)]
    planned = hosts.sync(zabbix, nodes, OWNER, check=True)
    assert planned.changed
    assert writes(site) == []
    done = hosts.sync(zabbix, nodes, OWNER)
    assert (done.created, done.diff, done.failed) == (planned.created, planned.diff, {})
    assert writes(site) == ["hostgroup.create", "host.create"]
    assert host(site)["interfaces"][0]["ip"] == "10.0.0.1"
    assert {(one["tag"], one["value"]) for one in host(site)["tags"]} == {OWNER, ("opsctl_group", "redis")}
    before = len(site.calls)
    assert not hosts.sync(zabbix, nodes, OWNER, check=True).changed
    again = hosts.sync(zabbix, nodes, OWNER)
    assert (again.changed, again.unchanged) == (False, ("cache-1", "cache-2", "cache-3"))
    assert writes(site) == ["hostgroup.create", "host.create"]
    assert len(site.calls) - before == 4  # two reads each


@pytest.mark.parametrize(
    ("change", "methods"),
    [
        ({"name": "Cache 1"}, ["host.update"]),
        ({"groups": ("opsctl/cache/sentinel",)}, ["hostgroup.create", "host.update"]),
        ({"templates": ("opsctl Linux",)}, ["host.update"]),
        ({"tags": ()}, ["host.update"]),
        ({"macros": {"{$REDIS.PORT}": "6380"}}, ["host.update"]),
        ({"secrets": {"{$REDIS.PASSWORD}": "s3cret"}}, ["host.update"]),
        ({"psk": PSK, "psk_identity": "cache-1"}, ["host.update"]),
        ({"address": "10.0.0.9"}, ["hostinterface.update"]),
        ({"address": "cache-1.example.com"}, ["hostinterface.update"]),
        ({"port": 10060}, ["hostinterface.update"]),
        ({"enabled": False}, ["host.update"]),
        ({"proxy": "edge"}, ["host.update"]),
    ],
)
def test_only_what_differs_is_written_and_once(site, connect, change, methods):
    site.add("proxy", "proxyid", **{"name" if site.version >= (7, 0) else "host": "edge"})
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted()], OWNER)
    face = host(site)["interfaces"][0]["interfaceid"]
    site.calls.clear()
    done = hosts.sync(zabbix, [wanted(**change)], OWNER)
    assert (done.updated, writes(site)) == (("cache-1",), methods)
    assert "s3cret" not in str(done.diff)
    assert PSK not in str(done.diff)
    assert host(site)["interfaces"][0]["interfaceid"] == face  # items hang on it
    assert not hosts.sync(zabbix, [wanted(**change)], OWNER).changed


def test_a_changed_secret_is_noticed_though_zabbix_never_shows_it(site, connect):
    zabbix = connect(site)
    first = wanted(secrets={"{$REDIS.PASSWORD}": "old"}, psk=PSK, psk_identity="cache-1")
    hosts.sync(zabbix, [first], OWNER)
    second = wanted(secrets={"{$REDIS.PASSWORD}": "new"}, psk=PSK[::-1], psk_identity="cache-1")
    assert hosts.sync(zabbix, [second], OWNER).updated == ("cache-1",)
    assert host(site)["psk"] == PSK[::-1]
    assert next(one["value"] for one in host(site)["macros"] if one["macro"] == "{$REDIS.PASSWORD}") == "new"
    assert not hosts.sync(zabbix, [second], OWNER).changed


def test_macros_of_others_stay_secret_ones_too(site, connect):
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted()], OWNER)
    host(site)["macros"] += [
        {"hostmacroid": "77", "macro": "{$THEIRS}", "value": "a", "type": "0"},
        {"hostmacroid": "78", "macro": "{$THEIR.SECRET}", "value": "b", "type": "1"},
    ]
    hosts.sync(zabbix, [wanted(macros={"{$REDIS.PORT}": "6380"})], OWNER)
    assert {one["macro"]: one["value"] for one in host(site)["macros"]} == {
        "{$REDIS.PORT}": "6380",
        "{$THEIRS}": "a",
        "{$THEIR.SECRET}": "b",
    }


def test_what_others_added_stays_only_without_purge(site, connect):
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted()], OWNER)
    host(site)["groups"].append(site.add_group("Team"))
    host(site)["tags"].append({"tag": "team", "value": "cache"})
    assert not hosts.sync(zabbix, [wanted()], OWNER, purge=False).changed
    moved = hosts.sync(zabbix, [wanted(templates=("opsctl Redis", "opsctl Linux"))], OWNER, purge=False)
    assert moved.diff["after"] == {"cache-1": {"templates": ["opsctl Linux", "opsctl Redis"]}}
    assert len(host(site)["groups"]) == 2
    assert hosts.sync(zabbix, [wanted()], OWNER).updated == ("cache-1",)
    assert len(host(site)["groups"]) == 1


def test_hosts_that_left_the_stack_go_and_those_of_others_stay(site, connect):
    zabbix = connect(site)
    other = ("opsctl_stack", "web")
    hosts.sync(zabbix, [wanted(1), wanted(2)], OWNER)
    hosts.sync(zabbix, [wanted(3)], other)
    assert hosts.sync(zabbix, [wanted(1)], OWNER, prune=False).deleted == ()
    assert hosts.sync(zabbix, [wanted(1)], OWNER).deleted == ("cache-2",)
    assert hosts.sync(zabbix, [], OWNER).deleted == ("cache-1",)
    assert [row["host"] for row in site.table("host").values()] == ["cache-3"]


def test_a_host_in_a_silence_of_ours_can_go(site, connect):
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted(1), wanted(2)], OWNER)
    maintenance.silence(zabbix, ["cache-1"], 2_000_000_000, "run 1")
    maintenance.silence(zabbix, ["cache-1", "cache-2"], 2_000_000_000, "run 2")
    assert hosts.sync(zabbix, [wanted(2)], OWNER).deleted == ("cache-1",)
    assert [row["name"] for row in site.table("maintenance").values()] == ["opsctl: run 2"]


def test_a_host_of_somebody_else_is_not_taken_unless_told_to(site, connect):
    zabbix = connect(site)
    site.add_host("cache-1", site.add_group("Theirs"))
    words = r"cache-1 exists in Zabbix without the tag opsctl_stack=cache; say adopt to take it over"
    with pytest.raises(Invalid, match=words):
        hosts.sync(zabbix, [wanted()], OWNER)
    assert writes(site) == []
    assert hosts.sync(zabbix, [wanted()], OWNER, adopt=True).updated == ("cache-1",)
    assert not hosts.sync(zabbix, [wanted()], OWNER).changed


def test_one_bad_host_of_many_is_named_and_the_others_are_done(old, connect):
    old.add_template("opsctl Redis")
    old.bad = {"cache-42"}
    nodes = [wanted(one) for one in range(1, 131)]
    done = hosts.sync(connect(old), nodes, OWNER)
    assert list(done.failed) == ["cache-42"]
    assert 'Cannot find host interface on "cache-42"' in done.failed["cache-42"]
    assert len(done.created) == len(old.table("host")) == 129
    assert old.methods().count("host.create") < 20
    old.bad = set()
    assert hosts.sync(connect(old), nodes, OWNER).created == ("cache-42",)


def test_a_missing_template_stops_it_before_anything_is_created(site, connect):
    with pytest.raises(NotFound, match="Zabbix has no template No such, or does not show it to us"):
        hosts.sync(connect(site), [wanted(templates=("No such",))], OWNER)
    assert writes(site) == []


def test_an_answer_that_gets_lost_makes_no_second_host(site, connect):
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted(9)], ("opsctl_stack", "warm"))
    site.faults.extend(["", "", "", "", "lost"])  # two reads, template and group, then host.create
    done = hosts.sync(zabbix, [wanted(1)], OWNER)
    assert (done.created, done.failed) == (("cache-1",), {})
    assert site.methods().count("host.create") == 2
    assert host(site)


def test_a_zabbix_that_stays_away_ends_it(site, connect):
    zabbix = connect(site, patience=0.0)
    assert zabbix.version
    site.faults.extend(["502"] * 50)
    with pytest.raises(Unavailable):
        hosts.sync(zabbix, [wanted()], OWNER)


def test_duplicates_of_ours_are_found_and_the_oldest_stays(site, connect):
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted()], OWNER)
    first = host(site)
    second = site.add_host("cache-1", tags=first["tags"])
    done = hosts.sync(zabbix, [wanted()], OWNER)
    assert (done.changed, done.duplicates) == (True, {"cache-1": (second,)})
    assert host(site)["hostid"] == first["hostid"]


def test_what_another_machine_created_meanwhile_leaves_one_host(site, connect):
    zabbix = connect(site)
    tags = [{"tag": OWNER[0], "value": OWNER[1]}]
    site.race = lambda: site.add_host("cache-1", tags=tags)
    done = hosts.sync(zabbix, [wanted()], OWNER)
    assert len(done.duplicates["cache-1"]) == 1
    assert host(site)["hostid"] not in done.duplicates["cache-1"]


def test_who_is_late_to_delete_or_to_make_a_group_has_nothing_to_do(site, connect):
    zabbix = connect(site)
    hosts.sync(zabbix, [wanted(1), wanted(2)], OWNER)
    site.before["host.delete"] = lambda: site.table("host").pop(host(site)["hostid"], None)
    assert hosts.sync(zabbix, [], OWNER).failed == {}
    assert site.table("host") == {}
    site.before["hostgroup.create"] = lambda: site.add_group("opsctl/new")
    assert hosts.sync(zabbix, [wanted(groups=("opsctl/new",))], OWNER).created == ("cache-1",)
    assert [row["name"] for row in site.table("hostgroup").values()].count("opsctl/new") == 1


def test_hosts_that_another_machine_was_faster_to_make_are_no_failure(site, connect):
    zabbix = connect(site)
    tags = [{"tag": OWNER[0], "value": OWNER[1]}]
    site.before["host.create"] = lambda: site.add_host("cache-2", tags=tags)
    done = hosts.sync(zabbix, [wanted(1), wanted(2), wanted(3)], OWNER)
    assert (done.failed, done.created) == ({}, ("cache-1", "cache-2", "cache-3"))
    assert host(site, "cache-2")["templates"]
    assert not hosts.sync(zabbix, [wanted(1), wanted(2), wanted(3)], OWNER).changed


def test_a_visible_name_that_is_taken_is_named_at_once(old, connect):
    old.add_template("opsctl Redis")
    old.taken = {"Cache one"}
    done = hosts.sync(connect(old), [wanted(1, name="Cache one"), wanted(2)], OWNER)
    assert done.failed == {
        "cache-1": 'Zabbix refused host.create: Host with the same visible name "Cache one" already exists.'
    }
    assert done.created == ("cache-2",)


def test_many_callers_at_once_make_one_host(old, connect):
    old.add_template("opsctl Redis")
    zabbix = connect(old, timeout=30.0)
    results = []
    threads = [threading.Thread(target=lambda: results.append(hosts.sync(zabbix, [wanted()], OWNER))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(result.changed for result in results) == [False] * 7 + [True]
    assert old.methods().count("host.create") == 1


def test_a_home_that_cannot_be_written_is_one_line(old, connect, home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("OPSCTL_HOME", str(home / "file"))
    with pytest.raises(Invalid, match=r"^Cannot lock .*: Not a directory; nothing was changed$"):
        hosts.sync(connect(old), [], OWNER)


def test_waiting_for_another_registration_has_an_end(old, connect, home):
    zabbix = connect(old)
    hosts.sync(zabbix, [], OWNER)
    (lock,) = (home / "locks").iterdir()
    handle = os.open(lock, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(
            Timeout, match=r"^Waited 0.3 s for another registration of hosts at .*; nothing was changed$"
        ):
            hosts.sync(zabbix, [wanted()], OWNER, lock_timeout=0.3)
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "a/b"}, "'a/b' is no name of a host"),
        ({"host": " a"}, "' a' is no name of a host"),
        ({"groups": ()}, "needs at least one group"),
        ({"macros": {"PORT": "1"}}, "PORT of the host cache-1 is no macro"),
        ({"psk": PSK}, "needs a key and its identity"),
        ({"psk": "12", "psk_identity": "x"}, "is not 32 to 512 hexadecimal digits"),
    ],
)
def test_a_host_that_cannot_be_says_why(fields, words):
    with pytest.raises(Invalid, match=words):
        wanted(**fields)


def test_one_name_wanted_twice_is_a_mistake():
    with pytest.raises(Invalid, match="Wanted twice under one name: cache-1"):
        hosts.plan([wanted(), wanted()], [], OWNER)


def test_secrets_are_not_in_what_a_host_prints():
    text = repr(wanted(secrets={"{$P}": "s3cret"}, psk=PSK, psk_identity="id"))
    assert "s3cret" not in text
    assert PSK not in text
