"""A service goes on with the rules it has when new ones are broken, and takes them when they are mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.alerts.rules.book import Places
from opsctl.alerts.rules.read import RulesError
from opsctl.alerts.rules.shelf import Shelf

ONE = "- {name: one, match: {host: a}, do: {notify: chat}}\n"
TWO = "- {name: two, match: {host: a}, do: {notify: chat}}\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "rules.d"
    folder.mkdir()
    (folder / "a.yml").write_text(ONE)
    return folder


def names(shelf: Shelf) -> list[str]:
    return [rule.name for rule in shelf.book.rules]


def test_nothing_new_is_no_news(own: Path) -> None:
    assert Shelf(Places(own)).refresh() is None


def test_a_new_rule_is_taken(own: Path) -> None:
    shelf = Shelf(Places(own))
    (own / "b.yml").write_text(TWO)
    news = shelf.refresh()
    assert news is not None
    assert news.text == f"rules {shelf.book.version} are in use: 2"
    assert names(shelf) == ["one", "two"]
    assert shelf.refresh() is None


def test_a_remark_is_no_news(own: Path) -> None:
    shelf = Shelf(Places(own))
    (own / "a.yml").write_text("# why\n" + ONE)
    assert shelf.refresh() is None
    assert shelf.book.origin("one").line == 2


def test_broken_rules_are_told_once_and_the_old_ones_stay(own: Path) -> None:
    shelf = Shelf(Places(own))
    version = shelf.book.version
    (own / "b.yml").write_text("- {name: two, match: {hots: a}, do: {notify: chat}}\n")
    news = shelf.refresh()
    assert news is not None
    assert "b.yml, line 1: two: match.hots: unknown key (did you mean host?)" in news.text
    assert news.text.endswith(f"rules {version} stay in use")
    assert shelf.refresh() is None
    assert names(shelf) == ["one"]
    (own / "b.yml").write_text(TWO)
    news = shelf.refresh()
    assert news is not None
    assert news.error is None
    assert names(shelf) == ["one", "two"]


def test_a_fault_that_is_taken_back_is_news(own: Path) -> None:
    shelf = Shelf(Places(own))
    (own / "b.yml").write_text("[")
    assert shelf.refresh() is not None
    (own / "b.yml").unlink()
    news = shelf.refresh()
    assert news is not None
    assert shelf.error is None
    assert names(shelf) == ["one"]


def test_a_service_does_not_start_with_broken_rules(own: Path) -> None:
    (own / "b.yml").write_text("[")
    with pytest.raises(RulesError, match=r"b\.yml, line 1: not YAML"):
        Shelf(Places(own))
