"""Tasks are held against limits as they are about to run, on the host they act on."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.policy.ceiling import limits
from opsctl.policy.decide import decided
from opsctl.policy.finding import LEVELS, rank
from opsctl.policy.identity import Identity
from opsctl.policy.limit import Limit, Limits, Place, Task
from opsctl.policy.match import Case
from opsctl.policy.read import read
from opsctl.runs.request import Requester, RunRequest, Targets

OWNER = 0
BOB, ANN = Identity("bob", 1234), Identity("ann", OWNER)
AT = datetime(2026, 11, 23, 10, 0)
WEB, DB = Place("web-1", frozenset({"all", "web"})), Place("db-1", frozenset({"all", "db"}))
HERE = Place("localhost", frozenset({"all"}), local=True)
BY_LEVEL = {"low": "uptime", "medium": "systemctl restart x", "high": "reboot", "critical": "rm -rf /"}


def shell(text: str, place: Place = WEB) -> Task:
    return Task("ansible.builtin.shell", {"_raw_params": text}, place)


def case(kind: Any = "playbook", who: Identity = BOB, **values: Any) -> Case:
    given: dict[str, Any] = {"content": "site.yml", "action": "", "playbook": "/x/site.yml", **values}
    asked = RunRequest(
        id="1", kind=kind, cloud="prod", created="", requester=Requester(who.name, who.uid or 0), **given
    )
    return Case(asked, who, AT, {"web-1": frozenset({"all", "web"})})


def found(text: str, of: Case | None = None, **options: Any) -> Limits | None:
    return limits(of or case(), OWNER, read(text), **options)


def refusal(text: str, task: Task, of: Case | None = None, **options: Any) -> str:
    made = found(text, of, **options)
    return "" if made is None else Limits.of(json.loads(json.dumps(made.plain()))).refusal(task)


def grants(*lines: str) -> str:
    return "grants:\n" + "".join(
        f"  - {{name: g{number}, who: everybody, {line}}}\n" for number, line in enumerate(lines)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        grants("effect: allow"),
        grants("effect: allow, what: {risk: low}", "effect: allow"),
        grants("effect: allow, where: {cloud: prod}", "effect: deny, what: {risk: high}, where: {cloud: test}"),
        grants("effect: allow", "effect: deny, what: {scenario: x}"),
        grants("effect: allow", "effect: approve, what: {command: '*', risk: high}"),
    ],
)
def test_where_nothing_is_limited_no_task_is_judged(text: str) -> None:
    assert found(text, case(who=ANN)) is None
    assert not text or found(text) is None


def test_an_allow_is_a_ceiling() -> None:
    text = grants("effect: allow, what: {playbook: '*', risk: medium}")
    assert decided(case(), OWNER, read(text)).verdict == "allow"
    assert refusal(text, shell("systemctl restart x")) == ""
    assert refusal(text, shell("reboot")) == "g0: high risk: takes the host out of service (reboot)"
    assert refusal(text, shell("reboot"), case(who=ANN)) == ""


def test_the_highest_of_several_ceilings_holds() -> None:
    text = grants("effect: allow, what: {risk: low}", "effect: allow, what: {risk: high}, where: {group: web}")
    assert refusal(text, shell("reboot")) == ""
    assert refusal(text, shell("systemctl restart x", DB)).startswith("g0: medium risk")


def test_a_deny_takes_tasks_of_its_level_from_everybody() -> None:
    text = grants("effect: allow", "effect: deny, what: {risk: high}, where: {group: web}")
    for who in (BOB, ANN):
        assert decided(case(who=who), OWNER, read(text)).verdict == "allow"
        assert refusal(text, shell("reboot"), case(who=who)).startswith("g1: high risk")
        assert refusal(text, shell("systemctl restart x"), case(who=who)) == ""
        assert refusal(text, shell("reboot", DB), case(who=who)) == ""


def test_what_nobody_may_run_no_playbook_may() -> None:
    text = grants("effect: deny, what: {command: 'reboot', module: 'ansible.builtin.r*'}")
    who = case(who=ANN)
    assert refusal(text, shell("true; sudo /sbin/reboot"), who).startswith("g0: high risk")
    assert refusal(text, shell("$COMMAND"), who).startswith("g0: ")
    assert refusal(text, shell("for i in a b; do echo $i; done"), who) == ""
    assert refusal(text, Task("ansible.legacy.raw", {}, WEB), who) == "g0: tasks such as raw"
    assert refusal(text, Task("ansible.builtin.reboot", {}, WEB), who).startswith("g0: high risk")
    assert refusal(text, Task("ansible.builtin.debug", {"msg": "reboot"}, WEB), who) == ""


def test_a_host_without_a_grant_is_not_reached_by_way_of_another() -> None:
    text = grants("effect: allow, where: {group: web}")
    assert refusal(text, shell("uptime")) == ""
    assert refusal(text, shell("uptime", DB)) == "default: bob has no grant for this on db-1"
    assert refusal(text, shell("uptime", Place("new-1", None))) == "default: bob has no grant for this on new-1"
    assert refusal(text, shell("reboot", HERE)) == ""
    denied = grants("effect: allow", "effect: deny, where: {host: 'db-*'}")
    assert refusal(denied, shell("uptime", DB)) == "g1: tasks such as shell"
    assert refusal(denied, shell("uptime")) == ""


def test_this_machine_has_the_strictest_ceiling() -> None:
    text = grants("effect: allow, what: {risk: high}, where: {group: web}", "effect: allow, what: {risk: low}")
    assert refusal(text, shell("systemctl restart x", HERE)).startswith("g1: medium")
    assert refusal(text, shell("systemctl restart x")) == ""


def test_stacks_are_the_run_s_or_the_host_s() -> None:
    text = grants("effect: allow, what: {risk: low}, where: {stack: test-*}", "effect: deny, where: {stack: live}")
    run = case("scenario", content="redis", targets=Targets(stack="test-1"))
    assert refusal(text, shell("uptime"), run) == ""
    assert refusal(text, shell("reboot"), run).startswith("g0: high")
    assert refusal(text, shell("uptime", Place("x", frozenset(), "live"))) == "g1: tasks such as shell"
    assert refusal(text, shell("uptime", Place("x", frozenset(), "test-2"))) == ""


def test_an_approval_lifts_the_limits_of_those_that_asked() -> None:
    text = grants("effect: approve, what: {playbook: '*', risk: high}", "effect: deny, what: {risk: critical}")
    assert refusal(text, shell("reboot"), case(who=ANN)).startswith("g0: not without an approval: high risk")
    assert refusal(text, shell("reboot"), case(who=ANN), approved=True) == ""
    assert refusal(text, shell("rm -rf /"), case(who=ANN), approved=True).startswith("g1: critical")
    free = grants("effect: approve, what: {playbook: '*', risk: high}, checks: free")
    assert refusal(free, shell("reboot"), case(who=ANN, check=True)) == ""
    assert refusal(free, shell("reboot"), case(who=ANN)).startswith("g0: not without")


def test_an_approval_is_wanted_unless_the_playbook_shows_that_it_is_not(tmp_path: Any) -> None:
    text = read(grants("effect: approve, what: {playbook: '*', risk: high}"))
    book = tmp_path / "site.yml"

    def verdict(tasks: str) -> str:
        book.write_text(f"- {{hosts: all, tasks: {tasks}}}\n")
        return decided(case(playbook=str(book), who=ANN), OWNER, text).verdict

    assert (
        verdict("[{command: uptime}, {debug: {msg: '{{ x }}'}}, {block: [{service: {name: x, state: started}}]}]")
        == "allow"
    )
    assert verdict("[{command: reboot}]") == "approve"
    assert verdict("[{block: [{debug: {}}], rescue: [{shell: 'rm -rf /'}]}]") == "approve"
    assert verdict("[{shell: 'echo {{ x }}'}]") == "approve"
    assert verdict("[{include_tasks: x.yml}]") == "approve"
    assert verdict("[{action: command uptime}]") == "approve"
    assert verdict("[{service: name=x state=started}]") == "approve"
    assert verdict("[{command: uptime}], roles: [x]") == "approve"
    assert verdict("{") == "approve"
    assert verdict("[{command: uptime, args: {stdin: '{{ x }}'}}]") == "approve"


@pytest.mark.parametrize(
    ("script", "refused"),
    [("#!/bin/sh\nuptime\n", False), ("reboot", True), ("#!/usr/bin/python3\n1", True), (None, True)],
)
def test_a_script_that_a_task_sends_is_judged(script: str | None, refused: bool) -> None:
    text = grants("effect: allow, what: {risk: low}")
    task = Task("ansible.builtin.script", {"_raw_params": "x.sh"}, WEB, script)
    assert bool(refusal(text, task)) is refused


def test_hidden_ways_to_a_shell_are_judged() -> None:
    text = grants("effect: allow, what: {risk: low}")
    for arguments in (
        {"_raw_params": "true; reboot", "_uses_shell": True},
        {"_raw_params": "sh", "stdin": "reboot"},
        {"argv": ["sh", "-c", "reboot"]},
    ):
        assert refusal(text, Task("ansible.builtin.command", arguments, WEB)), arguments
    assert refusal(text, Task("ansible.builtin.expect", {"command": "sh -c reboot"}, WEB))


LIMITS = st.builds(
    Limit,
    st.sampled_from("abc"),
    st.sampled_from(["allow", "deny", "approve"]),
    st.none() | st.sampled_from(LEVELS),
    st.just(()) | st.just(["ansible.builtin.*"]),
    st.just(()) | st.just(["reboot"]),
    st.just(()) | st.just(["web-*"]),
    st.just(()) | st.just(["db"]),
    st.just(()) | st.just(["x"]),
)


@given(st.lists(LIMITS, max_size=5), st.booleans(), st.sampled_from([WEB, DB, HERE]))
def test_what_is_worse_is_never_let_through_where_less_is_refused(
    limits: list[Limit], owner: bool, place: Place
) -> None:
    made = Limits.of(
        json.loads(json.dumps(Limits("bob", owner, [limit for limit in limits if not limit.commands]).plain()))
    )
    refused = [bool(made.refusal(shell(BY_LEVEL[level], place))) for level in LEVELS]
    assert refused == sorted(refused)


@given(st.lists(LIMITS, max_size=5), LIMITS, st.sampled_from(LEVELS), st.sampled_from([WEB, DB, HERE]))
def test_one_more_deny_never_lets_more_through(limits: list[Limit], more: Limit, level: str, place: Place) -> None:
    task = shell(BY_LEVEL[level], place)
    before = Limits("bob", True, limits).refusal(task)
    after = Limits("bob", True, [*limits, more]).refusal(task)
    assert bool(after) >= bool(before)
    assert rank(task.findings[0].level if task.findings else "low") == rank(level)  # type: ignore[arg-type]


@pytest.mark.parametrize("plain", [{}, {"limits": []}, {"limits": [{"rule": "x", "effect": "nonsense"}]}])
def test_limits_that_cannot_be_read_are_no_limits(plain: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Limits.of({"user": "", "owner": True, "stack": "", "stacks": {}, **plain} if plain.get("limits") else plain)
