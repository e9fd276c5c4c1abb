"""Exports: nothing is lost, nothing can be changed unseen by somebody who has only the file and the public key."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.db.engine import opened
from opsctl.errors import StoreError, UsageError
from opsctl.ledger.book import Ledger
from opsctl.ledger.export import first_of, jsonl, table, target
from opsctl.ledger.key import PublicKey, make
from opsctl.ledger.outside import inspect
from opsctl.ledger.record import Entry, canonical, digest

RUNS = 4
RECORDS = RUNS * 2 + 1


def ledger_at(home: Path) -> Ledger:
    return Ledger(opened(home), home / "ledger.head")


def fill(home: Path) -> Ledger:
    book = ledger_at(home)
    for number in range(RUNS):
        book.append(Entry("asked", f"run-{number}", {"name": "ann", "uid": 7}, "here", {"text": "héllo\udcff \r\n"}))
        book.append(Entry("finished", f"run-{number}", {"name": "ann", "uid": 7}, "here", {"status": "succeeded"}))
    book.append(Entry("asked", "=run", {"name": "+bob", "uid": 8}, "@here", {"text": 'a "quote", a\ttab'}))
    return book


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return fill(tmp_path)


@pytest.fixture(scope="module")
def exported() -> Iterator[tuple[list[str], PublicKey]]:
    with TemporaryDirectory() as directory:
        book = fill(Path(directory))
        yield list(jsonl(book, 1)), book.public_key()


def judged(lines: list[str], key: PublicKey, end: str = "\n") -> tuple[bool, int]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "export"
        path.write_text("\n".join(lines) + end)
        report = inspect(path, key)
        return report.sound, report.records


def test_an_export_holds_every_record_and_checkpoint(book: Ledger) -> None:
    lines = [json.loads(line) for line in jsonl(book, 1)]
    assert lines[0]["export"]["end"]["seq"] == RECORDS
    assert [line["record"]["seq"] for line in lines if "record" in line] == list(range(1, RECORDS + 1))
    assert [line["checkpoint"]["seq"] for line in lines if "checkpoint" in line] == [2, 4, 6, 8, 9]
    stored = [record.body for record in book.records()]
    assert [canonical(line["record"]) for line in lines if "record" in line] == stored


def test_a_third_party_verifies_it(exported: tuple[list[str], PublicKey]) -> None:
    assert judged(*exported) == (True, RECORDS)


def test_another_key_does_not_verify_it(exported: tuple[list[str], PublicKey], tmp_path: Path) -> None:
    assert not judged(exported[0], make(tmp_path / "key").public)[0]


@pytest.mark.parametrize("first", range(1, RECORDS + 1))
def test_a_part_of_it_verifies_too(book: Ledger, first: int) -> None:
    assert judged(list(jsonl(book, first)), book.public_key()) == (True, RECORDS - first + 1)


LINES = 1 + RECORDS + RUNS + 1
mutations = st.one_of(
    st.tuples(st.just("character"), st.integers(0, LINES - 1), st.integers(0, 2000)),
    st.tuples(st.just("remove"), st.integers(0, LINES - 1), st.just(0)),
    st.tuples(st.just("swap"), st.integers(0, LINES - 2), st.just(0)),
    st.tuples(st.just("move"), st.integers(0, LINES - 1), st.integers(0, LINES - 1)),
    st.tuples(st.just("double"), st.integers(0, LINES - 1), st.integers(0, LINES - 1)),
    st.tuples(st.just("cut"), st.integers(0, LINES - 1), st.just(0)),
    st.tuples(st.just("tear"), st.just(0), st.just(0)),
    st.tuples(st.just("rewrite"), st.integers(1, RECORDS), st.just(0)),
)


@given(mutation=mutations)
@settings(max_examples=400, deadline=None)
def test_any_change_of_an_export_is_found(
    exported: tuple[list[str], PublicKey], mutation: tuple[str, int, int]
) -> None:
    lines, key = exported
    changed = spoiled(lines, mutation)
    if changed != lines or mutation[0] == "tear":
        assert not judged(changed, key, "" if mutation[0] == "tear" else "\n")[0], mutation


def spoiled(lines: list[str], mutation: tuple[str, int, int]) -> list[str]:
    kind, at, to = mutation
    lines = list(lines)
    if kind == "character":
        to %= len(lines[at])
        lines[at] = lines[at][:to] + chr(ord(lines[at][to]) ^ 1) + lines[at][to + 1 :]
    elif kind == "remove":
        del lines[at]
    elif kind == "swap":
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    elif kind == "move":
        lines.insert(to, lines.pop(at))
    elif kind == "double":
        lines.insert(to, lines[at])
    elif kind == "cut":
        del lines[at:]
    elif kind == "rewrite":
        # All hashes are made to fit again, also those that header and checkpoints name; the signatures cannot be.
        return recomputed(lines, at)
    return lines


def recomputed(lines: list[str], seq: int) -> list[str]:
    said = [json.loads(line) for line in lines]
    hashes, previous = {}, "0" * 64
    for line in said:
        if "record" in line:
            if line["record"]["seq"] == seq:
                line["record"]["requester"] = {"name": "eve", "uid": 0}
            line["record"]["previous"] = previous
            previous = line["hash"] = hashes[line["record"]["seq"]] = digest(canonical(line["record"]))
    said[0]["export"]["end"]["hash"] = previous
    for line in said:
        if "checkpoint" in line:
            line["checkpoint"]["hash"] = hashes[line["checkpoint"]["seq"]]
    return [canonical(line) for line in said]


def test_a_header_kept_over_a_rewritten_export_does_not_help(exported: tuple[list[str], PublicKey]) -> None:
    lines, key = exported
    assert not judged([lines[0], *recomputed(lines, 3)[1:]], key)[0]
    kept = [old if "checkpoint" in old[:15] else new for old, new in zip(lines, recomputed(lines, 3), strict=True)]
    assert not judged([lines[0], *kept[1:]], key)[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET kind = 'x' WHERE seq = 3",
        "UPDATE ledger SET body = 'x' WHERE seq = 3",
        "UPDATE ledger SET body = '1' WHERE seq = 3",
        "UPDATE ledger SET body = body || ' ' WHERE seq = 3",
        "UPDATE ledger SET hash = 'x\"' WHERE seq = 3",
        "DELETE FROM ledger WHERE seq = 3",
        "DELETE FROM ledger WHERE seq = 4",
    ],
)
def test_damage_in_the_store_is_exported_and_found(book: Ledger, tmp_path: Path, statement: str) -> None:
    with sqlite3.connect(tmp_path / "opsctl.db") as connection:
        connection.execute(statement)
    connection.close()
    lines = list(jsonl(book, 1))
    assert len(lines) == LINES - statement.startswith("DELETE")
    assert not judged(lines, book.public_key())[0]


@given(st.lists(st.text(max_size=60), max_size=4))
def test_what_is_no_export_is_said(lines: list[str]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "export"
        path.write_text("\n".join(lines), errors="replace")
        assert not inspect(path, make(Path(directory) / "key").public).sound


def test_a_table_for_people_follows_the_standard_and_is_no_formula(book: Ledger) -> None:
    text = "".join(f"{line}\r\n" for line in table(book, 1))
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["seq"] for row in rows] == [str(number) for number in range(1, RECORDS + 1)]
    assert (rows[-1]["run_id"], rows[-1]["requester"], rows[-1]["host"]) == ("'=run", "'+bob", "'@here")
    assert json.loads(rows[-1]["data"]) == {"text": 'a "quote", a\ttab'}
    assert (rows[0]["requester"], rows[0]["uid"], rows[0]["host"]) == ("ann", "7", "here")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_since_is_a_number_or_a_time(book: Ledger) -> None:
    third = next(record.time for record in book.records() if record.seq == 3)
    assert [first_of(book, since) for since in (None, "3", third, "2020-01-01")] == [1, 3, 3, 1]
    for since in ("", "0", "-1", "yesterday", "2999-01-01", "9" * 40):
        with pytest.raises(UsageError, match="--since"):
            first_of(book, since)


def test_nothing_to_export_is_said(book: Ledger, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for ledger, first in ((ledger_at(empty), 1), (book, 99)):
        with pytest.raises(UsageError, match="Nothing to export"):
            list(jsonl(ledger, first))


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        _fail_while_writing(path)
    assert (path.read_text(), [each.name for each in tmp_path.iterdir()]) == ("old", ["export"])
    with target(path) as file:
        file.write("new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    with pytest.raises(StoreError, match="Cannot use"), target(tmp_path / "missing" / "export"):
        pass


def _fail_while_writing(path: Path) -> None:
    with target(path) as file:
        file.write("half")
        raise RuntimeError
