from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import problems as z
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import NotFound, Refused


@pytest.fixture
def site(fake):
    """Two groups, two hosts, three problems: (fake, ids of the events)."""
    redis, web = fake.add_group("Cache/Redis"), fake.add_group("Web")
    one, two = (
        fake.add_host("cache-1", redis, address="10.0.0.1"),
        fake.add_host("web-1", web, redis, address="10.0.0.2"),
    )
    process = fake.add_item(0, one)
    stale = fake.add_item(18, one, master=process)
    trapper = fake.add_item(2, one)
    down = fake.add_trigger("Redis is down", one, items=(process, stale, trapper))
    load = fake.add_trigger("Load is high", two, close=False)
    both = fake.add_trigger("Both are slow", one, two)
    tags = [{"tag": "opsctl_problem", "value": "redis-process-down"}]
    fake.items = {"process": process}
    return fake, [
        fake.add_problem(down, 4, tags=tags, opdata="0 processes"),
        fake.add_problem(load, 2, suppressed="1"),
        fake.add_problem(both, 3, clock=1_700_000_100),
    ]


def test_a_problem_says_all_that_a_rule_may_ask(site, connect):
    fake, events = site
    found = z.problems(connect(fake), event_ids=[events[0]])
    host = z.HostRef(next(iter(fake.table("host"))), "cache-1", "cache-1", ("Cache/Redis",), "10.0.0.1")
    assert found == [
        z.Problem(
            event_id=events[0],
            trigger_id=found[0].trigger_id,
            name="Redis is down",
            severity=4,
            started=1_700_000_000.5,
            resolved=None,
            acknowledged=False,
            suppressed=False,
            tags=(("opsctl_problem", "redis-process-down"),),
            opdata="0 processes",
            hosts=(host,),
        )
    ]


def test_many_problems_need_as_many_calls_as_one(site, connect):
    fake, _events = site
    zabbix = connect(fake)
    assert [len(one.hosts) for one in z.problems(zabbix)] == [2, 1, 1]
    assert fake.methods() == ["apiinfo.version", "problem.get", "trigger.get", "host.get"]


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({}, [2, 1, 0]),
        ({"hosts": ["web-1"]}, [2, 1]),
        ({"groups": ["Web"]}, [2, 1]),
        ({"hosts": []}, []),
        ({"event_ids": []}, []),
        ({"tags": [("opsctl_problem", "")]}, [0]),
        ({"tags": [("opsctl_problem", "redis-process-down")]}, [0]),
        ({"tags": [("opsctl_problem", "redis")]}, []),
        ({"min_severity": 3}, [2, 0]),
        ({"since": 1_700_000_050.0}, [2]),
        ({"suppressed": False}, [2, 0]),
        ({"suppressed": True}, [1]),
        ({"limit": 1}, [2]),
    ],
)
def test_conditions_choose(site, connect, conditions, names):
    fake, events = site
    assert [one.event_id for one in z.problems(connect(fake), **conditions)] == [events[one] for one in names]


def test_only_what_is_new_is_asked_for_by_id(site, connect):
    fake, events = site
    assert [one.event_id for one in z.problems(connect(fake), after=events[1])] == [events[2]]


def test_an_unknown_host_is_no_empty_answer(site, connect):
    fake, _events = site
    with pytest.raises(NotFound, match="Zabbix has no host web-9, or does not show it to us"):
        z.problems(connect(fake), hosts=["web-1", "web-9"])


def test_what_ended_says_when_and_what_is_deleted_says_zero(site, connect):
    fake, events = site
    fake.recover(events[0], 1_700_000_060)
    assert z.gone(connect(fake), [*events, "99"]) == {events[0]: 1_700_000_060.0, "99": 0.0}
    assert z.gone(connect(fake), []) == {}


def test_an_update_does_all_it_is_asked_for_in_one_call(site, connect):
    fake, events = site
    z.update(connect(fake), [events[0], events[0]], message="opsctl run 1", acknowledge=True, close=True, severity=5)
    call = {"eventids": [events[0]], "action": 15, "message": "opsctl run 1", "severity": 5}
    assert fake.calls[-1] == ("event.acknowledge", call)
    assert fake.table("event")[events[0]]["r_eventid"] != "0"


def test_nothing_to_change_asks_nobody(old, connect):
    z.update(connect(old), ["1"])
    z.update(connect(old), [], message="x")
    assert old.calls == []


def test_a_long_message_is_cut_where_zabbix_would_refuse_it(site, connect):
    fake, events = site
    z.update(connect(fake), events[:1], message="x" * 3000)
    assert len(fake.calls[-1][1]["message"]) == z.MESSAGE


def test_a_trigger_that_cannot_be_closed_says_so(site, connect):
    fake, events = site
    with pytest.raises(Refused, match=r"^Zabbix refused event.acknowledge: Cannot close problem: trigger does not"):
        z.update(connect(fake), events[:2], close=True)
    assert fake.table("event")[events[0]]["r_eventid"] == "0"


def test_a_check_at_once_takes_the_master_of_a_dependent_item_and_leaves_trappers_out(site, connect):
    fake, events = site
    trigger = fake.table("event")[events[0]]["objectid"]
    assert z.check_now(connect(fake), [trigger]) == [fake.items["process"]]
    assert [task["item"] for task in fake.table("task").values()] == [fake.items["process"]]


def test_waiting_ends_when_the_problem_does(site, connect):
    fake, events = site
    fake.recover(events[1], 1_700_000_070)
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            fake.recover(events[0], 1_700_000_080)

    ended = z.wait(connect(fake), events[:2], timeout=60, every=0.3, sleep=sleep)
    assert ended == {events[0]: 1_700_000_080.0, events[1]: 1_700_000_070.0}
    assert looks == [0.3, 0.3]
    assert fake.methods().count("task.create") == 1


def test_waiting_has_an_end_and_names_what_is_left(site, connect):
    fake, events = site
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(
        Timeout, match=f"Waited 12 s for 2 problems of Zabbix to end: {events[0]}, {events[1]}"
    ) as error:
        z.wait(connect(fake), events[:2], timeout=12, every=1, clock=lambda: now[0], sleep=sleep)
    assert error.value.details == {"open": events[:2]}
    assert fake.methods().count("task.create") == 3  # at 0, 5 and 10 s


def test_waiting_outlasts_a_zabbix_that_is_away_and_one_that_allows_no_checks(site, connect):
    fake, events = site
    fake.denied.add("task.create")
    zabbix = connect(fake, patience=0.0)
    assert zabbix.version
    fake.faults.extend(["502", "reset", "html"])
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 5:
            fake.recover(events[0])

    assert list(z.wait(zabbix, events[:1], timeout=60, sleep=sleep)) == events[:1]
    assert fake.methods().count("task.create") == 1
