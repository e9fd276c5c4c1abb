"""The recorder: what cannot be recorded must not go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import OpsctlError, StoreError
from opsctl.events.journal import Journal, read
from opsctl.events.redact import Redactor
from opsctl.runs.progress import Progress
from opsctl.runs.recorder import Recorder


class Quiet:
    """A view that counts, and breaks when told to."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.broken = False

    def stopping(self, *, again: bool) -> None:
        raise AssertionError

    def show(self, record: dict[str, Any], progress: Progress) -> None:
        if self.broken:
            raise ValueError("a view with an error in it")
        self.shown.append(record)


def recorder(tmp_path: Path, view: Quiet, stopped: list[int]) -> tuple[Recorder, Journal]:
    journal = Journal(tmp_path / "j.ndjson")
    return Recorder(journal, Redactor(["hunter2222"]), view, lambda: stopped.append(1)), journal


def said(number: int) -> dict[str, Any]:
    return {"event": "verbose", "stdout": f"line {number} hunter2222"}


def test_events_are_redacted_then_recorded_then_shown(tmp_path: Path) -> None:
    view = Quiet()
    made, _ = recorder(tmp_path, view, [])
    for number in range(100):
        made.put(said(number))
    made.finish()
    found = list(read(tmp_path / "j.ndjson"))
    assert found == view.shown
    assert [record["stdout"] for record in found] == [f"line {number} ******" for number in range(100)]


def test_a_full_queue_loses_nothing(tmp_path: Path) -> None:
    made, _ = recorder(tmp_path, Quiet(), [])
    for number in range(25_000):
        made.put(said(number))
    made.finish()
    assert sum(1 for _ in read(tmp_path / "j.ndjson")) == 25_000


def test_a_journal_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    stopped: list[int] = []
    made, journal = recorder(tmp_path, Quiet(), stopped)
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, journal._file)
    for number in range(100):
        made.put(said(number))
    made.put({"event": "playbook_on_task_start", "event_data": {"name": "Next"}})
    with pytest.raises(StoreError):
        made.finish()
    assert stopped == [1]


def test_an_error_nobody_foresaw_stops_the_run_too(tmp_path: Path) -> None:
    stopped: list[int] = []
    view = Quiet()
    view.broken = True
    made, _ = recorder(tmp_path, view, stopped)
    for number in range(100):
        made.put(said(number))
    with pytest.raises(OpsctlError, match="Cannot record the run: ValueError: a view with an error in it"):
        made.finish()
    assert stopped == [1]
