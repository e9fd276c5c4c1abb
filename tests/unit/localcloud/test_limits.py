"""File watches for many hosts: raised where they are few, given back as they were."""

from __future__ import annotations

from pathlib import Path

from opsctl.localcloud.hosts import limits


def test_a_low_limit_is_raised_and_given_back(tmp_path: Path) -> None:
    limit, said = tmp_path / "max_user_instances", list[str]()
    limit.write_text("128\n")
    limits.ensure(tmp_path, said.append, limit)
    assert int(limit.read_text()) == limits.WANTED
    assert "from 128" in said[0]
    limits.ensure(tmp_path, said.append, limit)
    assert len(said) == 1
    limits.give_back(tmp_path, limit)
    assert int(limit.read_text()) == 128


def test_a_limit_that_is_high_or_was_set_by_others_is_left_alone(tmp_path: Path) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("2048\n")
    limits.ensure(tmp_path, lambda text: None, limit)
    limits.give_back(tmp_path, limit)
    assert int(limit.read_text()) == 2048


def test_a_machine_without_this_limit_is_no_error(tmp_path: Path) -> None:
    said = list[str]()
    limits.ensure(tmp_path, said.append, tmp_path / "none")
    limits.give_back(tmp_path, tmp_path / "none")
    assert said == []
