"""The schema that editors use says what the models say, and takes what they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from opsctl.alerts.rules.read import RulesError, read
from opsctl.alerts.rules.schema import schema, text
from opsctl.alerts.rules.show import whole

_ROOT = Path(__file__).resolve().parents[4]
_KEPT = _ROOT / "cli/opsctl/alerts/rules/schema.json"
WHOLE = """
rules:
- name: whole
  description: All there is.
  match:
    source: zabbix
    host: [a, "b*"]
    group: g
    stack: s
    tags: {disk: /var}
    severity: ">=average"
    trigger: /full$/
    problem: disk-full
    for: 30s
    count: {at_least: 3, within: 10m, of: stack}
    when: {days: [mon, tue], hours: "09:00-17:00", from: "2026-01-01", to: "2026-12-24 18:00", dates: -1, zone: UTC}
  do: {command: "df -h {{ alert.tags.disk }}", become: true}
  parameters: {a: "{{ alert.host }}"}
  limit: "{{ alert.host }}"
  timeout: 5m
  verify: {within: 60s, problem: gone, playbook: x.y.z, parameters: {a: 1}}
  on_failure:
    retry: 1
    undo: {playbook: x.y.z, parameters: {b: 2}}
    escalate: {notify: chat, severity: high, approval: true}
  guards:
    {cooldown: 5m, group_cooldown: 0s, max_concurrent: 2, budget: 20%, tries: {most: 3, within: 1h}, approval: risky,
     silence: true}
  mode: shadow
  priority: 7
enable: redis-*
disable: [a, b]
"""


def test_the_schema_that_is_kept_is_that_of_the_models() -> None:
    assert _KEPT.read_text(encoding="utf-8") == text(), (
        "run python -m opsctl.alerts.rules.schema > cli/opsctl/alerts/rules/schema.json"
    )


def valid(data: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(json.loads(_KEPT.read_text(encoding="utf-8"))).is_valid(data))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_takes_everything_that_can_be_said() -> None:
    data = yaml.safe_load(WHOLE)
    assert valid(data)
    assert valid(data["rules"])
    with pytest.raises(RulesError) as error:
        read(WHOLE, "w.yml")
    # Only that there is nothing shipped to switch on or off.
    assert [fault.where for fault in error.value.faults] == ["enable", "disable", "disable"]


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.split("enable:", maxsplit=1)[0],
        "[{name: a, match: {host: b}, do: {playbook: c}, limit: []}]",
        "[{name: a, match: {trigger: '*'}, do: {notify: [c, d]}, mode: off}]",
        *(path.read_text(encoding="utf-8") for path in sorted(_ROOT.glob("playbooks/*/rules.yml"))),
    ],
)
def test_what_is_shown_of_a_rule_is_the_same_rule(text: str) -> None:
    book = read(text)
    for rule in book.rules:
        shown = yaml.safe_dump([whole(book, rule)["rule"]])
        assert read(shown).get(rule.name).version == rule.version
        assert valid(yaml.safe_load(shown))


@pytest.mark.parametrize("path", sorted(_ROOT.glob("playbooks/*/rules.yml")), ids=lambda path: str(path.parent.name))
def test_shipped_rules_are_valid(path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert valid(data)
    assert read(path.read_text(encoding="utf-8"), str(path), shipped=True).rules


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: whole", "nam: whole"),
        ("cooldown: 5m", "cooldown: 5"),
        ("mode: shadow", "mode: on"),
        ("retry: 1", "retry: x"),
    ],
)
def test_the_schema_refuses_what_the_models_refuse(before: str, after: str) -> None:
    assert not valid(yaml.safe_load(WHOLE.replace(before, after)))
    with pytest.raises(RulesError) as error:
        read(WHOLE.replace(before, after))
    assert len(error.value.faults) > 3 or "whole" in str(error.value)


def test_every_key_that_is_no_mapping_is_described_or_plain() -> None:
    guards = schema()["$defs"]["Guards"]["properties"]
    assert all("description" in value or "$ref" in value for value in guards.values())
    assert guards["cooldown"]["default"] == "5m"
