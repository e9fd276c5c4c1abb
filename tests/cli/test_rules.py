"""`opsctl alert rules`: what people see of rules, and what scripts get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsctl.alerts.alert import made
from opsctl.alerts.inbox import Inbox
from opsctl.app import main
from opsctl.clock import now
from tests.cli.conftest import Cli, Result

MINE = """
- name: redis-down
  match: {problem: redis-process-down, for: 5s}
  do: {scenario: greet, action: deploy}
  parameters: {stack_name: "{{ alert.stack }}"}
- name: vacuum
  priority: 5
  match: {tags: {disk: /var}}
  do: {command: "journalctl --vacuum-size {{ alert.tags.size }}", become: true}
  mode: shadow
"""
SHIPPED = """
- name: greet-again
  match: {problem: ungreeted}
  do: {scenario: greet, action: deploy}
- name: redis-down
  match: {problem: redis-process-down}
  do: {scenario: greet, action: deploy}
"""
SHAPE = ["name", "mode", "priority", "for", "does", "shipped", "replaces", "path", "line", "version"]


Ask = Callable[..., Result]


@pytest.fixture
def ask(cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """opsctl in this process: starting one for each look takes most of the time."""
    for name, value in cli.environment.items():
        monkeypatch.setenv(name, value)

    def asked(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["opsctl", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Result(int(end.value.code or 0), out, err)

    return asked


@pytest.fixture
def rules(cli: Cli) -> Path:
    """The folder of rules of a home with a scenario that brings some."""
    folder = cli.scenario("greet", deploy="- hosts: localhost\n")
    (folder / "rules.yml").write_text(SHIPPED)
    own = cli.home / "rules.d"
    own.mkdir()
    (own / "mine.yml").write_text(MINE)
    return own


def alert(**values: Any) -> Any:
    given = {
        "name": "Redis is down",
        "host": "cache-1",
        "stack": "cache",
        "tags": {"opsctl_problem": "redis-process-down"},
    }
    return made("zabbix", "zabbix", values.pop("key", "1"), received=now(), **{**given, **values})


def test_rules_are_listed_in_their_order(cli: Cli, rules: Path) -> None:
    rows = {row["name"]: row for row in cli("alert", "rules", "list", "-o", "json").json}
    assert [name for name in rows if name in ("vacuum", "greet-again", "redis-down")] == [
        "vacuum",
        "greet-again",
        "redis-down",
    ]
    assert all(list(row) == SHAPE for row in rows.values())
    assert (rows["vacuum"]["mode"], rows["greet-again"]["mode"], rows["redis-down"]["mode"]) == (
        "shadow",
        "propose",
        "active",
    )
    assert rows["redis-down"]["replaces"].endswith("greet/rules.yml")
    table = cli("alert", "rules", "list").out
    assert "mine.yml:2 (replaces the shipped one)" in table
    assert "shipped with greet" in table


def test_a_rule_is_shown_as_it_could_be_written(ask: Ask, rules: Path) -> None:
    shown = ask("alert", "rules", "show", "vacuum").out
    assert "version" in shown
    (rules / "again.yml").write_text(shown.replace("name: vacuum", "name: again"))
    names = [row["name"] for row in ask("alert", "rules", "list", "-o", "json").json]
    assert "again" in names
    assert ask("alert", "rules", "show", "vacum").line == (
        "opsctl: Unknown rule vacum (did you mean vacuum?); `opsctl alert rules list` shows all"
    )


def test_lint_tells_everything_that_is_wrong(ask: Ask, rules: Path) -> None:
    good = ask("alert", "rules", "lint")
    assert good.code == 0
    assert good.out.endswith("rules, nothing is wrong\n")
    (rules / "bad.yml").write_text(
        "- {name: a, match: {hots: b}, do: {notify: chat}}\n- 7\n- {name: b, match: {host: c}, do: {notify: d}}\n"
    )
    bad = ask("alert", "rules", "lint")
    assert bad.code == 2
    lines = bad.out.splitlines()
    assert "bad.yml, line 1: a: match.hots: unknown key (did you mean host?)" in lines[0]
    assert "there is no channel d in the settings" in lines[-1]
    found = ask("alert", "rules", "lint", "-o", "json").json
    assert [list(fault) for fault in found["faults"]] == [["path", "line", "where", "message", "warning"]] * 3
    told = ask("alert", "rules", "list")
    assert told.code == 2
    assert told.line.endswith("(and 1 more: `opsctl alert rules lint` shows all)")


def test_doubts_are_errors_when_asked_for(ask: Ask, rules: Path) -> None:
    (rules / "bad.yml").write_text("- {name: a, match: {host: b}, do: {command: ls}, on_failure: {retry: 9}}\n")
    assert ask("alert", "rules", "lint").code == 0
    assert ask("alert", "rules", "lint", "--strict").code == 2


def test_alerts_of_the_past_are_tried(ask: Ask, cli: Cli, rules: Path) -> None:
    with Inbox(cli.home) as inbox:
        inbox.put([alert(), alert(key="2", name="Other", tags={}), alert(key="3", host="a b")])
    found = ask("alert", "rules", "test", "redis-down", "--replay", "1h", "-o", "json").json
    assert {(row["host"], row["verdict"]) for row in found["alerts"]} == {("cache-1", "go"), ("a b", "escalate")}
    assert found["rules"] == {"redis-down": {"go": 1, "escalate": 1}}
    assert found["unmatched"] == 1
    table = ask("alert", "rules", "test").out
    assert "greet deploy on cache-1" in table
    assert "No rule is for 1 alert; --all lists them" in table
    assert ask("runs", "list", "-o", "json").json == []


def test_alerts_of_a_file_are_tried(ask: Ask, rules: Path, tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps([alert(tags={"opsctl_problem": "ungreeted"}).plain()]))
    assert ask("alert", "rules", "test", "-f", str(file), "-o", "json").json["alerts"][0]["verdict"] == "propose"
    found = ask("alert", "rules", "test", "-f", str(file), "--active", "-o", "json").json
    assert found["alerts"][0]["verdict"] == "go"


@pytest.mark.parametrize(
    ("text", "told"),
    [("[", "not JSON"), ("7", "want a list of alerts"), ('[{"id": "1"}]', "an alert needs source, kind, key")],
)
def test_a_file_that_has_no_alerts_is_refused(ask: Ask, rules: Path, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "alerts.json").write_text(text)
    found = ask("alert", "rules", "test", "-f", str(tmp_path / "alerts.json"))
    assert found.code == 2
    assert told in found.line


def test_a_time_that_is_none_is_refused(ask: Ask, rules: Path) -> None:
    assert 'want a length of time as "30m"' in ask("alert", "rules", "test", "--replay", "week").line
