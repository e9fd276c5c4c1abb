"""Which files make room: nothing outside of the folders, nothing young, no more than is needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.room import Old, enough, found, lacking, policy, remove
from hypothesis import given
from hypothesis import strategies as st

OLDS = st.lists(
    st.builds(Old, st.text("abc", min_size=1), st.just("/x"), st.integers(0, 10**9), st.floats(0, 1000)), max_size=20
)


def aged(path: Path, days: float, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text * 5000)
    then = time.time() - days * 86400
    os.utime(path, (then, then))
    return path


def paths(folder: Path, *patterns: str, days: float = 7) -> set[str]:
    return {old.path for old in found(policy(str(folder), patterns, days), time.time())}


@pytest.mark.parametrize(
    "folder",
    ["/", "/var", "/etc", "/etc/ssl", "/usr/share", "/var/lib/redis", "/var/lib/redis/x", "var/log", "/var/../etc"],
)
def test_a_folder_that_holds_more_than_refuse_is_refused(folder: str) -> None:
    with pytest.raises(Invalid, match="no folder to clean up"):
        policy(folder, ["*"], 1)


def test_a_folder_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(Invalid, match="reached through a link"):
        policy(str(tmp_path / "link"), ["*"], 1)


def test_only_old_files_of_these_names_are_found(tmp_path: Path) -> None:
    old = aged(tmp_path / "deep" / "app.log.gz", 10)
    aged(tmp_path / "app.log.gz", 1)
    aged(tmp_path / "app.conf", 10)
    assert paths(tmp_path, "*.gz") == {str(old)}


def test_links_and_what_is_behind_them_stay(tmp_path: Path) -> None:
    outside = aged(tmp_path / "outside" / "a.gz", 10)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "file.gz").symlink_to(outside)
    (logs / "folder").symlink_to(outside.parent)
    os.link(outside, logs / "hard.gz")
    assert paths(logs, "*", days=0) == set()


def test_a_file_whose_folder_became_a_link_meanwhile_stays(tmp_path: Path) -> None:
    outside = aged(tmp_path / "outside" / "a.gz", 10)
    logs = tmp_path / "logs"
    old = aged(logs / "app" / "a.gz", 10)
    (seen,) = found(policy(str(logs), ["*"], 7), time.time())
    old.unlink()
    old.parent.rmdir()
    old.parent.symlink_to(outside.parent)
    assert not remove(seen)
    assert outside.exists()


def test_a_file_is_removed_and_may_be_gone_already(tmp_path: Path) -> None:
    old = aged(tmp_path / "app" / "a.gz", 10)
    (seen,) = found(policy(str(tmp_path), ["*"], 7), time.time())
    assert remove(seen)
    assert not old.exists()
    assert remove(seen)


@given(OLDS, st.integers(0, 10**10))
def test_the_oldest_go_and_no_more_than_needed(files: list[Old], wanted: int) -> None:
    chosen = enough(files, wanted)
    rest = [old for old in files if old not in chosen]
    assert sum(old.size for old in chosen) >= wanted or not rest
    assert sum(old.size for old in chosen[:-1]) < wanted or not chosen
    assert all(one.age >= other.age for one in chosen for other in rest)


@given(st.integers(1, 10**15), st.floats(0, 1), st.floats(1, 100))
def test_freeing_what_lacks_is_enough(total: int, share: float, percent: float) -> None:
    free = int(total * share)
    lacks = lacking(total, free, percent)
    assert lacks >= 0
    assert (total - free - lacks) <= total * percent / 100 + 2
