"""Pruning: what goes is what may go, the ledger knows first, and a kill in between does no harm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.db.engine import opened
from opsctl.errors import StoreError
from opsctl.events.journal import PRUNED, Journal, gone, read
from opsctl.events.prune import Old, Pruning, journals, plan, remove
from opsctl.ledger.book import Ledger

OLDS = st.lists(
    st.builds(
        Old,
        st.integers(0, 10**6).map(lambda number: Path(f"/j/{number}.ndjson")),
        st.integers(0, 1000),
        st.floats(0, 100),
    ),
    max_size=20,
    unique_by=lambda old: old.path,
)


@given(
    olds=OLDS,
    before=st.none() | st.floats(0, 100),
    keep=st.none() | st.integers(0, 20),
    size=st.none() | st.integers(0, 9000),
)
def test_a_plan_removes_what_it_is_told_and_nothing_protected(
    olds: list[Old], before: float | None, keep: int | None, size: int | None
) -> None:
    removed = plan(olds, before=before, keep=keep, size=size).removed
    newest = sorted(olds, key=lambda old: (old.ended, old.run), reverse=True)
    stay = [old for old in newest if old not in removed]
    assert removed == sorted(removed, key=lambda old: (old.ended, old.run))
    assert all(old in stay for old in newest[: keep or 0])
    if (before, size) == (None, None):
        assert removed == (newest[keep:][::-1] if keep is not None else [])
    elif size is None:
        assert all(old.ended < (before or 0) for old in removed)
        assert all(old.ended >= (before or 0) for old in stay[keep or 0 :])
    elif keep is None:
        assert sum(old.size for old in stay) <= size
        if removed and before is None:
            assert sum(old.size for old in stay) + removed[-1].size > size


@given(olds=OLDS)
def test_what_is_not_shipped_stays(olds: list[Old]) -> None:
    found = plan(olds, keep=0, shipped=lambda path: int(path.stem) % 2 == 0)
    assert all(int(old.run) % 2 == 0 for old in found.removed)
    assert found.unshipped == sum(int(old.run) % 2 for old in olds)


def written(home: Path, name: str) -> Path:
    journal = Journal(home / "journal" / f"{name}.ndjson")
    journal.append({"event": "text", "stdout": name})
    journal.close()
    return journal.path


def test_a_journal_without_a_run_is_as_old_as_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, "stray")
    os.utime(path, (1000, 1000))
    assert journals(tmp_path, opened(tmp_path)) == ([Old(path, path.stat().st_size, 1000)], 0)


def test_the_ledger_and_the_journal_s_place_tell_what_was_pruned(tmp_path: Path) -> None:
    database = opened(tmp_path)
    ledger = Ledger(database, tmp_path / "ledger.head")
    paths = [written(tmp_path, name) for name in ("a", "ab", "b")]
    olds, _ = journals(tmp_path, database)
    remove(Pruning([old for old in olds if old.run != "ab"]), ledger, "a test")
    assert [path.exists() for path in paths] == [False, True, False]
    (record,) = ledger.records()
    assert record.kind == "pruned"
    assert sorted(record.content["data"]["runs"]) == ["a", "b"]
    assert "was pruned on" in gone(paths[0])
    assert gone(paths[1]) == f"Cannot read {paths[1]}: the journal is gone"
    with pytest.raises(StoreError, match="The journal of run b was pruned on"):
        list(read(paths[2]))
    assert (tmp_path / "journal" / PRUNED).stat().st_mode & 0o077 == 0


def test_a_kill_in_between_leaves_what_the_next_time_removes(tmp_path: Path) -> None:
    database = opened(tmp_path)
    ledger = Ledger(database, tmp_path / "ledger.head")
    written(tmp_path, "a")
    last = written(tmp_path, "b")
    olds, _ = journals(tmp_path, database)
    pid = os.fork()
    if pid == 0:
        # Killed where the second journal is about to go.
        Path.unlink = lambda path, missing_ok=False: (  # type: ignore[method-assign,assignment]
            os._exit(9) if path == last else os.unlink(path)  # noqa: PTH108
        )
        remove(Pruning(sorted(olds, key=lambda old: old.run)), ledger, "a test")
        os._exit(0)
    os.waitpid(pid, 0)
    left, _ = journals(tmp_path, database)
    assert [old.run for old in left] == ["b"]
    remove(Pruning(left), ledger, "again")
    assert [record.content["data"]["runs"] for record in ledger.records()] == [["a", "b"], ["b"]]
    lines = (tmp_path / "journal" / PRUNED).read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines] == ["a", "b", "b"]
