"""The ledger's promise: whatever is done to the stored records, verification finds it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.db.engine import opened
from opsctl.ledger.anchor import Point
from opsctl.ledger.audit import audit
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry, canonical, digest, seal

RECORDS = 12
COLUMNS = ("seq", "time", "kind", "run_id", "body", "hash")


def entry(number: int = 0) -> Entry:
    return Entry("asked", f"run-{number}", {"name": "ann", "uid": 7}, "here", {"number": number, "text": "héllo"})


def ledger_at(home: Path) -> Ledger:
    return Ledger(opened(home), home / "ledger.head")


@pytest.fixture(scope="module")
def original() -> Iterator[bytes]:
    """The database file of a sound ledger of RECORDS records."""
    with TemporaryDirectory() as directory:
        home = Path(directory)
        book = ledger_at(home)
        book.append(*(entry(number) for number in range(RECORDS // 2)))
        for number in range(RECORDS // 2, RECORDS):
            book.append(entry(number))
        with sqlite3.connect(home / "opsctl.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield json.dumps(
            {"db": (home / "opsctl.db").read_bytes().hex(), "head": (home / "ledger.head").read_text()}
        ).encode()


@pytest.fixture
def home(original: bytes, tmp_path: Path) -> Path:
    return unpack(original, tmp_path)


def unpack(original: bytes, place: Path) -> Path:
    said = json.loads(original)
    (place / "opsctl.db").write_bytes(bytes.fromhex(said["db"]))
    (place / "ledger.head").write_text(said["head"])
    return place


def rows(home: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(home / "opsctl.db") as connection:
        return connection.execute("SELECT seq, time, kind, run_id, body, hash FROM ledger ORDER BY seq").fetchall()


def change(home: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(home / "opsctl.db") as connection:
        connection.execute(statement, values)


def test_an_untouched_ledger_is_sound(home: Path) -> None:
    report = audit(ledger_at(home))
    assert (report.sound, report.records, report.findings) == (True, RECORDS, ())


def test_records_continue_each_other(home: Path) -> None:
    records = list(ledger_at(home).records())
    assert [record.seq for record in records] == list(range(1, RECORDS + 1))
    assert [r.content["previous"] for r in records[1:]] == [r.hash for r in records[:-1]]
    assert all(digest(record.body) == record.hash for record in records)


mutations = st.one_of(
    st.tuples(st.just("change"), st.integers(1, RECORDS), st.sampled_from(COLUMNS[1:]), st.text(max_size=8)),
    st.tuples(st.just("character"), st.integers(1, RECORDS), st.sampled_from(COLUMNS[1:]), st.integers(0, 2000)),
    st.tuples(st.just("remove"), st.integers(1, RECORDS)),
    st.tuples(st.just("cut"), st.integers(1, RECORDS)),
    st.tuples(st.just("swap"), st.integers(1, RECORDS), st.integers(1, RECORDS)),
    st.tuples(st.just("renumber"), st.integers(1, RECORDS), st.integers(-3, RECORDS + 5)),
    st.tuples(st.just("add"), st.integers(1, RECORDS), st.integers(-3, RECORDS + 5)),
    st.tuples(st.just("forge"), st.integers(1, 3)),
    st.tuples(st.just("reseal"), st.integers(1, RECORDS)),
)


@given(mutation=mutations)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_single_mutation_is_found(original: bytes, mutation: tuple[object, ...]) -> None:
    with TemporaryDirectory() as directory:
        home = unpack(original, Path(directory))
        before = rows(home)
        try:
            mutate(home, mutation)
        except sqlite3.IntegrityError:
            return
        if rows(home) == before:
            return
        report = audit(ledger_at(home))
        assert not report.sound, mutation
        assert all(finding.text for finding in report.findings)


def mutate(home: Path, mutation: tuple[object, ...]) -> None:
    kind, *values = mutation
    stored = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows(home)}
    if kind == "change":
        change(home, f"UPDATE ledger SET {values[1]} = ? WHERE seq = ?", values[2], values[0])  # noqa: S608
    elif kind == "character":
        text = str(stored[values[0]][str(values[1])])
        place = int(str(values[2])) % len(text)
        other = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        change(home, f"UPDATE ledger SET {values[1]} = ? WHERE seq = ?", other, values[0])  # noqa: S608
    elif kind == "remove":
        change(home, "DELETE FROM ledger WHERE seq = ?", values[0])
    elif kind == "cut":
        change(home, "DELETE FROM ledger WHERE seq >= ?", values[0])
    elif kind == "swap":
        one, another = values
        if one != another:
            change(home, "UPDATE ledger SET seq = -1000 WHERE seq = ?", one)
            change(home, "UPDATE ledger SET seq = ? WHERE seq = ?", one, another)
            change(home, "UPDATE ledger SET seq = ? WHERE seq = -1000", another)
    elif kind == "renumber":
        change(home, "UPDATE ledger SET seq = ? WHERE seq = ?", values[1], values[0])
    elif kind == "add":
        row = stored[values[0]] | {"seq": values[1]}
        change(home, "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", *row.values())
    elif kind == "forge":
        # Somebody who knows how records are made continues the chain himself.
        point = Point(RECORDS, str(stored[RECORDS]["hash"]))
        for _ in range(int(str(values[0]))):
            record = seal(entry(), point.seq + 1, point.hash, "2026-01-01T00:00:00.000000Z")
            point = Point(record.seq, record.hash)
            change(home, "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", *(getattr(record, name) for name in COLUMNS))
    elif kind == "reseal":
        # Changes a record and makes its own hash fit again.
        row = stored[values[0]]
        body = json.loads(str(row["body"]))
        body["data"]["number"] = 99
        text = canonical(body)
        change(home, "UPDATE ledger SET body = ?, hash = ? WHERE seq = ?", text, digest(text), values[0])


@pytest.mark.parametrize(
    ("statement", "what", "seq"),
    [
        ("UPDATE ledger SET kind = 'decided' WHERE seq = 5", "changed", 5),
        ("UPDATE ledger SET body = replace(body, 'ann', 'bob') WHERE seq = 5", "changed", 5),
        ("DELETE FROM ledger WHERE seq = 5", "removed", 5),
        ("DELETE FROM ledger WHERE seq > 9", "truncated", 10),
        ("UPDATE ledger SET seq = 99 WHERE seq = 5", "removed", 5),
        ("INSERT INTO ledger SELECT 0, time, kind, run_id, body, hash FROM ledger WHERE seq = 3", "added", 0),
        ("INSERT INTO ledger SELECT 13, time, kind, run_id, body, hash FROM ledger WHERE seq = 3", "added", 13),
    ],
)
def test_the_finding_says_what_and_where(home: Path, statement: str, what: str, seq: int) -> None:
    change(home, statement)
    findings = audit(ledger_at(home)).findings
    assert (what, seq) in {(finding.what, finding.seq) for finding in findings}
    assert str(seq) in next(finding.text for finding in findings if finding.what == what)


def test_one_change_gives_one_finding(home: Path) -> None:
    change(home, "UPDATE ledger SET hash = 'x' WHERE seq = 5")
    assert [(finding.seq, finding.what) for finding in audit(ledger_at(home)).findings] == [(5, "changed")]


def test_a_cut_tail_is_still_found_after_more_records(home: Path) -> None:
    change(home, "DELETE FROM ledger WHERE seq > 9")
    book = ledger_at(home)
    book.append(entry(100))
    found = {(finding.seq, finding.what) for finding in audit(book).findings}
    assert (10, "removed") in found
    assert next(iter(book.records(last=1))).seq == RECORDS + 1


def test_a_forged_tail_is_still_found_after_more_records(home: Path) -> None:
    mutate(home, ("forge", 2))
    book = ledger_at(home)
    book.append(entry(100))
    assert not audit(book).sound


def test_a_missing_head_pointer_is_said_and_recorded(home: Path) -> None:
    (home / "ledger.head").unlink()
    book = ledger_at(home)
    assert [finding.what for finding in audit(book).findings] == ["unanchored"]
    book.append(entry(100))
    report = audit(book)
    assert report.sound
    assert [(finding.what, finding.seq) for finding in report.findings] == [("reanchored", RECORDS + 1)]


def test_a_damaged_head_pointer_is_said(home: Path) -> None:
    (home / "ledger.head").write_text("{")
    assert [finding.what for finding in audit(ledger_at(home)).findings] == ["unanchored"]


def test_a_changed_head_pointer_is_found(home: Path) -> None:
    said = json.loads((home / "ledger.head").read_text())
    said["head"]["hash"] = "0" * 64
    (home / "ledger.head").write_text(json.dumps(said))
    assert not audit(ledger_at(home)).sound


@pytest.mark.parametrize("committed", [False, True])
def test_a_crash_between_announcement_and_confirmation_is_sound(home: Path, committed: bool) -> None:
    book = ledger_at(home)
    head = book.anchor.read()
    assert head is not None
    record = seal(entry(1), RECORDS + 1, head.head.hash, "2026-01-01T00:00:00.000000Z")
    book.anchor.announce(head.head, Point(record.seq, record.hash))
    if committed:
        change(home, "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", *(getattr(record, name) for name in COLUMNS))
    assert audit(book).sound
    book.append(entry(2))
    assert audit(book).sound
    assert audit(book).records == RECORDS + 1 + committed


def test_what_fails_within_a_transaction_records_nothing(home: Path) -> None:
    book = ledger_at(home)
    with pytest.raises(RuntimeError):
        _fail_after_appending(book)
    assert audit(book).records == RECORDS
    assert audit(book).sound


def _fail_after_appending(book: Ledger) -> None:
    with book.writing() as writing:
        writing.append(entry(1))
        raise RuntimeError


_APPEND = """
import sys
from pathlib import Path
from opsctl.db.engine import opened
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
home = Path(sys.argv[1])
book = Ledger(opened(home), home / "ledger.head")
for number in range(int(sys.argv[3])):
    book.append(*[Entry("asked", sys.argv[2], {}, "here", {"number": number})] * 3)
    print(number, flush=True)
"""


def test_several_processes_append_at_once(tmp_path: Path) -> None:
    # They also race to make the database.
    started = [
        subprocess.Popen([sys.executable, "-c", _APPEND, str(tmp_path), str(name), "15"], stdout=subprocess.DEVNULL)
        for name in range(4)
    ]
    assert [process.wait(120) for process in started] == [0] * 4
    report = audit(ledger_at(tmp_path))
    assert (report.records, report.findings) == (4 * 15 * 3, ())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_canonical_form_depends_on_the_value_alone(value: object) -> None:
    text = canonical(value)
    assert text.isascii()
    assert canonical(json.loads(text)) == text


def test_arguments_that_are_not_unicode_can_be_recorded(tmp_path: Path) -> None:
    book = ledger_at(tmp_path)
    book.append(Entry("asked", "r", {}, "here", {"text": b"\xff".decode("utf-8", "surrogateescape")}))
    assert audit(book).sound
