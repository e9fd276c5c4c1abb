"""The journal: numbered without gaps, whatever is in it and however its writer ended."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import StoreError
from opsctl.events.journal import Journal, encode, follow, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.fixed_dictionaries({"event": st.text(), "data": VALUES}), max_size=12)


def written(path: Path, records: list[dict[str, Any]]) -> None:
    journal = Journal(path)
    for record in records:
        journal.append(record)
    journal.close()


@given(records=RECORDS)
def test_what_is_written_is_read(records: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, "j.ndjson")
        written(path, records)
        assert list(read(path)) == [{"seq": number, **record} for number, record in enumerate(records, 1)]


@given(records=RECORDS, more=RECORDS, cut=st.integers(0, 3000), tail=st.binary(max_size=40))
def test_a_torn_end_is_dropped_and_numbers_go_on(
    records: list[dict[str, Any]], more: list[dict[str, Any]], cut: int, tail: bytes
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, "j.ndjson")
        written(path, records)
        whole = path.read_bytes()
        kept = whole[: min(cut, len(whole))]
        survivors = kept.count(b"\n")
        torn = tail.replace(b"\n", b"") if kept.endswith(b"\n") or not kept else b""
        path.write_bytes(kept + torn)
        assert len(list(read(path))) == survivors
        written(path, more)
        found = list(read(path))
        assert [record["seq"] for record in found] == list(range(1, survivors + len(more) + 1))
        assert [{k: v for k, v in record.items() if k != "seq"} for record in found] == records[:survivors] + more


def test_text_that_is_not_unicode_survives(tmp_path: Path) -> None:
    odd = b"\xff\xfe\x00ok".decode("utf-8", "surrogateescape")
    written(tmp_path / "j", [{"event": "x", "stdout": odd}])
    assert next(read(tmp_path / "j"))["stdout"] == odd


def test_a_damaged_line_is_said_with_its_place(tmp_path: Path) -> None:
    written(tmp_path / "j", [{"event": "a"}, {"event": "b"}])
    text = (tmp_path / "j").read_text()
    (tmp_path / "j").write_text(text.replace('"b"', "b"))
    with pytest.raises(StoreError, match=rf"damaged at byte {text.index(chr(10)) + 1}"):
        list(read(tmp_path / "j"))


@given(records=RECORDS, garbage=st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=3))
def test_a_journal_with_damaged_lines_goes_on_after_them(records: list[dict[str, Any]], garbage: list[bytes]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, "j.ndjson")
        written(path, records)
        with path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in garbage) + b"\0\0torn")
        written(path, [{"event": "after"}])
        found = list(read(path, sound=False))
        assert [record["seq"] for record in found] == [*range(1, len(records) + 1), len(records) + len(garbage) + 1]
        assert path.read_bytes().count(b"\n") == len(records) + len(garbage) + 1
        if garbage:
            with pytest.raises(StoreError, match="damaged at byte"):
                list(read(path))


def test_a_journal_is_repaired_across_the_blocks_it_is_read_in(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, [{"event": "large", "stdout": "x" * 3_000_000}, {"event": "small"}])
    with path.open("ab") as file:
        file.write(b"y" * 2_500_000 + b"\n" + b"z" * 1_500_000)
    written(path, [{"event": "after"}])
    assert [record["seq"] for record in read(path, sound=False)] == [1, 2, 4]


def test_reading_begins_after_a_number(tmp_path: Path) -> None:
    written(tmp_path / "j", [{"event": str(number)} for number in range(5)])
    assert [record["seq"] for record in read(tmp_path / "j", after=3)] == [4, 5]


def test_a_journal_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the journal is gone"):
        list(read(tmp_path / "none"))


def test_following_gets_all_until_it_is_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    over = threading.Event()

    def write() -> None:
        for number in range(200):
            journal.append({"event": str(number)})
            if number % 7 == 0:
                journal.flush()
        journal.close()
        over.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert [record["seq"] for record in follow(tmp_path / "j", over.is_set, 0.001)] == list(range(1, 201))
    thread.join()


def test_a_large_backlog_is_written_without_being_asked(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for _ in range(30):
        journal.append({"event": "x", "stdout": "y" * 100_000})
    assert (tmp_path / "j").stat().st_size > 1_000_000
    journal.close()


def test_a_line_is_one_line() -> None:
    line = encode({"seq": 1, "stdout": "a\nb\r\u2028c"})
    assert line.count(b"\n") == 1
    assert json.loads(line)["stdout"] == "a\nb\r\u2028c"


@pytest.mark.parametrize("after", [0.01, 0.03, 0.06])
def test_killed_while_writing_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path, after: float) -> None:
    path = tmp_path / "j"
    for _ in range(3):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            journal = Journal(path)
            while True:
                last = journal.append({"event": "x", "stdout": "y" * 3000})["seq"]
                if last % 10 == 0:
                    journal.sync()
                    os.write(theirs, b"%d " % last)
        os.close(theirs)
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(ours, "rb") as told:
            acknowledged = [int(number) for number in told.read().split()]
        seqs = [record["seq"] for record in read(path)] if path.exists() else []
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= max(acknowledged, default=0)
