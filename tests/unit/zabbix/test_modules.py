"""The modules as Ansible starts them, against a Zabbix of each version."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.unit.zabbix.model import PASSWORD, TOKEN, USER

PSK = "0123456789abcdef" * 4
Play = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("OPSCTL_HOME", str(tmp_path))
    for name in ("URL", "TOKEN", "USER", "PASSWORD"):
        monkeypatch.delenv(f"ZABBIX_{name}", raising=False)


@pytest.fixture
def play(fake, capsys) -> Play:
    def run(which: str, /, check: bool = False, diff: bool = False, **given: Any) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.opsctl.cloud.plugins.modules.{which}")
        known = {"zabbix_url": fake.url, "zabbix_token": TOKEN} if which != "zabbix_sender" else {}
        arguments = {**known, **given, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": 3}
        arguments = {key: value for key, value in arguments.items() if value is not None}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main(module.run, **module.OPTIONS)
        printed = capsys.readouterr()
        assert TOKEN not in printed.out + printed.err
        assert PASSWORD not in printed.out + printed.err
        return dict(json.loads(printed.out))

    return run


@pytest.fixture
def problem(fake):
    group = fake.add_group("Cache")
    host = fake.add_host("cache-1", group)
    item = fake.add_item(0, host)
    trigger = fake.add_trigger("Redis is down", host, items=(item,))
    tags = [{"tag": "opsctl_problem", "value": "redis-process-down"}]
    return fake.add_problem(trigger, 4, tags=tags)


def test_problems_are_told_in_words(fake, play, problem):
    other = fake.add_problem(fake.table("event")[problem]["objectid"], 1)
    result = play("zabbix_problem_info", tags={"opsctl_problem": None}, min_severity="average")
    (told,) = result["problems"]
    assert result["changed"] is False
    assert (told["event_id"], told["severity"], told["hosts"][0]["groups"]) == (problem, "high", ["Cache"])
    assert told["tags"] == [{"tag": "opsctl_problem", "value": "redis-process-down"}]
    assert [one["event_id"] for one in play("zabbix_problem_info", limit=1)["problems"]] == [other]
    assert play("zabbix_problem_info", within=60)["problems"] == []


def test_where_and_who_may_come_from_the_environment(fake, play, problem, monkeypatch):
    monkeypatch.setenv("ZABBIX_URL", fake.url)
    monkeypatch.setenv("ZABBIX_TOKEN", TOKEN)
    assert play("zabbix_problem_info", zabbix_url=None, zabbix_token=None)["problems"]
    monkeypatch.delenv("ZABBIX_TOKEN")
    monkeypatch.setenv("ZABBIX_USER", USER)
    monkeypatch.setenv("ZABBIX_PASSWORD", PASSWORD)
    assert play("zabbix_problem_info", zabbix_url=None, zabbix_token=None)["problems"]
    assert fake.sessions == set()  # it logged out
    monkeypatch.setenv("ZABBIX_TOKEN", "0" * 64)  # what a task says comes first
    assert play("zabbix_problem_info", zabbix_token=None, zabbix_user=USER, zabbix_password=PASSWORD)["problems"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"zabbix_url": None}, "No Zabbix is named: set zabbix_url, or the environment variable ZABBIX_URL"),
        ({"zabbix_token": None}, "Nobody to log in to Zabbix: set zabbix_token"),
        ({"zabbix_user": "x"}, "Give a token, or a user with a password, not both"),
        ({"zabbix_token": None, "zabbix_user": "x"}, "A user needs a password, and a password a user"),
        ({"zabbix_url": "ftp://x"}, "ftp://x is no address of a Zabbix; say http://HOST/PATH"),
        ({"zabbix_token": "0" * 64}, "Zabbix does not let us in (problem.get): Not authorized."),
        ({"hosts": ["nobody"]}, "Zabbix has no host nobody, or does not show it to us"),
    ],
)
def test_what_is_wrong_is_one_line(play, given, words):
    result = play("zabbix_problem_info", **given)
    assert result["failed"]
    assert result["msg"].startswith(words)
    assert "\n" not in result["msg"]


def test_waiting_is_over_when_nothing_is_open(fake, play, problem):
    fake.recover(problem, 1_700_000_060)
    assert play("zabbix_problem_wait", hosts=["cache-1"])["ended"] == {}
    result = play("zabbix_problem_wait", event_ids=[problem])
    assert (result["changed"], result["ended"], result["open"]) == (False, {problem: 1_700_000_060.0}, [])


def test_waiting_fails_with_what_is_open_and_not_in_check_mode(fake, play, problem):
    result = play("zabbix_problem_wait", hosts=["cache-1"], wait_timeout=0.2, every=0.05)
    assert result["msg"] == f"Waited 0.2 s for 1 problem of Zabbix to end: {problem}"
    assert result["open"] == [problem]
    fake.calls.clear()
    assert play("zabbix_problem_wait", check=True, hosts=["cache-1"])["open"] == [problem]
    assert "task.create" not in fake.methods()


@pytest.mark.parametrize("which", ["zabbix_problem_wait", "zabbix_problem_update", "zabbix_check_now"])
def test_all_problems_of_the_world_are_nobodys_wish(play, which):
    assert "one of the following is required" in play(which)["msg"]


@pytest.mark.parametrize("which", ["zabbix_problem_wait", "zabbix_problem_update"])
def test_an_empty_variable_means_nothing_and_not_everything(fake, play, problem, which):
    assert play(which, tags={})["msg"].startswith("The tags are empty, which would mean all problems")
    for given in ({"event_ids": []}, {"hosts": []}, {"groups": [], "tags": {}}):
        assert play(which, **given)["changed"] is False
    assert "event.acknowledge" not in fake.methods()


def test_an_update_is_checked_done_and_not_done_again(fake, play, problem):
    wish = {"tags": {"opsctl_problem": ""}, "comment": "opsctl run 1", "acknowledge": True, "severity": "warning"}
    planned = play("zabbix_problem_update", check=True, diff=True, **wish)
    assert "event.acknowledge" not in fake.methods()
    done = play("zabbix_problem_update", diff=True, **wish)
    assert planned["changed"] is done["changed"] is True
    assert planned["diff"] == done["diff"]
    assert done["diff"]["before"] == {problem: {"acknowledged": False, "severity": "high"}}
    assert done["diff"]["after"][problem] == {
        "acknowledged": True,
        "severity": "warning",
        "message": "opsctl run 1",
    }
    assert play("zabbix_problem_update", check=True, **wish)["changed"] is False
    assert play("zabbix_problem_update", **wish)["changed"] is False
    assert fake.methods().count("event.acknowledge") == 1


def test_a_problem_is_closed_once(fake, play, problem):
    assert play("zabbix_problem_update", event_ids=[problem], close=True)["event_ids"] == [problem]
    again = play("zabbix_problem_update", event_ids=[problem], close=True, severity="warning")
    assert again["changed"] is False


def test_problems_that_need_the_same_share_a_call(fake, play, problem):
    trigger = fake.table("event")[problem]["objectid"]
    others = [fake.add_problem(trigger) for _ in range(5)]
    fake.table("event")[problem]["acknowledged"] = "1"
    assert len(play("zabbix_problem_update", hosts=["cache-1"], acknowledge=True)["event_ids"]) == 5
    (call,) = [params for method, params in fake.calls if method == "event.acknowledge"]
    assert set(call["eventids"]) == set(others)


def test_an_event_that_is_not_there_is_named(play, problem):
    result = play("zabbix_problem_update", event_ids=[problem, "1"], acknowledge=True)
    assert result["msg"] == "Zabbix has no event 1, or does not show it to us"


def test_a_message_that_is_too_long_is_refused_before_anything_is_done(play, problem):
    result = play("zabbix_problem_update", event_ids=[problem], comment="x" * 2049)
    assert result["msg"] == "The message has 2049 characters; Zabbix takes 2048"


def test_a_check_at_once_is_not_made_in_check_mode(fake, play, problem):
    planned = play("zabbix_check_now", check=True, hosts=["cache-1"])
    assert fake.table("task") == {}
    done = play("zabbix_check_now", hosts=["cache-1"])
    assert (done["changed"], done["item_ids"]) == (planned["changed"], planned["item_ids"]) != (False, [])
    assert len(fake.table("task")) == 1
    bare = fake.add_trigger("Values are sent by somebody else", items=())
    assert play("zabbix_check_now", trigger_ids=[bare])["changed"] is False


def node(**fields):
    return {
        "host": "cache-1",
        "groups": ["opsctl/cache/redis"],
        "address": "10.0.0.1",
        "templates": ["opsctl Redis"],
        "tags": {"opsctl_group": "redis", "empty": None},
        "macros": {"{$REDIS.PORT}": 6379},
        "secrets": {"{$REDIS.PASSWORD}": "s3cret-of-redis"},
        "psk_identity": "cache-1",
        "psk": PSK,
        **fields,
    }


def test_hosts_are_checked_made_and_not_made_again(fake, play):
    fake.add_template("opsctl Redis")
    planned = play("zabbix_hosts_sync", check=True, diff=True, stack="cache", hosts=[node()])
    assert fake.table("host") == {}
    done = play("zabbix_hosts_sync", diff=True, stack="cache", hosts=[node()])
    assert done["created"] == planned["created"] == ["cache-1"]
    assert done["diff"] == planned["diff"]
    (host,) = fake.table("host").values()
    assert {"tag": "opsctl_stack", "value": "cache"} in host["tags"]
    assert (host["psk"], host["tls_connect"]) == (PSK, "2")
    for text in (str(planned), str(done)):
        assert "s3cret-of-redis" not in text
        assert PSK not in text
    for check in (True, False):
        again = play("zabbix_hosts_sync", check=check, stack="cache", hosts=[node()])
        assert (again["changed"], again["unchanged"]) == (False, ["cache-1"])
    gone = play("zabbix_hosts_sync", stack="cache", hosts=[])
    assert (gone["deleted"], fake.table("host")) == (["cache-1"], {})


def test_a_refused_host_fails_the_task_after_the_others_are_done(fake, play):
    fake.add_template("opsctl Redis")
    fake.bad = {"cache-2"}
    result = play("zabbix_hosts_sync", stack="cache", hosts=[node(), node(host="cache-2"), node(host="cache-3")])
    assert result["msg"].startswith("Zabbix refused 1 of the hosts, the first one cache-2: Zabbix refused host.create")
    assert result["created"] == ["cache-1", "cache-3"]
    assert list(result["failed_hosts"]) == ["cache-2"]


def test_values_are_sent_and_those_that_nobody_knows_fail(trapper, play):
    good = {"host": "cache-1", "key": "backup.age", "value": "0"}
    bad = {"host": "cache-1", "key": "no.such", "value": "0", "clock": 1_700_000_000.5}
    server = trapper.known("cache-1", "backup.age")
    sent = play("zabbix_sender", server=server, values=[good])
    assert (sent["changed"], sent["processed"], sent["refused"]) == (True, 1, [])
    failed = play("zabbix_sender", server=server, values=[good, bad])
    assert failed["msg"] == f"The Zabbix server {server} refused 1 of 2 values: it knows no no.such of cache-1"
    told = play("zabbix_sender", server=server, values=[bad], accept_refused=True)
    assert (told["changed"], told["refused"]) == (False, [{"host": "cache-1", "key": "no.such"}])
    assert trapper.values[-1] == {
        "host": "cache-1",
        "key": "no.such",
        "value": "0",
        "clock": 1_700_000_000,
        "ns": 500_000_000,
    }
    before = len(trapper.values)
    assert play("zabbix_sender", check=True, server=server, values=[good])["changed"] is True
    assert len(trapper.values) == before


def test_a_server_that_is_not_there_is_one_line(play):
    value = {"host": "a", "key": "b", "value": "c"}
    result = play("zabbix_sender", server="127.0.0.1:1", values=[value], timeout=2)
    assert result["msg"].startswith("The Zabbix server 127.0.0.1:1 takes no values: ")
    assert play("zabbix_sender", server="a:b:c:d", values=[])["processed"] == 0
    assert play("zabbix_sender", server="host:port", values=[])["msg"].startswith("'host:port' is no address")
