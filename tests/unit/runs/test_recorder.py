"""The recorder: what cannot be recorded must not go on."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import OpsctlError, StoreError
from opsctl.events.journal import Journal, read
from opsctl.events.redact import Redactor
from opsctl.runs.progress import Progress
from opsctl.runs.recorder import LOAD, Recorder


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


def output(host: str, text: str, stream: str = "stdout") -> dict[str, Any]:
    return {"event": "runner_on_output", "stdout": text, "event_data": {"host": host, "res": {"stream": stream}}}


def test_a_secret_between_two_pieces_of_a_host_is_masked(tmp_path: Path) -> None:
    made, _ = recorder(tmp_path, Quiet(), [])
    for event in (
        output("a", "x" * 70_000 + "hunt"),
        output("b", "not hunt"),
        output("a", "er2222 and more"),
        output("a", "hunter2222 hu", "stderr"),
        {"event": "runner_on_ok", "event_data": {"host": "a", "res": {"rc": 0}}},
        {"event": "runner_on_ok", "event_data": {"host": "b", "res": {"rc": 0}}},
    ):
        made.put(event)
    made.finish()
    found = list(read(tmp_path / "j.ndjson"))
    said_by = {
        (host, stream): "".join(
            record["stdout"]
            for record in found
            if record["event"] == "host_output" and (record["host"], record["data"]["res"]["stream"]) == (host, stream)
        )
        for host, stream in (("a", "stdout"), ("a", "stderr"), ("b", "stdout"))
    }
    assert said_by == {
        ("a", "stdout"): "x" * 70_000 + "****** and more",
        ("a", "stderr"): "****** hu",
        ("b", "stdout"): "not hunt",
    }
    ends = {record["host"]: record["seq"] for record in found if record["event"] == "host_ok"}
    assert all(record["seq"] < ends[record["host"]] for record in found if record["event"] == "host_output")


def test_what_a_host_said_before_it_was_lost_is_recorded_to_its_end(tmp_path: Path) -> None:
    made, _ = recorder(tmp_path, Quiet(), [])
    made.put(output("a", "working h"))
    made.finish()
    assert "".join(record["stdout"] for record in read(tmp_path / "j.ndjson")) == "working h"


def test_a_very_large_result_is_recorded_in_pieces_and_whole(tmp_path: Path) -> None:
    text = "".join(f"line {number} hunter2222\n" for number in range(50_000))
    result = {"rc": 0, "changed": True, "stdout": text, "stdout_lines": text.splitlines(), "stderr": "little"}
    made, _ = recorder(tmp_path, Quiet(), [])
    made.put({"event": "runner_on_ok", "event_data": {"host": "a", "task": "Print", "res": result}})
    made.finish()
    *pieces, last = read(tmp_path / "j.ndjson")
    assert "".join(record["stdout"] for record in pieces) == text.replace("hunter2222", "******")
    assert all(record["event"] == "host_output" and record["task"] == "Print" for record in pieces)
    assert all(len(record["stdout"]) <= 65_536 and record["stdout"].endswith("\n") for record in pieces)
    assert last["data"]["res"] == {
        "rc": 0,
        "changed": True,
        "stderr": "little",
        "output": {"stdout": len(text)},
    }


def test_large_events_wait_for_room_and_small_ones_do_not(tmp_path: Path) -> None:
    gate = threading.Event()

    class Slow(Quiet):
        def show(self, record: dict[str, Any], progress: Progress) -> None:
            gate.wait(30)
            super().show(record, progress)

    made, _ = recorder(tmp_path, Slow(), [])
    large = "y" * (LOAD // 2 + 1)
    made.put(output("a", large))
    for number in range(1000):
        made.put(said(number))
    assert made.stalls == 0
    feeder = threading.Thread(target=made.put, args=(output("a", large),))
    feeder.start()
    feeder.join(0.1)
    assert feeder.is_alive(), "a second large event was taken while the first waits"
    gate.set()
    feeder.join(30)
    made.finish()
    assert made.stalls == 1
    assert sum(len(record["stdout"]) for record in read(tmp_path / "j.ndjson") if record.get("host") == "a") == 2 * len(
        large
    )
