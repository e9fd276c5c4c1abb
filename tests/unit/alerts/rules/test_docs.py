"""What the page about rules says is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsctl.alerts.guards.config import Bounds
from opsctl.alerts.rules.read import RulesError, read
from opsctl.alerts.rules.rule import Guards, Match, Rule
from opsctl.alerts.rules.template import FIELDS

_PAGE = (Path(__file__).resolve().parents[4] / "docs/alerts.md").read_text(encoding="utf-8")
_PART = re.split(r"^## ", _PAGE.split("## Rules and guards\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _PART, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if text.startswith("- name")])
def test_rules_of_the_page_are_rules(text: str) -> None:
    assert read(text).rules


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if not text.startswith("- name")])
def test_switches_of_the_page_are_switches(text: str) -> None:
    with pytest.raises(RulesError) as error:
        read(text)
    # There are no shipped rules here, and nothing else is wrong.
    assert all("there is no shipped rule" in fault.message for fault in error.value.faults)
    assert set(yaml.safe_load(text)) == {"enable", "disable"}


def test_settings_of_the_page_are_the_defaults() -> None:
    (text,) = blocks("toml")
    assert Bounds.model_validate(tomllib.loads(text)["alerts"]["guards"]) == Bounds()


def rows(heading: str) -> set[str]:
    """The names in the first column of the table with this heading."""
    table = _PART.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    firsts = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {name for cell in firsts for name in re.findall(r"`(\w+)`", cell)}


def named(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_every_key_of_a_rule_is_described() -> None:
    assert rows("key") == named(Rule)
    assert rows("key of `match`") == named(Match)
    assert named(Guards) - rows("guard") == {"silence"}


def test_what_templates_may_say_is_what_alerts_have() -> None:
    sentence = _PART.split("nothing else: ", 1)[1].split(". A value", 1)[0]
    told = set(re.findall(r"`(\w+)`", sentence))
    assert told <= FIELDS
    assert not FIELDS - told - {"state", "resolved", "acknowledged", "suppressed", "change"}
