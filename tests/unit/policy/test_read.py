"""Whatever is written as a policy is one, or is refused in one line that says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsctl.db.engine import opened
from opsctl.errors import ConfigError
from opsctl.ledger.book import Ledger
from opsctl.policy.kept import add
from opsctl.policy.read import NAME, read

KEYS = st.sampled_from(
    [
        "groups",
        "roles",
        "grants",
        "calendar",
        "freezes",
        "windows",
        "zone",
        "name",
        "who",
        "what",
        "where",
        "when",
        "effect",
        "scenario",
        "command",
        "risk",
        "cloud",
        "host",
        "from",
        "to",
        "days",
        "dates",
        "hours",
        "except",
        "approvers",
        "needed",
        "expires",
        "reason",
        "x",
    ]
)
TEXTS = st.sampled_from(
    ["a", "", "allow", "deny", "approve", "group:a", "os:x", "x:y", "mon", "09:00-17:30", "UTC", "high", "2026-12-24"]
)
LEAVES = (
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers(-40, 40)
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.text(max_size=6)
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | LEAVES, inner, max_size=4), max_leaves=12
)
NAMES = st.sampled_from("ab")
GRANTS = st.fixed_dictionaries(
    {"name": NAMES, "who": st.sampled_from(["a", "group:a"]), "effect": st.sampled_from(["allow", "deny"])},
    optional={"what": TREES, "where": TREES, "when": TREES},
)
ENTRIES = st.fixed_dictionaries({"name": NAMES}, optional={"from": LEAVES, "except": TREES, "days": TREES})
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "groups": TREES | st.dictionaries(st.sampled_from("ab"), TREES),
        "roles": TREES | st.dictionaries(st.sampled_from("ab"), TREES),
        "grants": TREES | st.lists(GRANTS, max_size=2),
        "calendar": TREES
        | st.fixed_dictionaries({}, optional={"freezes": st.lists(ENTRIES), "windows": TREES, "zone": LEAVES}),
    },
)


def refused(text: str, kept: dict[str, Any] | None = None) -> str:
    try:
        read(text, kept=kept)
    except ConfigError as error:
        return str(error)
    return ""


def dumped(tree: Any) -> str:
    return str(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False))


@settings(max_examples=200, deadline=None)
@given(POLICIES | TREES)
@example({"grants": {"name": "x"}})
@example({1: 2})
def test_any_tree_is_a_policy_or_refused_in_one_line(tree: Any) -> None:
    said = refused(dumped(tree))
    assert "\n" not in said
    assert not said or said.startswith(NAME)


@settings(max_examples=60, deadline=None)
@given(POLICIES)
def test_any_tree_is_refused_in_one_line_beside_what_the_database_has(tree: Any) -> None:
    kept = {"groups": {"a": ["bob"]}, "roles": {"b": {}}, "grants": [{"name": "a", "who": "bob", "effect": "deny"}]}
    said = refused(dumped(tree), kept | {"calendar": {"freezes": [{"name": "a"}]}})
    assert "\n" not in said


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POLICIES | TREES)
def test_any_tree_is_added_or_refused_in_one_line(tmp_path: Path, tree: Any) -> None:
    ledger = Ledger(opened(tmp_path), tmp_path / "ledger.head")
    said = ""
    try:
        add(tmp_path, ledger, dumped(tree), "stdin", replace=True)
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "a: &a {b: *a}",
        "grants: &a [*a]",
        "groups: &a {x: *a}",
        "calendar: &a {freezes: [*a]}",
        "[" * 5000,
        "{a: " * 3000,
        "? [a]\n: b",
        "? {a: b}\n: c",
        "!!python/object:os.system {}",
        "<<: [1]",
        "<<: 1",
        "a: !!binary 'x'",
        "a: !!timestamp x",
        "grants: 2026-02-30",
        "\ud800".encode("utf-8", "replace").decode(),
        "a: b: c",
        "\t",
        "%YAML 9.9\n---\n",
        "--- a\n--- b",
    ],
)
def test_strange_yaml_is_refused_in_one_line(text: str) -> None:
    said = refused(text)
    assert said.startswith(NAME) or not text.strip(), said
    assert "\n" not in said


def test_the_examples_of_the_documentation_are_a_policy() -> None:
    text = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    policy = read("".join(blocks))
    assert [grant.name for grant in policy.grants] == ["readers", "dba-by-day", "dangerous"]
    assert [entry.name for _kind, entry in policy.calendar.entries()] == ["christmas", "month-end", "databases"]
