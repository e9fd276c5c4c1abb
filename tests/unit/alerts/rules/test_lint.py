"""Rules that are well formed and still cannot work, or would not do what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.alerts.rules.book import Places, places
from opsctl.alerts.rules.lint import lint
from opsctl.alerts.rules.read import RulesError, read
from opsctl.settings import Settings

RULE = "- name: one\n  match: {{host: a}}\n  {}\n"


def linted(tmp_path: Path, text: str, config: Settings | None = None) -> list[str]:
    own = tmp_path / "rules.d"
    own.mkdir(exist_ok=True)
    (own / "a.yml").write_text(RULE.format(text))
    _book, faults = lint(Places(own), config or Settings())
    return [("warning: " if fault.warning else "") + str(fault).removeprefix(f"{own}/") for fault in faults]


def test_nothing_is_wrong(tmp_path: Path) -> None:
    assert linted(tmp_path, "do: {scenario: redis_cluster, action: inspect}") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("do: {scenario: redis-clustr, action: heal}", "one: do: Unknown scenario redis-clustr (did you mean redis-cl"),
        ("do: {scenario: redis-cluster, action: inspct}", "Unknown action inspct of redis-cluster (did you mean insp"),
        ("do: {scenario: redis-cluster, action: inspect}\n  parameters: {stack_nam: x}", "takes no stack_nam (did you"),
        ("do: {playbook: /none.yml}", "one: do.playbook: Playbook /none.yml is not a file"),
        ("do: {playbook: opsctl.cloud.nothing.heal}", "is in no collection that is installed"),
        ("do: {command: ls, cloud: moon}", "one: do.cloud: Unknown cloud moon"),
        ("do: {command: ls, inventory: /none}", "one: do.inventory: /none does not exist"),
        ("do: {notify: chat}", "one: do.notify: there is no channel chat in the settings"),
        (
            "do: {command: ls}\n  on_failure: {escalate: {notify: x}}",
            "on_failure.escalate.notify: there is no channel x",
        ),
        ("do: {command: ls}\n  on_failure: {undo: {playbook: /n.yml}}", "on_failure.undo.playbook: Playbook /n.yml is"),
        ("do: {command: ls}\n  verify: {playbook: /n.yml}", "one: verify.playbook: Playbook /n.yml is not"),
        ("do: {command: ls}\n  verify: {problem: ignore}", "warning: a.yml, line 1: one: verify: nothing checks"),
        ("do: {playbook: /n.yml}\n  limit: []", "warning: a.yml, line 1: one: limit: it is empty"),
        ("do: {command: ls}\n  on_failure: {retry: 3}", "warning: a.yml, line 1: one: on_failure.retry: guards.tries"),
        (
            "do: {command: ls}\n  guards: {cooldown: 1h}",
            "warning: a.yml, line 1: one: guards.tries: with this cooldown",
        ),
    ],
)
def test_what_is_named_must_exist_and_make_sense(tmp_path: Path, text: str, told: str) -> None:
    assert told in " | ".join(linted(tmp_path, text))


def test_a_rule_that_is_off_names_what_it_likes(tmp_path: Path) -> None:
    assert linted(tmp_path, "do: {playbook: /none.yml}\n  mode: off") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("do: {command: 'ls {{ alert.hots }}'}", "line 3: one: do.command: an alert has no hots (did you mean host?)"),
        (
            "do: {command: ls}\n  parameters: {a: [1, '{{ host }}']}",
            "line 4: one: parameters.a.1: only the alert is known",
        ),
        (
            "do: {command: ls}\n  limit: '{{ alert.host'",
            "line 4: one: limit.0: no template: unexpected end of template",
        ),
        (
            "do: {command: ls}\n  parameters: {a: '{{ alert.host | nothing }}'}",
            "no template: No filter named 'nothing'",
        ),
        ("do: {command: ls}\n  on_failure: {undo: {command: 'ls {{ x }}'}}", "one: on_failure.undo.command: only the"),
    ],
)
def test_templates_are_looked_at_when_they_are_read(text: str, told: str) -> None:
    with pytest.raises(RulesError) as error:
        read(RULE.format(text), "a.yml")
    assert told in str(error.value)


def test_shipped_rules_name_what_exists(tmp_path: Path) -> None:
    book, faults = lint(places(tmp_path), Settings())
    assert [str(fault) for fault in faults] == []
    assert {book.origin(rule.name).shipped for rule in book.rules} <= {True}


def test_all_is_told_in_the_order_of_the_lines(tmp_path: Path) -> None:
    own = tmp_path / "rules.d"
    own.mkdir()
    (own / "a.yml").write_text(
        RULE.format("do: {playbook: /none.yml}") + RULE.replace("one", "two").format("do: {playbok: x, actn: y}")
    )
    _book, faults = lint(Places(own), Settings())
    assert [fault.line for fault in faults] == [1, 6, 6]
