"""Shipped rules take the problems that shipped templates raise, and nothing else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from opsctl.alerts.rules.book import Book, places
from opsctl.alerts.rules.match import match
from opsctl.alerts.rules.read import load
from opsctl.alerts.rules.render import spec
from tests.unit.alerts.rules.make import NOW, alert

_ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """All shipped rules, switched on."""
    home = tmp_path_factory.mktemp("home")
    (home / "rules.d").mkdir()
    (home / "rules.d/on.yml").write_text('enable: "*"\n')
    return load(places(home))


def taken(book: Book, problem: str, **values: object) -> str:
    tags = {"opsctl_problem": problem, "opsctl_scenario": "redis-cluster"}
    one = replace(alert(tags=tags), **values)
    rule = match(book, one, NOW + timedelta(minutes=10)).rule
    return rule.name if rule else ""


@pytest.mark.parametrize(
    ("problem", "rule"),
    [
        ("redis-process-down", "redis-process-down"),
        ("redis-not-answering", "redis-process-down"),
        ("host-down", "redis-host-down"),
        ("redis-cluster-state", "redis-cluster-broken"),
        ("redis-slots-uncovered", "redis-cluster-broken"),
        ("redis-replication-broken", "redis-cluster-broken"),
        ("redis-memory-high", ""),
        ("disk-full", "disk-full"),
        ("inodes-low", "disk-full"),
        ("agent-down", "agent-down"),
    ],
)
def test_a_problem_has_its_rule(book: Book, problem: str, rule: str) -> None:
    assert taken(book, problem) == rule


def test_hosts_of_no_stack_are_nothing_to_the_rules_of_a_stack(book: Book) -> None:
    assert not taken(book, "redis-process-down", stack="")
    assert not taken(book, "host-down", stack="")


def test_a_dead_process_is_healed_on_its_host_alone(book: Book) -> None:
    made = spec(book.get("redis-process-down"), alert())
    assert (made.content, made.action, made.only, made.parameters) == (
        "redis-cluster",
        "heal",
        ("cache-1",),
        {"stack_name": "cache"},
    )
    assert spec(book.get("redis-host-down"), alert()).pattern == ""


def test_every_problem_that_a_shipped_rule_names_is_one_that_templates_raise(book: Book) -> None:
    raised = set()
    for path in _ROOT.glob("roles/zabbix/files/templates/*.yaml"):
        text = path.read_text(encoding="utf-8").splitlines()
        raised |= {
            yaml.safe_load(below.strip())["value"]
            for line, below in pairwise(text)
            if line.strip() == "- tag: opsctl_problem"
        }
    named = {name for rule in book.rules for name in rule.match.problem}
    assert raised
    assert named <= raised
