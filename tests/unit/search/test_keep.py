"""The index follows the journals without a search, cheaply and without ever failing a run."""

from __future__ import annotations

import time
from pathlib import Path

from opsctl.clock import stamp
from opsctl.db.engine import opened
from opsctl.events.journal import Journal
from opsctl.search.find import Embedded
from opsctl.search.index import Window
from opsctl.search.index import opened as index
from opsctl.search.keep import keep_up
from opsctl.search.query import Query


def grown(home: Path, count: int) -> None:
    journal = Journal(home / "journal" / "r.ndjson")
    for number in range(count):
        journal.append({"time": stamp(number), "event": "text", "stdout": f"n{number}"})
    journal.close()


def known(home: Path) -> int:
    with index(home / "search.db") as found:
        return len(found.find(Query(), Window(), -1))


def test_nothing_is_made_where_nobody_ever_searched(tmp_path: Path) -> None:
    grown(tmp_path, 5)
    keep_up(tmp_path, opened(tmp_path))
    assert not (tmp_path / "search.db").exists()


def test_what_is_new_is_taken(tmp_path: Path) -> None:
    grown(tmp_path, 5)
    Embedded(tmp_path, lambda runs: {}).search(Query(), Window(), 1)
    grown(tmp_path, 7)
    assert known(tmp_path) == 5
    keep_up(tmp_path, opened(tmp_path))
    assert known(tmp_path) == 12


def test_an_index_that_is_held_or_damaged_stops_nobody(tmp_path: Path) -> None:
    grown(tmp_path, 5)
    Embedded(tmp_path, lambda runs: {}).search(Query(), Window(), 1)
    database = opened(tmp_path)
    with index(tmp_path / "search.db"):
        began = time.monotonic()
        keep_up(tmp_path, database)
        assert time.monotonic() - began < 5
    (tmp_path / "search.db").write_bytes(b"x" * 5000)
    keep_up(tmp_path, database)
    assert known(tmp_path) == 5
