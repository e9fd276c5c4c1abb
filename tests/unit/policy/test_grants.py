"""Grants: deny wins, then approve, then allow; nobody but the owner may do anything else."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import ConfigError
from opsctl.policy.decide import Decision, decide, decided
from opsctl.policy.grants import Policy
from opsctl.policy.identity import Identity, of_name, of_uid
from opsctl.policy.load import load
from opsctl.policy.match import Case
from opsctl.policy.read import read
from opsctl.runs.request import Requester, RunRequest, Targets
from opsctl.targets import Found

OWNER, BOB = 0, Identity("bob", 1234, frozenset({"ops"}))
MONDAY = datetime(2026, 11, 23, 10, 0)
HOSTS: dict[str, frozenset[str] | None] = {"web-1": frozenset({"web"}), "db-1": frozenset({"db"})}


def request(content: str = "uptime", kind: Any = "command", **values: Any) -> RunRequest:
    given: dict[str, Any] = {"action": "", "playbook": "", "cloud": "local", "created": "", **values}
    return RunRequest(id="1", kind=kind, content=content, requester=Requester(BOB.name, 1234), **given)


def ask(
    text: str, asked: RunRequest | None = None, *, who: Identity = BOB, hosts: Any = None, at: datetime = MONDAY
) -> Decision:
    return decided(Case(asked or request(), who, at, hosts or {}), OWNER, read(text))


def grant(effect: str = "allow", name: str = "g", **parts: str) -> str:
    lines = [f"  - name: {name}", f"    effect: {effect}", f"    who: {parts.pop('who', 'bob')}"]
    return "\n".join([*lines, *(f"    {key}: {value}" for key, value in parts.items())]) + "\n"


def policy(*grants: str, head: str = "") -> str:
    return f"{head}grants:\n{''.join(grants)}"


def test_without_a_file_the_owner_may_and_nobody_else() -> None:
    assert ask("").plain() == {
        "verdict": "deny",
        "rule": "default",
        "text": "bob has no grant for this; ask the owner (uid 0)",
    }
    assert ask("", who=of_uid(OWNER)).rule == "owner"


def test_deny_wins_then_approve_then_allow() -> None:
    allow, approve, deny = grant(name="a"), grant("approve", "b"), grant("deny", "c")
    assert ask(policy(allow)).verdict == "allow"
    assert ask(policy(allow, approve)).rule == "b"
    assert ask(policy(allow, approve, deny)).rule == "c"


def test_a_deny_holds_for_the_owner() -> None:
    assert ask(policy(grant("deny", who="everybody")), who=of_uid(OWNER)).verdict == "deny"


@pytest.mark.parametrize(
    ("who", "verdict"), [("bob", "allow"), ("os:ops", "allow"), ("group:dev", "allow"), ("eve", "deny")]
)
def test_who(who: str, verdict: str) -> None:
    assert ask(policy(grant(who=f'"{who}"'), head="groups: {dev: [alice, bob]}\n")).verdict == verdict


def test_a_role_is_what_its_holders_may_do() -> None:
    text = policy(grant(what="[reader]"), head="roles: {reader: {command: [uptime, 'df *']}}\n")
    assert ask(text).verdict == "allow"
    assert ask(text, request("df -h")).verdict == "allow"
    assert ask(text, request("reboot")).verdict == "deny"


@pytest.mark.parametrize(
    "text",
    [
        "systemctl status x; reboot",
        "systemctl status $(reboot)",
        "systemctl status `reboot`",
        "systemctl status x && reboot",
        "systemctl status x | sh",
        "systemctl status x > /etc/passwd",
        "systemctl status $X",
        "LD_PRELOAD=x systemctl status x",
        "PATH=/tmp; systemctl status x",
        "systemctl status x\nreboot",
        "systemctl status <(reboot)",
        "f() { systemctl status x; }",
        "systemctl status 'x",
        "systemctl status x &&",
        "(systemctl status x)",
        "systemctl status x\0",
        "",
    ],
)
def test_an_allowed_pattern_lets_nothing_else_through(text: str) -> None:
    assert ask(policy(grant(what="{command: 'systemctl status *'}")), request(text)).verdict == "deny"


@pytest.mark.parametrize(
    "text", ["systemctl status x", "systemctl status x 2>&1", "systemctl 'status' x | systemctl status y"]
)
def test_an_allowed_pattern_fits(text: str) -> None:
    assert ask(policy(grant(what="{command: 'systemctl status *'}")), request(text)).verdict == "allow"


@pytest.mark.parametrize(
    "text", ["reboot", "/sbin/reboot", "true; sudo reboot", "sh -c 'sudo reboot'", "echo $(reboot)", "x 'y"]
)
def test_a_denied_pattern_is_found_wherever_it_runs(text: str) -> None:
    assert ask(policy(grant(), grant("deny", "never", what="{command: reboot}")), request(text)).rule == "never"


def test_a_denied_word_as_argument_is_no_command() -> None:
    assert (
        ask(policy(grant(), grant("deny", "never", what="{command: reboot}")), request("grep reboot x")).verdict
        == "allow"
    )


def test_risk_bounds_an_allow_and_starts_an_approval() -> None:
    text = policy(
        grant(what="{command: '*', risk: medium}"), grant("approve", "ask", what="{command: '*', risk: medium}")
    )
    assert ask(text, request("uptime")).verdict == "allow"
    assert ask(text, request("systemctl restart x")).rule == "ask"
    assert ask(policy(grant(what="{command: '*', risk: medium}")), request("reboot")).verdict == "deny"


def test_every_host_must_be_allowed() -> None:
    text = policy(grant(where="{host: 'web-*'}"))
    assert ask(text, hosts={"web-1": None}).verdict == "allow"
    assert ask(text, hosts=HOSTS).text == "bob has no grant for this on db-1; ask the owner (uid 0)"
    assert ask(text).verdict == "deny"


def test_one_denied_host_denies_all_and_so_does_one_that_is_not_known() -> None:
    text = policy(grant(), grant("deny", "never", where="{group: db}"))
    assert ask(text, hosts=HOSTS).rule == "never"
    assert ask(text, hosts={"web-1": HOSTS["web-1"]}).verdict == "allow"
    assert ask(text, hosts={"web-1": None}).rule == "never"


def test_an_approval_for_some_hosts_grants_nothing_on_unknown_ones() -> None:
    text = grant("approve", "ask", where="{host: 'web-*'}")
    assert ask(policy(text)).rule == "default"
    assert ask(policy(text, grant())).rule == "ask"
    assert ask(policy(text, grant()), hosts={"db-1": None}).verdict == "allow"


def test_scenarios_actions_stacks_and_clouds() -> None:
    text = policy(grant(what="{scenario: 'redis-*', action: inspect}", where="{cloud: local, stack: 'test-*'}"))

    def may(action: str = "inspect", cloud: str = "local", stack: str = "test-1") -> str:
        asked = request("redis-cluster", "scenario", action=action, cloud=cloud, targets=Targets(stack=stack))
        return ask(text, asked).verdict

    assert may() == "allow"
    assert {may("destroy"), may(cloud="prod"), may(stack="live"), may(stack="")} == {"deny"}


@pytest.mark.parametrize(
    ("when", "hour", "day", "verdict"),
    [
        ("{days: [mon]}", 10, 23, "allow"),
        ("{days: [tue]}", 10, 23, "deny"),
        ("{hours: '09:00-10:00'}", 9, 23, "allow"),
        ("{hours: '09:00-10:00'}", 10, 23, "deny"),
        ("{hours: '22:00-06:00', days: mon}", 23, 23, "allow"),
        ("{hours: '22:00-06:00', days: mon}", 5, 24, "allow"),
        ("{hours: '22:00-06:00', days: mon}", 5, 23, "deny"),
    ],
)
def test_when(when: str, hour: int, day: int, verdict: str) -> None:
    at = datetime(2026, 11, day, hour, 0)
    assert ask(policy(grant(when=when)), at=at).verdict == verdict


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grnats: []", "policy.yml, line 1: grnats: unknown key (did you mean grants?)"),
        (policy(grant("alow")), "policy.yml, line 3: grants.0.effect: input should be 'allow', 'deny' or 'approve'"),
        (policy(grant(where="{hst: x}")), "policy.yml, line 5: grants.0.where.hst: unknown key (did you mean host?)"),
        (policy(grant(what="[raeder]"), head="roles: {reader: {}}\n"), "unknown role raeder (did you mean reader?)"),
        (policy(grant(who='"group:x"')), "policy.yml, line 4: grants.0.who: unknown group x"),
        (policy(grant(who="[]")), "grants.0.who: names nobody"),
        (policy(grant(), grant()), "policy.yml, line 5: grants.1.name: the name g is taken"),
        (policy(grant(when="{hours: '9-10'}")), 'line 5: grants.0.when.hours: want hours as "09:00-17:30", not "9-10"'),
        ("a: [", "policy.yml, line 1: not YAML"),
        ("groups: {a: [group:b], b: []}", "policy.yml, line 1: groups.a: a group cannot hold groups"),
        ("- x", "policy.yml"),
    ],
)
def test_a_bad_policy_is_one_line_with_the_key(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@given(st.text(max_size=80))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    said = "policy.yml"
    try:
        read(text)
    except ConfigError as error:
        said = str(error)
    assert said.startswith("policy.yml")


def test_what_others_can_write_is_no_policy(tmp_path: Path) -> None:
    assert load(tmp_path) == Policy()
    (tmp_path / "policy.yml").write_text(policy(grant()))
    (tmp_path / "policy.yml").chmod(0o600)
    assert load(tmp_path).grants[0].name == "g"
    (tmp_path / "policy.yml").chmod(0o620)
    with pytest.raises(ConfigError, match="can be written by others"):
        load(tmp_path)


def test_the_environment_says_nobody_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = of_uid(0).name
    for variable in ("USER", "LOGNAME", "SUDO_USER", "USERNAME"):
        monkeypatch.setenv(variable, "eve")
    assert of_uid(0).name == name
    assert of_name(name).uid == 0
    assert of_name("nobody-of-that-name").uid is None


def test_a_request_is_decided_with_the_file_of_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSCTL_HOME", str(tmp_path))
    asked = request(targets=Targets(hosts=("web-1",), digest="d"))
    assert decide(asked, 0).rule == "default"
    assert decide(asked, 1234).rule == "owner"
    (tmp_path / "policy.yml").write_text(policy(grant(who="everybody", where="{host: 'web-*'}")))
    (tmp_path / "policy.yml").chmod(0o600)
    assert decide(asked, 0).rule == "g"


def test_an_approving_grant_says_who_how_many_and_how_long() -> None:
    text = policy(
        grant("approve", approvers="[alice, 'group:dba']", needed="2", expires="8h", break_glass="[carol]"),
        head="groups: {dba: [dave, 'os:db']}\n",
    )
    (asking,) = ask(text).asking
    assert (asking.approvers, asking.needed, asking.expires) == (("alice", "group:dba"), 2, "8h")
    assert asking.break_glass == ("carol",)


def test_every_grant_that_asks_on_any_host_is_named() -> None:
    text = policy(
        grant(),
        grant("approve", "web", where="{host: web-*}"),
        grant("approve", "db", where="{host: db-*}"),
        grant("approve", "other", where="{host: app-*}"),
    )
    assert [asking.name for asking in ask(text, hosts=HOSTS).asking] == ["web", "db"]
    assert ask(policy(grant(), grant("approve", "asks"), grant("deny", "never")), hosts=HOSTS).asking == ()


def test_a_check_goes_without_an_approval_only_where_every_grant_says_so() -> None:
    free, strict = grant("approve", "free", checks="free"), grant("approve", "strict")
    assert ask(policy(free)).verdict == "approve"
    assert ask(policy(free), request(check=True)).plain() == {
        "verdict": "allow",
        "rule": "free",
        "text": "bob may check this without an approval",
    }
    assert ask(policy(free, strict), request(check=True)).verdict == "approve"
    assert ask(policy(free, grant("deny", "never")), request(check=True)).verdict == "deny"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"approvers": "[alice]", "needed": "2"}, "grants.0.needed: 2 must approve, and approvers are 1"),
        ({"needed": "0"}, "grants.0.needed: input should be greater than or equal to 1"),
        ({"expires": "soon"}, 'grants.0.expires: want a length of time as "30m", "24h" or "7d", not "soon"'),
        ({"approvers": "['group:x']"}, "grants.0.approvers: unknown group x"),
        ({"checks": "always"}, "grants.0.checks: input should be 'free'"),
        ({"effect": "deny", "checks": "free"}, "grants.0.checks: is for grants whose effect is approve"),
        ({"effect": "allow", "approvers": "[alice]"}, "grants.0.approvers: is for grants whose effect is approve"),
    ],
)
def test_who_approves_is_checked(parts: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(policy(grant(parts.pop("effect", "approve"), **parts)))
    assert message in str(error.value)


def test_groups_and_stacks_of_the_hosts_of_a_request_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCTL_HOME", str(tmp_path))
    groups = {"web": frozenset({"web", "all"}), "db": frozenset({"all", "data", "db"})}
    variables: dict[str, dict[str, Any]] = {"web": {"stack_name": "shop"}, "db": {}}
    asked = request(targets=Found("x", variables, groups).targets)

    def rule(where: str) -> str:
        return decide(asked, 1234, read(policy(grant("deny", who="everybody", where=where)))).rule

    assert rule("{group: dat*}") == "g"
    assert rule("{group: app}") == "owner"
    assert rule("{group: all}") == "g"
    assert rule("{stack: shop}") == "g"
    assert rule("{stack: shop, host: db}") == "owner"
    assert rule("{stack: '*', host: db}") == "owner"
    assert rule("{group: db, host: web}") == "owner"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("uptime\ndf -h\n", "allow"),
        ("#!/bin/sh -eu\nuptime\n", "allow"),
        ("#!/usr/bin/env bash\nuptime\n", "allow"),
        ("#!/bin/sh\nuptime\nreboot\n", "deny"),
        ("#!/bin/sh\nuptime $1\n", "deny"),
        ("#!/usr/bin/python3\nuptime\n", "deny"),
        ("#!/tmp/sh\nuptime\n", "deny"),
        ("\x7fELF\0", "deny"),
    ],
)
def test_the_text_of_a_shell_script_is_judged(text: str, verdict: str) -> None:
    rules = policy(grant(what="{command: [uptime, 'df *']}"))
    assert ask(rules, request("x.sh", "script", text=text)).verdict == verdict


def test_a_script_for_another_interpreter_may_be_anything() -> None:
    rules = policy(grant(what="{command: '*'}"), grant("deny", "never", what="{command: '*', risk: high}"))
    assert ask(rules, request("x.sh", "script", text="uptime")).verdict == "allow"
    assert ask(rules, request("x.sh", "script", text="sudo reboot")).rule == "never"
    assert ask(rules, request("x.py", "script", text="#!/usr/bin/python3\n1")).rule == "never"
    assert ask(rules, request("x.py", "script")).rule == "never"


WHERES = st.fixed_dictionaries(
    {}, optional={"host": st.sampled_from(["web-*", "*-1", "db-1"]), "group": st.sampled_from(["web", "db", "*"])}
) | st.fixed_dictionaries({"stack": st.sampled_from(["shop", "*"])})
FLEETS = st.dictionaries(
    st.sampled_from(["web-1", "web-2", "web-3", "db-1", "db-2"]),
    st.tuples(st.none() | st.frozensets(st.sampled_from(["web", "db"])), st.sampled_from(["", "shop", "x"])),
    min_size=1,
)


@given(st.lists(st.tuples(st.sampled_from(["allow", "deny", "approve"]), WHERES), max_size=4), WHERES, FLEETS)
def test_many_hosts_are_decided_as_each_of_them_is(
    grants: list[tuple[str, dict[str, str]]], frozen: dict[str, str], fleet: dict[str, tuple[Any, str]]
) -> None:
    named = [
        {"name": f"g{number}", "who": "bob", "effect": effect, "where": where}
        for number, (effect, where) in enumerate(grants)
    ]
    rules = Policy.model_validate({"grants": named, "calendar": {"freezes": [{"name": "f", "where": frozen}]}})

    def decision(hosts: list[str]) -> Decision:
        groups = {host: fleet[host][0] for host in hosts}
        stacks = {host: fleet[host][1] for host in hosts}
        return decided(Case(request(), BOB, MONDAY, groups, stacks), OWNER, rules)

    alone, together = [decision([host]) for host in fleet], decision(list(fleet))
    order = [("allow", False), ("approve", False), ("deny", True), ("deny", False)]
    worst = max(alone, key=lambda each: order.index((each.verdict, each.calendar)))
    assert (together.verdict, together.calendar) == (worst.verdict, worst.calendar)
    assert together.rule in {each.rule for each in alone}
    if together.verdict == "approve":
        asking = {grant.name for each in alone for grant in each.asking}
        assert {grant.name for grant in together.asking} == asking
