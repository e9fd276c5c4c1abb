"""Files of rules: read whole, refused with everything that is wrong, replaced by one's own, noticed when changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.alerts.rules.book import Places
from opsctl.alerts.rules.read import File, RulesError, gathered, load, read
from opsctl.alerts.rules.rule import Count, Do, Failure, Guards, Match, Rule, Verify
from opsctl.alerts.rules.yaml import Fault

ONE = """
- name: redis-process-down
  match: {problem: redis-process-down, severity: ">=average", for: 5s}
  do: {scenario: redis-cluster, action: heal}
  verify: {within: 30s, problem: gone}
  guards: {cooldown: 5m, budget: 20%, tries: {most: 3, within: 1h}}
"""
BAD = ONE.replace("problem: redis-process-down", "trigger: '/(/'")
BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
OTHER = "- {name: other, match: {host: a}, do: {command: [uptime]}}\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    own = tmp_path / "home" / "rules.d"
    shipped = tmp_path / "playbooks" / "redis_cluster"
    own.mkdir(parents=True)
    shipped.mkdir(parents=True)
    (shipped / "rules.yml").write_text(ONE)
    return Places(own, (tmp_path / "playbooks",))


def refused(text: str) -> list[str]:
    with pytest.raises(RulesError) as error:
        read(text, "r.yml")
    assert "\n" not in str(error.value)
    return [str(fault) for fault in error.value.faults]


def test_a_rule_is_read() -> None:
    rule = read(ONE).get("redis-process-down")
    assert rule.match.lasts == 5
    assert (rule.verify.within, rule.guards.cooldown, rule.guards.budget) == (30, 300, "20%")
    assert rule.limit == ("{{ alert.host }}",)
    assert rule.mode == "active"


def test_an_empty_file_has_no_rules() -> None:
    assert read("").rules == ()
    assert read("rules:\n").rules == ()


def test_off_may_be_written_as_yaml_reads_it() -> None:
    assert read(ONE + "  mode: off\n").get("redis-process-down").mode == "off"


def test_a_shipped_rule_only_proposes(places: Places) -> None:
    book = load(places)
    assert book.get("redis-process-down").mode == "propose"
    assert book.origin("redis-process-down").shipped


@pytest.mark.parametrize(
    ("text", "mode"),
    [("enable: redis-*", "active"), ("disable: redis-process-down", "off"), ("enable: ['*']\ndisable: ['*']", "off")],
)
def test_a_shipped_rule_is_switched_on_or_off(places: Places, text: str, mode: str) -> None:
    (places.own / "mine.yml").write_text(text)
    assert load(places).get("redis-process-down").mode == mode


def test_only_shipped_rules_are_switched(places: Places) -> None:
    (places.own / "mine.yml").write_text("enable: redis-process-dwn\n")
    with pytest.raises(RulesError, match=r"mine.yml, line 1: enable: there is no shipped rule .* \(did you"):
        load(places)


def test_an_own_rule_takes_the_place_of_a_shipped_one(places: Places) -> None:
    (places.own / "mine.yml").write_text(ONE.replace("heal", "inspect"))
    book = load(places)
    assert len(book.rules) == 1
    assert book.rules[0].do.action == "inspect"
    assert book.rules[0].mode == "active"
    origin = book.origin("redis-process-down")
    assert not origin.shipped
    assert origin.replaces.endswith("redis_cluster/rules.yml")


def test_rules_are_in_the_order_they_are_tried() -> None:
    text = "".join(
        f"- {{name: {name}, priority: {priority}, match: {{host: a}}, do: {{notify: chat}}}}\n"
        for name, priority in (("b", 0), ("a", 0), ("z", 9))
    )
    assert [rule.name for rule in read(text).rules] == ["z", "a", "b"]


def test_the_version_is_that_of_what_the_rules_say() -> None:
    assert read(ONE).version == read("# a remark\n" + ONE).version
    assert read(ONE).version != read(ONE.replace("5m", "6m")).version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "r.yml, line 1: not YAML"),
        ("just words", "r.yml, line 1: want a list of rules"),
        (ONE.replace("cooldown", "cooldwn"), "line 6: redis-process-down: guards.cooldwn: unknown key (did you mean c"),
        (ONE.replace("5m", "5 minutes"), 'line 6: redis-process-down: guards.cooldown: want a length of time as "30m"'),
        (ONE.replace("20%", "120%"), "guards.budget: want a number of hosts, or a share"),
        (ONE.replace(">=average", ">=avrage"), "(did you mean average?)"),
        (ONE.replace(", action: heal", ""), "line 4: redis-process-down: do: scenario and action go together"),
        (ONE.replace("do: {", "do: {command: ls, "), "want exactly one of scenario, playbook, command and notify"),
        (ONE.replace('problem: redis-process-down, severity: ">=average", ', ""), "says nothing about which alerts"),
        (ONE + "  mode: on\n", "mode: input should be 'active', 'propose', 'shadow' or 'off'"),
        (ONE + "  mode: off\n  mode: active\n", "mode is there twice"),
        (ONE + ONE, "a rule of this name is in r.yml, line 2, too"),
        (ONE + "  match: {trigger: '/(/'}\n", "match is there twice"),
        (BAD, 'line 3: redis-process-down: match.trigger.0: "/(/" is no regular'),
        ("- {name: a, match: {host: b}, do: {command: uptime}, limit: []}", "a command needs hosts"),
        ("- {name: a b, match: {host: b}, do: {notify: x}}", "name: string should match"),
        ('- {name: "a\\nb", "c\\n d": 1}', "a b: c d: unknown key"),
        ("- 7", "rule 1: input should be"),
        ("rulez: []", "rulez: unknown key (did you mean rules?)"),
        ("a: &a [*a]", "or it holds itself"),
        ("[" * 5000, "cannot be used: maximum recursion depth"),
        ("a: !!python/object:os.system x", "line 1: not YAML: could not determine a constructor"),
        (BOMB, "stands for more than 200000 values"),
        ("&a [*a]", "line 1: more than 60 levels deep"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(text: str, told: str) -> None:
    assert told in " | ".join(refused(text))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = refused(ONE.replace("5m", "x").replace("problem: gone", "problem: here") + "- 7\n" + OTHER + OTHER)
    assert len(found) == 4
    with pytest.raises(RulesError, match=r"\(and 3 more: `opsctl alert rules lint` shows all\)"):
        read(ONE.replace("5m", "x").replace("problem: gone", "problem: here") + "- 7\n" + OTHER + OTHER, "r.yml")


def test_what_others_can_write_is_no_rule(places: Places) -> None:
    (places.own / "mine.yml").write_text(OTHER)
    (places.own / "mine.yml").chmod(0o666)
    with pytest.raises(RulesError, match="can be written by others than its owner; run chmod go-w on it"):
        load(places)
    book, faults = gathered(places)
    assert [rule.name for rule in book.rules] == ["redis-process-down"]
    assert len(faults) == 1


def test_a_change_of_the_files_is_seen(places: Places) -> None:
    book = load(places)
    assert not book.changed()
    path = places.own / "mine.yml"
    path.write_text(OTHER)
    assert book.changed()
    book = load(places)
    assert not book.changed()
    os.utime(path, ns=(1, 1))
    assert book.changed()
    path.unlink()
    assert book.changed()
    assert [rule.name for rule in load(places).rules] == ["redis-process-down"]


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    assert load(Places(tmp_path / "none", (tmp_path / "nothing",))).rules == ()


def test_what_an_editor_leaves_behind_is_not_read(places: Places) -> None:
    (places.own / ".mine.yml.swp").write_text("[")
    (places.own / ".#mine.yml").symlink_to("nowhere")
    (places.own / "mine.yml~").write_text("[")
    assert len(load(places).rules) == 1


_MODELS = (File, Rule, Match, Count, Do, Verify, Failure, Guards)
KEYS = st.sampled_from(sorted({field.alias or name for model in _MODELS for name, field in model.model_fields.items()}))
LEAVES = (
    st.sampled_from(["a", "", "a\n b", "5m", ">=high", "/(/", "{{", "20%", "gone", "off"]) | st.none() | st.booleans()
)
LEAVES |= st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=True)
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=25
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DATA)
def test_whatever_is_written_is_read_or_refused_in_lines(data: Any) -> None:
    faults: list[Fault] = []
    try:
        read(yaml.safe_dump(data), "r.yml")
    except RulesError as error:
        faults = error.faults
    assert all(str(fault).startswith("r.yml") and "\n" not in str(fault) for fault in faults)
