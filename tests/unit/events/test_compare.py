"""Comparing hosts: who did the same is one group, who did not is a difference from most."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsctl.events.compare import compare


def ended(host: str, event: str = "host_ok", task: str = "Check", uuid: str = "1", **result: Any) -> dict[str, Any]:
    data = {"res": result, "task_uuid": uuid}
    return {"event": event, "host": host, "play": "Play", "task": task, "action": "command", "data": data}


def spoken(host: str, text: str) -> dict[str, Any]:
    return {"event": "host_output", "host": host, "stdout": text, "data": {"res": {"stream": "stdout"}}}


def test_most_are_one_group_and_the_others_a_difference() -> None:
    records = [ended(f"web{n}", stdout="one\ntwo\nthree", rc=0, delta=str(n)) for n in range(497)]
    records += [ended(f"db{n}", stdout="one\n2\nthree", rc=0) for n in range(2)]
    records += [ended("cache", "host_failed", stdout="one\ntwo\nthree", rc=5)]
    (task,) = compare(records)
    assert [(len(group.hosts), group.state, group.diff) for group in task.groups] == [
        (497, "ok", []),
        (2, "ok", ["--- most", "+++ these", "@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"]),
        (1, "failed", ["--- most", "+++ these", "@@ -3 +3,2 @@", " three", "+rc=5"]),
    ]
    assert task.groups[0].hosts[:3] == ["web0", "web1", "web2"]


def test_the_shape_of_its_json() -> None:
    (task,) = compare([ended("a", msg="x", changed=True)])
    assert task.plain() == {
        "play": "Play",
        "task": "Check",
        "same": True,
        "groups": [{"count": 1, "hosts": ["a"], "state": "changed", "text": "x", "diff": []}],
    }


def test_what_came_in_pieces_is_compared_whole() -> None:
    large = "x" * 70_000
    records = [spoken("a", large), spoken("b", large), spoken("a", "1"), spoken("b", "2"), spoken("c", large + "1")]
    records += [ended(host, rc=0, output={"stdout": 70_001}) for host in "abc"]
    assert [group.hosts for group in compare(records)[0].groups] == [["a", "c"], ["b"]]


def test_times_and_arguments_make_no_difference_but_what_a_module_found_does() -> None:
    same = [ended(host, checksum="1", start=host, _ansible_no_log=False, invocation={"x": host}) for host in "ab"]
    assert compare(same)[0].same
    assert not compare([*same, ended("c", checksum="2")])[0].same


def test_facts_are_not_compared_and_tasks_of_one_name_are_two() -> None:
    facts = [ended(host, ansible_facts={"host": host}) | {"action": "ansible.builtin.setup"} for host in "ab"]
    assert compare(facts)[0].same
    twice = [ended("a", uuid="1", msg="x"), ended("b", uuid="2", msg="y")]
    assert [task.same for task in compare(twice)] == [True, True]


@given(said=st.dictionaries(st.text(min_size=1, max_size=3), st.sampled_from(["p", "q", "r"]), min_size=1))
def test_groups_have_every_host_once_and_nothing_different_in_one(said: dict[str, str]) -> None:
    (task,) = compare([ended(host, msg=text) for host, text in said.items()])
    found = {host: group.text for group in task.groups for host in group.hosts}
    assert found == said
    assert sum(len(group.hosts) for group in task.groups) == len(said)
    sizes = [len(group.hosts) for group in task.groups]
    assert sizes == sorted(sizes, reverse=True)
