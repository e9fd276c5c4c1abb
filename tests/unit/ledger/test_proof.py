"""Signed checkpoints: who has no key cannot rewrite the ledger, an export of it or its checkpoints unseen."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.db.engine import opened
from opsctl.errors import ConfigError, StoreError, UsageError
from opsctl.ledger.audit import audit
from opsctl.ledger.book import Ledger
from opsctl.ledger.checkpoint import parse
from opsctl.ledger.key import make, read_public
from opsctl.ledger.record import GENESIS, Entry, canonical, digest
from opsctl.ledger.verify import NOTES, Chain, Signed
from opsctl.ledger.witness import FileWitness, GitWitness, named

RUNS = 4
RECORDS = RUNS * 3


def entries(number: int) -> list[Entry]:
    data: list[tuple[str, dict[str, Any]]] = [("asked", {"number": number}), ("decided", {"verdict": "allow"})]
    data.append(("finished", {"status": "succeeded"}))
    return [Entry(kind, f"run-{number}", {"name": "ann", "uid": 7}, "here", said) for kind, said in data]


def ledger_at(home: Path) -> Ledger:
    return Ledger(opened(home), home / "ledger.head")


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    with TemporaryDirectory() as directory:
        home = Path(directory)
        book = ledger_at(home)
        for number in range(RUNS):
            for entry in entries(number):
                book.append(entry)
        with sqlite3.connect(home / "opsctl.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield home


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "home"))


def lines(home: Path) -> list[str]:
    return (home / "ledger.checkpoints").read_text().splitlines()


def change(home: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(home / "opsctl.db") as connection:
        connection.execute(statement, values)
    connection.close()


def rewrite(home: Path, seq: int, name: str = "bob") -> None:
    """Change who asked in one record, and make chain and head pointer fit again: an attacker without the key."""
    with sqlite3.connect(home / "opsctl.db") as connection:
        previous = GENESIS
        for number, body in connection.execute("SELECT seq, body FROM ledger ORDER BY seq").fetchall():
            said = json.loads(body) | {"previous": previous}
            if number == seq:
                said["requester"]["name"] = name
            text = canonical(said)
            previous = digest(text)
            connection.execute("UPDATE ledger SET body = ?, hash = ? WHERE seq = ?", (text, previous, number))
    connection.close()
    (home / "ledger.head").write_text(json.dumps({"head": {"seq": RECORDS, "hash": previous}, "next": None}))


def found(home: Path) -> set[str]:
    return {finding.what for finding in audit(ledger_at(home)).findings if finding.grave}


def test_the_end_of_every_run_is_signed(home: Path) -> None:
    report = audit(ledger_at(home))
    assert (report.sound, report.checkpoints, report.findings) == (True, RUNS, ())
    assert [json.loads(line)["seq"] for line in lines(home)] == [3, 6, 9, 12]


def test_a_refused_run_is_signed(home: Path) -> None:
    ledger_at(home).append(Entry("decided", "r", {}, "here", {"verdict": "deny"}))
    assert json.loads(lines(home)[-1])["seq"] == RECORDS + 1


def test_the_key_is_for_its_owner_alone_and_made_once(home: Path) -> None:
    key = home / "keys" / "ledger"
    before = key.read_bytes()
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    ledger_at(home).append(*entries(9))
    assert key.read_bytes() == before


@given(seq=st.integers(1, RECORDS))
@settings(max_examples=RECORDS, deadline=None)
def test_a_recomputed_chain_is_found(original: Path, seq: int) -> None:
    with TemporaryDirectory() as directory:
        home = Path(shutil.copytree(original, Path(directory) / "home"))
        rewrite(home, seq)
        assert "differs" in found(home)
        ledger_at(home).append(*entries(9))
        assert "differs" in found(home), "also after another run was signed"


def test_a_chain_recomputed_without_an_edit_is_the_same(home: Path) -> None:
    rewrite(home, 2, name="ann")
    assert audit(ledger_at(home)).sound


def test_a_tail_cut_off_with_a_new_head_is_found(home: Path) -> None:
    change(home, "DELETE FROM ledger WHERE seq > 7")
    (last,) = [record for record in ledger_at(home).records() if record.seq == 7]
    (home / "ledger.head").write_text(json.dumps({"head": {"seq": 7, "hash": last.hash}, "next": None}))
    assert found(home) == {"missing"}


spoiled = st.one_of(
    st.tuples(st.just("character"), st.integers(0, RUNS - 1), st.integers(0, 1000)),
    st.tuples(st.just("remove"), st.integers(0, RUNS - 2), st.just(0)),
    st.tuples(st.just("swap"), st.integers(0, RUNS - 2), st.just(0)),
    st.tuples(st.just("double"), st.integers(0, RUNS - 1), st.just(0)),
    st.tuples(st.just("cut"), st.integers(0, RUNS - 2), st.just(0)),
)


def spoil(text: list[str], mutation: tuple[str, int, int]) -> list[str]:
    kind, at, place = mutation
    text = list(text)
    if kind == "character":
        place %= len(text[at])
        text[at] = text[at][:place] + chr(ord(text[at][place]) ^ 1) + text[at][place + 1 :]
    elif kind == "remove":
        del text[at]
    elif kind == "swap":
        text[at], text[at + 1] = text[at + 1], text[at]
    elif kind == "double":
        text.insert(at, text[at])
    else:
        del text[at:]
    return text


@given(mutation=spoiled)
@settings(max_examples=120, deadline=None)
def test_any_change_of_the_checkpoints_is_found(original: Path, mutation: tuple[str, int, int]) -> None:
    with TemporaryDirectory() as directory:
        home = Path(shutil.copytree(original, Path(directory) / "home"))
        (home / "ledger.checkpoints").write_text("".join(f"{line}\n" for line in spoil(lines(home), mutation)))
        assert not audit(ledger_at(home)).sound


def test_a_chain_signed_with_another_key_is_found_with_the_public_key(home: Path) -> None:
    key = ledger_at(home).public_key()
    (home / "keys" / "ledger").unlink()
    (home / "ledger.checkpoints").unlink()
    rewrite(home, 5)
    ledger_at(home).checkpoint()
    assert audit(ledger_at(home)).sound, "nothing in the home can tell: the key was taken away"
    assert not audit(ledger_at(home), key=key).sound


def test_a_forged_checkpoint_is_never_built_upon(home: Path) -> None:
    last = json.loads(lines(home)[-1])
    forged = canonical(last | {"number": RUNS + 1, "hash": "0" * 64, "previous": digest(lines(home)[-1])})
    with (home / "ledger.checkpoints").open("a") as file:
        file.write(f"{forged}\n")
    ledger_at(home).append(*entries(9))
    assert json.loads(lines(home)[-1])["previous"] == digest(lines(home)[RUNS - 1])
    assert "forged" in found(home)


def test_a_checkpoint_that_was_not_written_is_made_up_for(home: Path) -> None:
    (home / "ledger.checkpoints").write_text("".join(f"{line}\n" for line in lines(home)[:-1]) + '{"torn')
    report = audit(ledger_at(home))
    assert (report.sound, [finding.what for finding in report.findings]) == (True, ["unsigned"])
    ledger_at(home).append(entries(9)[0])
    assert audit(ledger_at(home)).findings == ()


def test_a_home_from_before_there_were_checkpoints_goes_on(home: Path) -> None:
    shutil.rmtree(home / "keys")
    (home / "ledger.checkpoints").unlink()
    report = audit(ledger_at(home))
    assert (report.sound, [finding.what for finding in report.findings]) == (True, ["unsigned"])
    ledger_at(home).append(entries(9)[0])
    report = audit(ledger_at(home))
    assert (report.checkpoints, report.findings) == (1, ())


def test_a_lost_key_is_said_and_never_replaced(home: Path) -> None:
    (home / "keys" / "ledger").unlink()
    with pytest.raises(StoreError, match="restore it from a backup"):
        ledger_at(home).append(*entries(9))
    assert found(home) == {"unreadable"}
    assert audit(ledger_at(home)).records == RECORDS + 3


def test_an_unusable_key_is_said_in_one_line(home: Path) -> None:
    (home / "keys" / "ledger").write_text("nonsense")
    assert found(home) == {"unreadable"}


def test_public_keys_are_read_in_three_forms(tmp_path: Path) -> None:
    public = make(tmp_path / "key").public
    pem = tmp_path / "key.pem"
    pem.write_bytes(public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    ssh = public.key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert {str(read_public(text)) for text in (str(public), str(pem), ssh)} == {str(public)}


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:zz", "/nowhere", "ssh-ed25519 AAAA", "/dev/null"])
def test_what_is_no_public_key_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        read_public(text)


@given(st.text(max_size=40) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_no_line_can_break_the_reader(line: str) -> None:
    assert parse(line) is None


@pytest.fixture(params=["file", "git"])
def witness(request: pytest.FixtureRequest, tmp_path: Path) -> FileWitness | GitWitness:
    if request.param == "file":
        return FileWitness(tmp_path / "anchor")
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for name in ("name", "email"):
        subprocess.run(["git", "-C", str(repository), "config", f"user.{name}", "ann@example.com"], check=True)
    return GitWitness(repository)


def put(home: Path, witness: FileWitness | GitWitness) -> bool:
    newest = ledger_at(home).checkpoint()
    assert newest is not None
    return witness.put(newest)


def test_an_anchor_agrees_until_the_ledger_is_rewritten(home: Path, witness: FileWitness | GitWitness) -> None:
    assert [put(home, witness), put(home, witness)] == [True, False]
    assert audit(ledger_at(home), [witness]).findings == ()
    ledger_at(home).append(*entries(9))
    report = audit(ledger_at(home), [witness])
    assert (report.sound, [finding.what for finding in report.findings]) == (True, ["behind"])
    assert put(home, witness)
    assert audit(ledger_at(home), [witness]).findings == ()


def test_an_anchor_finds_what_was_signed_again(home: Path, witness: FileWitness | GitWitness) -> None:
    put(home, witness)
    rewrite(home, 5)
    # Whoever stole the key makes all checkpoints anew; the anchor still has the old one.
    (home / "ledger.checkpoints").unlink()
    ledger_at(home).checkpoint()
    assert audit(ledger_at(home)).sound
    report = audit(ledger_at(home), [witness])
    assert [(finding.what, finding.seq) for finding in report.findings] == [("differs", RECORDS)]
    assert witness.name in report.findings[0].text


def test_an_anchor_that_cannot_be_read_is_not_passed_over(home: Path, witness: FileWitness | GitWitness) -> None:
    report = audit(ledger_at(home), [witness])
    assert [finding.what for finding in report.findings if finding.grave] == ["unreadable"]


def test_an_anchor_of_the_settings_is_found_by_its_name(tmp_path: Path) -> None:
    assert named(f"file:{tmp_path}/a").name == f"file:{tmp_path}/a"
    assert named(f"git:{tmp_path}").name == f"git:{tmp_path}"
    for text in ("", "file:", "ftp:x", "elasticsearch:x"):
        with pytest.raises(ConfigError, match="audit_anchors"):
            named(text)


def test_an_anchor_is_never_made_where_a_mount_is_missing(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Cannot use"):
        put(home, FileWitness(tmp_path / "missing" / "anchor"))
    with pytest.raises(StoreError, match="Cannot use git"):
        put(home, GitWitness(tmp_path / "missing"))


def test_the_document_explains_every_finding() -> None:
    text = (Path(__file__).parents[3] / "docs/audit.md").read_text(encoding="utf-8")
    told = {
        name: sound
        for names, sound in re.findall(r"^\| (`.*`) \| .* \| (yes|no) \|$", text, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert set(told) == {*get_args(Chain), *get_args(Signed)}
    assert {name for name, sound in told.items() if sound == "yes"} == set(NOTES)


def test_an_anchor_is_compared_with_records_read_after_it(home: Path, tmp_path: Path) -> None:
    class Late(FileWitness):
        def lines(self) -> Callable[[], Iterable[str]]:
            ledger_at(home).append(*entries(9))
            put(home, self)
            return super().lines()

    assert audit(ledger_at(home), [Late(tmp_path / "anchor")]).findings == ()
