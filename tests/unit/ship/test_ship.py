"""A shipper that is killed, loses its own state, or meets journals that a power cut has shortened."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opsctl.clock import uuid7
from opsctl.db.engine import opened
from opsctl.errors import DiskFull
from opsctl.events.journal import Journal
from opsctl.events.ship.answer import Item, Trouble
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.ship import Shipper
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry


class Killed(BaseException):
    """What a kill looks like to the code it hits."""


class Memory:
    """A server that stores documents by index and id."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], dict[str, Any]] = {}
        self.before: Callable[[], None] | None = None
        self.after: Callable[[], None] | None = None

    def call(self, method: str, path: str, body: Any = None, **_params: str) -> dict[str, Any]:
        if method == "GET":
            raise Trouble("not there", 404)
        return {}

    def bulk(self, lines: Sequence[bytes]) -> list[Item]:
        if self.before is not None:
            self.before()
        answers = []
        for line in lines:
            action, document = line.split(b"\n")
            head = json.loads(action)["create"]
            key = head["_index"], head["_id"]
            answers.append(Item(409 if key in self.stored else 201))
            self.stored.setdefault(key, json.loads(document))
        if self.after is not None:
            self.after()
        return answers


def shipper(home: Path, server: Memory, **options: Any) -> Shipper:
    made = Shipper(home, Elasticsearch(url="http://x", patience=0.01, chunk_documents=3, **options))
    made._server = server  # type: ignore[assignment]
    return made


def note(home: Path, run: str, *texts: str) -> None:
    journal = Journal(home / "journal" / f"{run}.ndjson")
    for text in texts:
        journal.append({"time": "2026-11-21T15:00:00.000000Z", "event": "host_ok", "host": "h", "stdout": text})
    journal.close()


@pytest.fixture
def server() -> Memory:
    return Memory()


def texts(server: Memory, run: str) -> list[str]:
    found = [each for each in server.stored.values() if each.get("trace", {}).get("id") == run]
    return [each["message"].splitlines()[0] for each in sorted(found, key=lambda each: each["event"]["sequence"])]


_DEATHS = (Killed(), Trouble("gone"), Trouble("no", 403))


class Life(RuleBasedStateMachine):
    """Runs write, shippers come and are killed. In the end all that was written is there, once."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="opsctl-ship-"))
        self.server = Memory()
        self.runs = [uuid7(), uuid7()]
        self.book = Ledger(opened(self.home), self.home / "ledger.head")
        self.count = 0

    @rule(which=st.integers(0, 1), count=st.integers(1, 7))
    def write(self, which: int, count: int) -> None:
        note(self.home, self.runs[which], *(f"event {self.count + n}" for n in range(count)))
        self.count += count

    @rule()
    def record(self) -> None:
        self.book.append(Entry("asked", self.runs[0], {"name": "ann"}, "here", {"n": self.count}))
        self.count += 1

    @rule()
    def ship(self) -> None:
        assert shipper(self.home, self.server).flush().trouble == ""

    @rule(
        after=st.booleans(),
        at=st.integers(1, 4),
        death=st.sampled_from([Killed(), Trouble("gone"), Trouble("no", 403)]),
    )
    def ship_and_die(self, after: bool, at: int, death: BaseException) -> None:
        """`after`: the server has taken the chunk, and nobody hears of it."""
        left = at

        def die() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise death

        setattr(self.server, "after" if after else "before", die)
        with suppress(Killed):
            shipper(self.home, self.server).flush()
        self.server.before = self.server.after = None

    @rule(damaged=st.booleans())
    def lose_the_state(self, damaged: bool) -> None:
        state = self.home / "spool" / "ship.db"
        for side in ("-wal", "-shm"):
            state.with_name(state.name + side).unlink(missing_ok=True)
        if damaged and state.exists():
            state.write_bytes(b"this is no database at all" * 100)
        else:
            state.unlink(missing_ok=True)

    @precondition(lambda self: any((self.home / "journal").glob("*")))
    @rule(which=st.integers(0, 1))
    def half_a_line(self, which: int) -> None:
        """A writer that is in the middle of a line."""
        path = self.home / "journal" / f"{self.runs[which]}.ndjson"
        if path.exists():
            with path.open("ab") as file:
                file.write(b'{"seq":99,"ti')
            shipper(self.home, self.server).flush()

    @invariant()
    def nothing_is_there_that_was_not_written(self) -> None:
        for run in self.runs:
            path = self.home / "journal" / f"{run}.ndjson"
            if path.exists():
                there = [each["event"]["sequence"] for each in self.server.stored.values() if _of(each, run)]
                assert len(there) == len(set(there))
                assert len(there) <= path.read_bytes().count(b"\n")

    def teardown(self) -> None:
        assert shipper(self.home, self.server).flush().trouble == ""
        for run in self.runs:
            path = self.home / "journal" / f"{run}.ndjson"
            written = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
            assert texts_of(self.server, run) == [json.loads(line)["stdout"] for line in written]
        audit = [each for (index, _id), each in self.server.stored.items() if "audit" in index]
        assert sorted(each["event"]["sequence"] for each in audit) == [record.seq for record in self.book.records()]
        assert set(shipper(self.home, self.server).waiting()) == set(self.half())
        shutil.rmtree(self.home)

    def half(self) -> Iterator[str]:
        for path in (self.home / "journal").glob("*.ndjson"):
            if not path.read_bytes().endswith(b"\n"):
                yield path.stem


def _of(document: dict[str, Any], run: str) -> bool:
    return document["event"]["dataset"] != "opsctl.audit" and bool(document["trace"]["id"] == run)


def texts_of(server: Memory, run: str) -> list[str]:
    found = [each for each in server.stored.values() if _of(each, run)]
    return [each["message"].splitlines()[0] for each in sorted(found, key=lambda each: each["event"]["sequence"])]


Life.TestCase.settings = settings(max_examples=10, stateful_step_count=12, deadline=None)
TestLife = Life.TestCase


def test_what_a_power_cut_took_back_and_was_written_anew_is_sent_too(tmp_path: Path, server: Memory) -> None:
    """The numbers are the same, the events are others: both are there, the first of them was acknowledged."""
    run = uuid7()
    note(tmp_path, run, "one", "two", "three")
    shipper(tmp_path, server).flush()
    path = tmp_path / "journal" / f"{run}.ndjson"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    note(tmp_path, run, "other", "and more", "and more again")
    shipper(tmp_path, server).flush()
    assert texts(server, run) == ["one", "two", "other", "three", "and more", "and more again"]


def test_a_line_that_is_damaged_does_not_stop_what_follows(tmp_path: Path, server: Memory) -> None:
    run = uuid7()
    note(tmp_path, run, "one")
    path = tmp_path / "journal" / f"{run}.ndjson"
    with path.open("ab") as file:
        file.write(b"\0\0\0\n{}\n[1]\n")
        file.write(b'{"seq":9,"event":"host_ok","time":"2026-11-21T15:00:00Z","data":{"duration":1e999}}\n')
        file.write(b'{"seq":9,\xff\xff,"stdout":"' + b"x" * (5 << 20) + b'"}\n')
        file.write(b'{"seq":2,"time":"2026-11-21T15:00:00Z","event":"host_ok","stdout":"last"}\n')
    one = shipper(tmp_path, server)
    report = one.flush()
    assert (report.trouble, report.counts["acked"], report.counts["dead"]) == ("", 2, 5)
    assert texts(server, run) == ["one", "last"]
    assert all("is not a record" in letter.reason for letter in one.dead.letters())
    assert shipper(tmp_path, server).flush().counts.total() == 0


def test_too_much_that_waits_is_passed_over_counted_and_told(tmp_path: Path, server: Memory) -> None:
    runs = [uuid7() for _ in range(3)]
    for run in runs:
        note(tmp_path, run, *("x" * 100_000 for _ in range(6)))
    book = Ledger(opened(tmp_path), tmp_path / "ledger.head")
    book.append(Entry("asked", "r", {"name": "ann"}, "here", {}))
    report = shipper(tmp_path, server, spool_bytes=1_300_000).flush()
    assert (report.counts["dropped"], report.counts["acked"]) == (6, 14)
    (tombstone,) = [each for each in server.stored.values() if each["event"]["kind"] == "pipeline_error"]
    assert (tombstone["trace"]["id"], tombstone["opsctl"]["missing"]) == (runs[0], 6)
    again = shipper(tmp_path, server, spool_bytes=1_300_000)
    assert again.flush().counts.total() == 0
    again.rewind([runs[0]])
    assert again.flush(complete=True).counts["acked"] == 6
    assert again.status()["counts"]["dropped"] == 6


def test_a_closed_way_opens_again_when_something_was_sent(tmp_path: Path, server: Memory) -> None:
    note(tmp_path, uuid7(), "one")

    def refuse() -> None:
        raise Trouble("no permission", 403)

    server.before = refuse
    one = shipper(tmp_path, server)
    assert one.flush().trouble == "no permission"
    first = one.state.circuit
    assert (first.reason, first.failures, first.open()) == ("no permission", 1, True)
    assert one.flush().trouble == "no permission"
    assert (one.state.circuit.failures, one.state.circuit.since) == (2, first.since)
    server.before = None
    assert one.flush().trouble == ""
    assert (one.state.circuit.failures, one.state.circuit.open()) == (0, False)


def test_a_clock_that_went_back_does_not_close_the_way_for_ever(tmp_path: Path, server: Memory) -> None:
    state = shipper(tmp_path, server).state
    state.circuit = replace(state.circuit, until=time.time() + 86400 * 365, failures=1, reason="x", since="y")
    assert (state.circuit.open(), state.circuit.left) == (False, 0)


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, server: Memory) -> None:
    run = uuid7()
    note(tmp_path, run, *map(str, range(30)))
    one = shipper(tmp_path, server)
    pages = one.state._database.execute("PRAGMA page_count").fetchone()[0]
    one.state._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match="no space left"):
        one.state.note("filler", "x" * 1_000_000)
    one.state._database.execute("PRAGMA max_page_count = 1000000")
    assert one.flush().trouble == ""
    assert texts(server, run) == list(map(str, range(30)))


def test_cursors_of_journals_that_have_gone_are_forgotten(tmp_path: Path, server: Memory) -> None:
    run = uuid7()
    note(tmp_path, run, "one")
    one = shipper(tmp_path, server)
    one.flush()
    (tmp_path / "journal" / f"{run}.ndjson").unlink()
    one.flush()
    assert run not in one.state.cursors()


def test_going_back_in_time_sends_only_what_is_newer(tmp_path: Path, server: Memory) -> None:
    old, new = uuid7(), uuid7()
    note(tmp_path, old, "old")
    note(tmp_path, new, "new")
    os.utime(tmp_path / "journal" / f"{old}.ndjson", (1000, 1000))
    one = shipper(tmp_path, server)
    one.flush()
    one.rewind([], time.time() - 60)
    report = one.flush()
    assert (report.counts["duplicate"], report.counts["acked"]) == (1, 0)
