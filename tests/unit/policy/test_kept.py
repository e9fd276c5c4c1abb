"""What the database keeps is checked together with the file, and every change is recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.db.engine import opened
from opsctl.errors import ConfigError, Denied, UsageError
from opsctl.ledger.book import Ledger
from opsctl.policy.kept import add, everything, remove
from opsctl.policy.load import load
from opsctl.policy.read import entries, gathered, parsed, read
from opsctl.policy.stored import data

FILE = """
roles: {reader: {command: uptime}}
grants: [{name: readers, who: alice, what: reader, effect: allow}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "policy.yml").write_text(FILE)
    (tmp_path / "policy.yml").chmod(0o600)
    return tmp_path


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return Ledger(opened(home), home / "ledger.head")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grants: [{name: readers, who: bob, effect: deny}]", "the name readers is taken"),
        ("roles: {reader: {command: x}}", "role reader is in the database, too"),
        ("grants: [{name: x, who: 'group:nobody', effect: deny}]", "unknown group nobody"),
        ("grants: [{name: x, who: bob, effekt: deny}]", "unknown key (did you mean effect?)"),
        ("grants: [{who: bob, effect: deny}]", "stdin, line 1: grants.0.name: field required"),
        ("grants: [{name: x, who: bob, effect: deny}, {name: x, who: bob, effect: deny}]", "two grants are called x"),
        ("grant: []", "stdin, line 1: grant: unknown key (did you mean grants?)"),
        ("grants: x", "stdin, line 1: grants: input should be"),
        ("- x", "stdin: want groups, roles, grants or calendar"),
        ("calendar: x", "stdin, line 1: calendar: input should be"),
        ("{", "stdin, line 1: not YAML"),
        ("", "stdin: has no group"),
    ],
)
def test_what_cannot_be_added_changes_nothing(home: Path, ledger: Ledger, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        add(home, ledger, text, "stdin", replace=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert data(home) == {}
    assert list(ledger.records()) == []


def test_only_the_owner_changes_the_policy(home: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: home.stat().st_uid + 1)
    with pytest.raises(Denied, match="Only the owner"):
        add(home, ledger, "groups: {a: bob}", "stdin", replace=False)
    with pytest.raises(Denied, match="Only the owner"):
        remove(home, ledger, "group", "a")


def test_times_and_zones_are_kept(home: Path, ledger: Ledger) -> None:
    text = "calendar: {zone: UTC, freezes: [{name: x, from: 2026-12-24 18:00:00, to: 2026-12-26}]}"
    add(home, ledger, text, "stdin", replace=False)
    assert data(home) == {
        "calendar": {"freezes": [{"zone": "UTC", "name": "x", "from": "2026-12-24 18:00:00", "to": "2026-12-26"}]}
    }
    assert load(home).calendar.freezes == read(text).calendar.freezes
    assert [row["kind"] for row in everything(home)] == ["role", "grant", "freeze"]


def test_there_must_be_what_is_removed(home: Path, ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="The database has no grant readers"):
        remove(home, ledger, "grant", "readers")


NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=8)
GRANT = st.fixed_dictionaries(
    {"name": NAMES.map(lambda name: f"g-{name}"), "who": st.just("bob"), "effect": st.sampled_from(["allow", "deny"])},
    optional={"what": st.fixed_dictionaries({}, optional={"command": st.lists(NAMES, max_size=2)})},
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grants=st.lists(GRANT, min_size=1, max_size=3, unique_by=lambda grant: str(grant["name"])))
def test_what_is_added_is_the_policy(home: Path, ledger: Ledger, grants: list[dict[str, Any]]) -> None:
    text = yaml.safe_dump({"grants": grants}, allow_unicode=True)
    _tree, found = parsed(text, "x")
    assert gathered(entries(found)) == found
    try:
        add(home, ledger, text, "x", replace=False)
        assert load(home).grants == read(FILE).grants + read(text).grants
    finally:
        for name in [grant["name"] for grant in data(home).get("grants", [])]:
            remove(home, ledger, "grant", name)
    assert data(home) == {}
