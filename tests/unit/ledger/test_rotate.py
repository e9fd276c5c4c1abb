"""Keys that hand over to one another: any of them proves the whole ledger, and an old one proves nothing new."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from opsctl.db.engine import opened
from opsctl.errors import StoreError
from opsctl.ledger.audit import audit
from opsctl.ledger.book import ROTATED, Ledger
from opsctl.ledger.checkpoint import Checkpoint, parse, signed
from opsctl.ledger.export import jsonl
from opsctl.ledger.key import Signer, load, make, public
from opsctl.ledger.outside import inspect
from opsctl.ledger.record import Entry, canonical
from opsctl.ledger.ring import ring
from opsctl.ledger.witness import FileWitness

ANN = {"name": "ann", "uid": 7}


def ledger_at(home: Path) -> Ledger:
    return Ledger(opened(home), home / "ledger.head")


def write(ledger: Ledger, count: int = 1) -> None:
    for number in range(count):
        ledger.append(Entry("asked", f"run-{number}", ANN, "here"), Entry("finished", f"run-{number}", ANN, "here"))


def lines(ledger: Ledger) -> list[str]:
    return list(ledger.checkpoints.lines(ledger.checkpoints.size()))


@pytest.fixture
def rotated(tmp_path: Path) -> tuple[Ledger, list[Signer]]:
    """A ledger that three keys have signed, and those keys."""
    ledger = ledger_at(tmp_path)
    keys = []
    for _ in range(2):
        write(ledger, 2)
        found = load(ledger.checkpoints.key)
        assert found is not None
        keys.append(found)
        ledger.rotate(ANN, "here")
    write(ledger, 2)
    return ledger, [*keys, ledger.signer()]


def test_any_of_the_keys_proves_all(rotated: tuple[Ledger, list[Signer]], tmp_path: Path) -> None:
    ledger, keys = rotated
    assert [str(key) for key in ring(keys[1].public, lines(ledger)).keys] == [str(key.public) for key in keys]
    export = tmp_path / "export"
    for first in (1, 6, 12):
        export.write_text("".join(f"{line}\n" for line in jsonl(ledger, first)))
        for key in keys:
            assert inspect(export, key.public).findings == ()
    for key in (None, *(key.public for key in keys)):
        assert audit(ledger, key=key).findings == ()
    records = [record.content for record in ledger.records() if record.kind == ROTATED]
    assert [record["data"]["new"] for record in records] == [str(key.public) for key in keys[1:]]


def test_another_key_proves_nothing(rotated: tuple[Ledger, list[Signer]], tmp_path: Path) -> None:
    ledger, _ = rotated
    other = make(tmp_path / "other").public
    assert not audit(ledger, key=other).sound
    export = tmp_path / "export"
    export.write_text("".join(f"{line}\n" for line in jsonl(ledger, 1)))
    assert not inspect(export, other).sound


def forge(ledger: Ledger, signer: Signer, keep: int, following: Signer | None = None) -> None:
    """Somebody with this key goes on after the first `keep` checkpoints."""
    whole = lines(ledger)
    last = parse(whole[keep - 1])
    newest = parse(whole[-1])
    assert last is not None
    assert newest is not None
    made = [signed(signer, last, last.ledger, newest.point, following.public if following else None)]
    if following:
        made.append(signed(following, made[0], last.ledger, newest.point))
    text = [*whole[:keep], *(line.line for line in made)]
    ledger.checkpoints.path.write_text("".join(f"{line}\n" for line in text))


def test_a_stolen_old_key_cannot_go_on_after_it_handed_over(rotated: tuple[Ledger, list[Signer]]) -> None:
    ledger, keys = rotated
    forge(ledger, keys[0], keep=len(lines(ledger)))
    for key in keys:
        assert "forged" in {finding.what for finding in audit(ledger, key=key.public).findings}


def test_a_stolen_old_key_cannot_deceive_who_trusts_a_newer_one(
    rotated: tuple[Ledger, list[Signer]], tmp_path: Path
) -> None:
    """It can branch off before the handover; that deceives only who knows no key but the stolen one."""
    ledger, keys = rotated
    anchor = FileWitness(tmp_path / "anchor")
    newest = ledger.checkpoint()
    assert newest is not None
    anchor.put(newest)
    mallory = make(tmp_path / "mallory")
    forge(ledger, keys[0], keep=2, following=mallory)
    for key in keys[1:]:
        assert not audit(ledger, key=key.public).sound
    assert not audit(ledger, [anchor], key=keys[0].public).sound, "an anchor has seen the true one"
    assert audit(ledger, key=keys[0].public).sound, "as docs/audit.md says"


def test_a_handover_that_was_changed_is_found(rotated: tuple[Ledger, list[Signer]], tmp_path: Path) -> None:
    ledger, keys = rotated
    whole = lines(ledger)
    mallory = make(tmp_path / "mallory")
    for index, line in enumerate(whole):
        found = parse(line)
        assert found is not None
        if found.next:
            changed = replace(found, next=str(mallory.public))
            text = [*whole[:index], changed.line, *whole[index + 1 :]]
            ledger.checkpoints.path.write_text("".join(f"{each}\n" for each in text))
            for key in keys:
                assert not audit(ledger, key=key.public).sound


def test_a_line_hands_over_with_both_keys_or_is_none() -> None:
    plain = Checkpoint("l", 1, 1, "h", "t", "p", "s")
    assert parse(plain.line) == plain
    assert "next" not in json.loads(plain.line)
    assert parse(replace(plain, key="ed25519:00", next="ed25519:01").line) is not None
    assert parse(replace(plain, next="ed25519:01").line) is None
    assert parse(canonical({**plain.plain, "next": ""})) is None
    assert parse(canonical({**plain.plain, "key": 1, "next": 2})) is None
    assert public("ed25519:xyz") is None


def test_the_old_private_key_is_kept_or_destroyed(tmp_path: Path) -> None:
    ledger = ledger_at(tmp_path)
    with pytest.raises(StoreError, match="no records yet"):
        ledger.rotate(ANN, "here")
    write(ledger)
    first = ledger.checkpoints.key.read_bytes()
    ledger.rotate(ANN, "here")
    second = ledger.checkpoints.key.read_bytes()
    ledger.rotate(ANN, "here", destroy=True)
    held = [path.read_bytes() for path in (tmp_path / "keys").iterdir()]
    assert (first in held, second in held, len(held)) == (True, False, 2)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "keys").iterdir())
    assert audit(ledger).findings == ()


def test_two_at_once_and_writers_between(tmp_path: Path) -> None:
    write(ledger_at(tmp_path))
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            status = 1
            try:
                mine = ledger_at(tmp_path)
                for _ in range(5):
                    mine.rotate(ANN, "here") if number else write(mine, 2)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    ledger = ledger_at(tmp_path)
    assert audit(ledger).findings == ()
    assert sum(record.kind == ROTATED for record in ledger.records()) == 10
    assert len(ring(ledger.public_key(), lines(ledger)).keys) == 11


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Real kills of a real process: afterwards each handover has its record, and the ledger goes on."""
    write(ledger_at(tmp_path))
    for _ in range(25):
        child = os.fork()
        if not child:
            try:
                mine = ledger_at(tmp_path)
                while True:
                    mine.rotate(ANN, "here", destroy=random.random() < 0.5)  # noqa: S311
            finally:
                os._exit(1)
        time.sleep(random.uniform(0.01, 0.25))  # noqa: S311
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ledger = ledger_at(tmp_path)
        assert audit(ledger).sound
        write(ledger)
        assert audit(ledger).findings == ()
        found = ring(ledger.public_key(), lines(ledger))
        told = [record.content["data"]["new"] for record in ledger.records() if record.kind == ROTATED]
        assert told == [str(key) for key in found.keys[1:]]
        left = {path.name for path in (tmp_path / "keys").iterdir()}
        assert not left & {"ledger.next", ".ledger.old"}
    assert len(found.keys) > 1
