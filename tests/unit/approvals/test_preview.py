"""What a check said, as records of a journal, and as something that can be compared."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.approvals.changes import changed
from opsctl.approvals.preview import base, changes, differs, kept, sealed
from opsctl.clock import now
from opsctl.runs.request import Requester, RunRequest, Targets


def diff(host: str, task: str, text: str) -> dict[str, Any]:
    return {"event": "diff", "host": host, "task": task, "stdout": f"--- before\r\n+++ after: /tmp/x1\r\n{text}"}


def done(host: str, task: str, *, kind: str = "host_ok", changed: bool = True) -> dict[str, Any]:
    return {"event": kind, "host": host, "task": task, "data": {"res": {"changed": changed}}}


RECORDS = [
    diff("b", "Write", "@@ -1 +1 @@\r\n-old\r\n+new\r\n"),
    done("b", "Write"),
    done("a", "Restart"),
    done("a", "Look", changed=False),
    {"event": "host_ok", "host": "a", "task": "Secret", "stdout": "changed: [a]", "data": {"res": {"censored": "x"}}},
    {"event": "diff", "host": "a", "task": "Secret"},
    done("a", "Loop", kind="item_ok"),
    done("a", "Loop", kind="item_ok"),
]


def test_changes_are_told_with_and_without_a_difference() -> None:
    assert [(change["host"], change["task"], change["diff"]) for change in changes(RECORDS)] == [
        ("a", "Loop", ""),
        ("a", "Restart", ""),
        ("a", "Secret", ""),
        ("b", "Write", "--- before\n+++ after: /tmp/x1\n@@ -1 +1 @@\n-old\n+new"),
    ]


def test_names_of_temporary_files_do_not_count() -> None:
    other = [diff("b", "Write", "@@ -1 +1 @@\n-old\n+new") | {"stdout": "--- x\n+++ y\n@@ -1 +1 @@\n-old\n+new"}]
    assert sealed(changes(other)) == sealed(changes(RECORDS[:1]))
    assert sealed(changes([diff("b", "Write", "@@ -1 +1 @@\n-old\n+newer")])) != sealed(changes(RECORDS[:1]))


def test_much_is_cut_but_all_of_it_counts() -> None:
    many = [diff("a", f"Task {number}", "+" + "x" * 20_000) for number in range(30)]
    one = kept("r", "succeeded", changes(many))
    assert (one["count"], one["left_out"] > 0, len(str(one)) < 250_000) == (30, True, True)
    other = kept("r", "succeeded", changes([*many[:-1], diff("a", "Task 29", "+y")]))
    assert differs(one, other).startswith("--check --diff says something else now (30 changes then, 30 now")
    assert differs(one, one) == ""


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.text(max_size=5)), max_size=6), st.randoms())
def test_the_order_of_hosts_does_not_matter(found: list[tuple[str, str, str]], order: random.Random) -> None:
    records = [diff(*each) for each in found]
    shuffled = list(records)
    order.shuffle(shuffled)
    assert sealed(changes(records)) == sealed(changes(shuffled))


def request(**values: Any) -> RunRequest:
    given: dict[str, Any] = {"targets": Targets("s", "", ("h",), "d"), "parameters": {"a": 1}, **values}
    return RunRequest(
        id="1",
        kind="scenario",
        content="c",
        action="deploy",
        playbook="",
        cloud="here",
        requester=Requester("x", 1),
        created=now(),
        **given,
    )


def test_a_check_is_of_the_plan_of_the_run_and_of_no_other() -> None:
    plan = request()
    assert base(request(check=True, diff=True).plain()) == base(plan.plain())
    for other in ({"digest": "x"}, {"parameters": {"a": 2}}, {"targets": Targets("t")}, {"timeout": 1}):
        assert base(request(**other).plain()) != base(plan.plain())


parts = st.fixed_dictionaries(
    {
        "digest": st.sampled_from(["", "x"]),
        "parameters": st.dictionaries(st.sampled_from("ab"), st.integers(0, 1)),
        "targets": st.builds(
            Targets,
            st.sampled_from(["s", "t"]),
            st.sampled_from(["", "l"]),
            st.lists(st.sampled_from("hij"), unique=True).map(tuple),
            st.sampled_from(["d", "e"]),
            st.dictionaries(st.just("g"), st.sampled_from(["0", "1"])),
        ),
        "check": st.booleans(),
        "timeout": st.integers(1, 2),
    }
)


@given(parts, parts)
def test_whatever_changes_the_plan_hash_is_named(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = request(**one), request(**other)
    named = changed(before.plain(), after.plain())
    if before.plan_hash != after.plan_hash and sorted(one["targets"].hosts) == sorted(other["targets"].hosts):
        # The same hosts in another order are another plan without a name.
        assert named or one["targets"].hosts != other["targets"].hosts
    if before.plan_hash == after.plan_hash:
        assert named == []


@pytest.mark.parametrize("count", [1, 5])
def test_many_hosts_are_counted(count: int) -> None:
    more = Targets("", "", tuple(f"h{number}" for number in range(count)), "d")
    (text,) = changed(request(targets=Targets("", "", (), "d")).plain(), request(targets=more).plain())
    assert text == ("hosts that came in since: h0" if count == 1 else "hosts that came in since: h0, h1, h2 and 2 more")
