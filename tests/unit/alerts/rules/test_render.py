"""What an alert says is put into an order as data: never evaluated, never more than one word or one host."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.alerts.rules.render import Unrenderable, check, limit, scope, spec, undo
from tests.unit.alerts.rules.make import alert, rule


def test_an_action_of_a_scenario_is_ordered_for_the_host() -> None:
    made = spec(rule(parameters={"why": "{{ alert.name }}", "least": 2}, timeout="2m"), alert())
    assert (made.kind, made.content, made.action, made.pattern) == ("scenario", "redis-cluster", "heal", "cache-1")
    assert made.parameters == {"why": "Redis is down on cache-1", "least": 2, "stack_name": "cache"}
    assert made.only == ("cache-1",)
    assert made.timeout == 120
    assert made.reason == "rule redis-process-down: Redis is down on cache-1"


def test_a_stack_that_the_rule_names_is_taken() -> None:
    assert spec(rule(parameters={"stack_name": "x"}), alert()).parameters == {"stack_name": "x"}


def test_a_command_is_ordered_in_words() -> None:
    made = spec(
        rule(do={"command": "systemctl 're start' x-{{ alert.tags['unit'] }}"}), alert(tags={"unit": "a; rm -rf /"})
    )
    assert made.kind == "command"
    assert made.words == ("systemctl", "re start", "x-a; rm -rf /")


def test_a_value_keeps_its_kind() -> None:
    values = {"count": "{{ alert.count }}", "groups": "{{ alert.groups }}", "deep": {"x": ["{{alert.host}}!"]}}
    made = spec(rule(parameters=values), alert(count=3))
    assert made.parameters["count"] == 3
    assert made.parameters["groups"] == ["cache_redis"]
    assert made.parameters["deep"] == {"x": ["cache-1!"]}


def test_a_rule_may_name_hosts_itself() -> None:
    made = spec(rule(limit=["{{ alert.host }}", "localhost"]), alert())
    assert made.pattern == "cache-1,localhost"
    assert made.only == ()
    assert spec(rule(limit=[]), alert()).pattern == ""


def test_what_would_be_changed_is_told_as_far_as_it_is_known() -> None:
    members = {
        "cache-1": frozenset({"cache", "cache_redis"}),
        "cache-2": frozenset({"cache", "cache_redis"}),
        "web-1": frozenset({"web"}),
    }
    one = alert()
    assert scope(rule(), one, members) == ("cache-1",)
    assert scope(rule(), one, {}) == ("cache-1",)
    assert scope(rule(limit=[]), one, members) == ("cache-1", "cache-2")
    assert scope(rule(limit=["cache_redis", "web-1", "localhost"]), one, members) == ("cache-1", "cache-2", "web-1")
    assert scope(rule(limit=["all"]), one, members) == ("cache-1", "cache-2", "web-1")
    assert scope(rule(limit=[]), one, {}) == ("cache",)
    assert scope(rule(limit=[]), alert(stack=""), members) == ()


def test_what_undoes_and_what_verifies_are_orders_of_the_same_hosts() -> None:
    healing = rule(
        verify={"playbook": "opsctl.cloud.redis_cluster.inspect", "parameters": {"host": "{{ alert.host }}"}},
        on_failure={"undo": {"command": "systemctl stop {{ alert.tags.unit }}"}},
    )
    one = alert(tags={"unit": "redis"})
    undone, checked = undo(healing, one), check(healing, one)
    assert undone is not None
    assert (undone.words, undone.pattern) == (("systemctl", "stop", "redis"), "cache-1")
    assert checked is not None
    assert (checked.kind, checked.pattern, checked.parameters) == ("playbook", "cache-1", {"host": "cache-1"})
    assert undo(rule(), one) is None
    assert check(rule(), one) is None


@pytest.mark.parametrize(
    "host",
    ["", "all", "ungrouped", "*", "web*", "a,b", "a:b", "!a", "~a", "@/etc/passwd", "a b", "-i", "a[0]", "é", "{{ x }}",
     "a\n", "../a", "a/b", "a;b", "$(a)"],
)  # fmt: skip
def test_a_host_is_one_plain_name(host: str) -> None:
    with pytest.raises(Unrenderable) as error:
        spec(rule(), alert(host=host))
    assert "\n" not in str(error.value)


def test_a_host_from_two_halves_is_no_group() -> None:
    with pytest.raises(Unrenderable, match="no plain name of a host"):
        limit(rule(limit="{{ alert.tags.a }}{{ alert.tags.b }}"), alert(tags={"a": "a", "b": "ll"}))


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'id') }}", "{% if 1 %}", "{# x #}", "a {{"])
def test_a_template_in_an_alert_gets_nowhere(text: str) -> None:
    for values in ({"x": "{{ alert.name }}"}, {"x": ["a {{ alert.name }}"]}, {"x": "{{ alert.tags }}"}):
        with pytest.raises(Unrenderable, match="holds a template"):
            spec(rule(parameters=values), alert(name=text, tags={"t": text}))


def test_a_template_in_two_halves_gets_nowhere() -> None:
    with pytest.raises(Unrenderable, match="holds a template"):
        spec(rule(parameters={"x": "{{ alert.tags.a }}{{ alert.tags.b }}"}), alert(tags={"a": "{", "b": "{ x }}"}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ alert.nothing }}", "parameters.x: the alert has no alert.nothing"),
        ("a {{ alert.tags.nothing }}", "has no attribute 'nothing'"),
        ("{{ alert.count / 0 }}", "cannot be worked out: division by zero"),
        ("a {{ alert.__class__ }}", "unsafe"),
        ("{{ alert.name.__class__.__mro__ }}", "unsafe"),
        ("{{ alert.items }}", "comes to no plain value"),
        ("{{ range(10**9) | list }}", "Range too big"),
        ("{{ 'a' * 100000 }}", "longer than"),
    ],
)
def test_what_cannot_be_worked_out_is_told_in_a_line(text: str, told: str) -> None:
    with pytest.raises(Unrenderable) as error:
        spec(rule(parameters={"x": text}), alert())
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_notice_is_no_run() -> None:
    with pytest.raises(ValueError, match="only notifies"):
        spec(rule(do={"notify": "chat"}), alert())


HOSTILE = st.text(alphabet="{}%#'\"\\;|&$()`\n\t\0 aé-:,*!~@", max_size=30) | st.text(max_size=30)


@settings(max_examples=200, deadline=None)
@given(HOSTILE, HOSTILE)
def test_whatever_an_alert_says_stays_one_word_one_value_one_host(name: str, host: str) -> None:
    one = alert(name=name, host=host)
    values: dict[str, Any] = {"x": "{{ alert.name }}", "y": "<{{ alert.name }}>"}
    try:
        made = spec(rule(do={"command": ["echo", "{{ alert.name }}", "end"]}, limit="cache-1"), one)
    except Unrenderable:
        pass
    else:
        assert made.words == ("echo", name, "end")
    try:
        made = spec(rule(parameters=values), one)
    except Unrenderable:
        return
    assert (made.parameters["x"], made.parameters["y"]) == (name, f"<{name}>")
    assert "{{" not in name
    assert made.pattern == host
    assert host.isascii()
    assert not set(host) & set(" ,:;!~@*[]/&\n")
