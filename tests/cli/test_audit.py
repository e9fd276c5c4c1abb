"""`opsctl audit` as a process: checkpoints, exports, anchors, and a third party who has no home."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from opsctl.db.engine import opened
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry

from .conftest import HELLO, Cli


def fill(cli: Cli, runs: int = 2) -> None:
    """Records of runs, without running any."""
    book = Ledger(opened(cli.home), cli.home / "ledger.head")
    for number in range(runs):
        for kind in ("asked", "finished"):
            book.append(Entry(kind, f"run-{number}", {"name": "ann", "uid": 7}, "here", {"number": number}))


def change(cli: Cli, statement: str) -> None:
    with sqlite3.connect(cli.home / "opsctl.db") as connection:
        connection.execute(statement)
    connection.close()


def test_a_run_is_signed_at_its_end(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    report = cli("audit", "verify", "-o", "json").json
    assert (report["sound"], report["checkpoints"], report["findings"]) == (True, 1, [])
    assert ((cli.home / "keys" / "ledger").stat().st_mode & 0o777) == 0o600
    assert "1 checkpoints" in cli("audit", "verify").out


def test_a_checkpoint_on_demand_signs_what_no_run_has_ended(cli: Cli) -> None:
    fill(cli)
    book = Ledger(opened(cli.home), cli.home / "ledger.head")
    book.append(Entry("asked", "run-9", {}, "here", {}))
    first = cli("audit", "checkpoint", "-o", "json").json
    assert (first["seq"], first["number"]) == (5, 3)
    assert cli("audit", "checkpoint", "-o", "json").json == first


def test_a_third_party_verifies_an_export_without_a_home(cli: Cli, tmp_path: Path) -> None:
    fill(cli)
    export, key = tmp_path / "ledger.jsonl", tmp_path / "key"
    assert cli("audit", "export", "--to", str(export)).code == 0
    key.write_text(cli("audit", "key").out)
    nowhere = tmp_path / "nowhere"
    check = ("audit", "verify", "--export", str(export), "--public-key")
    for given in (str(key), key.read_text().strip()):
        done = cli(*check, given, "-o", "json", env={"OPSCTL_HOME": str(nowhere)})
        assert (done.code, done.json["records"], done.json["findings"]) == (0, 4, [])
    export.write_text(export.read_text().replace("ann", "eve", 1))
    done = cli(*check, str(key), env={"OPSCTL_HOME": str(nowhere)})
    assert done.code == 1
    assert "record 1 was changed" in done.out
    assert not nowhere.exists()


def test_exports_go_to_stdout_in_both_forms(cli: Cli) -> None:
    fill(cli)
    lines = [json.loads(line) for line in cli("audit", "export", "--since", "3").out.splitlines()]
    assert [line["record"]["seq"] for line in lines if "record" in line] == [3, 4]
    rows = list(csv.DictReader(io.StringIO(cli("audit", "export", "--format", "csv").out)))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4"]


def test_an_export_takes_bounded_memory(cli: Cli, tmp_path: Path) -> None:
    book = Ledger(opened(cli.home), cli.home / "ledger.head")
    for _ in range(4):
        book.append(*[Entry("asked", "r", {}, "here", {"text": "x" * 10_000})] * 2500)
    # Not ru_maxrss: a program that was just started still carries what its parent, here all of pytest, had at most.
    script = (
        "import re, sys; from opsctl.app import app; app(standalone_mode=False)\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "print(int(peak) // 1024, file=sys.stderr)"
    )
    arguments = ["audit", "export", "--since", "1", "--to", str(tmp_path / "export")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=cli.environ(), capture_output=True, text=True, check=True
    )
    assert (tmp_path / "export").stat().st_size > 100_000_000
    assert int(done.stderr.split()[-1]) < 180


def test_anchors_of_the_settings_are_written_and_verified(cli: Cli, tmp_path: Path) -> None:
    repository, file = tmp_path / "repository", tmp_path / "anchor"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    with (repository / ".git" / "config").open("a") as config:
        config.write("[user]\n\tname = ann\n\temail = ann@example.com\n")
    own = (cli.home / "config.toml").read_text()
    (cli.home / "config.toml").write_text(f'audit_anchors = ["file:{file}", "git:{repository}"]\n{own}')
    fill(cli)
    assert cli("audit", "verify").code == 1, "an anchor that was never written is not passed over"
    assert [row["seq"] for row in cli("audit", "anchor", "-o", "json").json] == [4, 4]
    report = cli("audit", "verify", "-o", "json").json
    assert (report["sound"], report["findings"], len(report["anchors"])) == (True, [], 2)
    fill(cli)
    assert cli("audit", "anchor", "--file", str(file)).code == 0
    done = cli("audit", "verify")
    assert (done.code, f"anchor git:{repository} is behind: it ends at record 4" in done.out) == (0, True)
    change(cli, "DELETE FROM ledger WHERE seq = 4")
    done = cli("audit", "verify")
    assert done.code == 1
    assert f"anchor git:{repository}: checkpoint 2 (record 4" in done.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("verify", "--export", "/nowhere"), "--public-key"),
        (("verify", "--export", "/nowhere", "--public-key", "ed25519:" + "00" * 32), "Cannot read /nowhere"),
        (("verify", "--public-key", "nonsense"), "Cannot read public key nonsense"),
        (("checkpoint",), "nothing to sign"),
        (("export",), "Nothing to export"),
        (("export", "--since", "yesterday"), "--since yesterday"),
        (("export", "--format", "xml"), "xml"),
        (("anchor",), "audit_anchors"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, arguments: tuple[str, ...], line: str) -> None:
    done = cli("audit", *arguments)
    assert (done.code, done.out) == (2, "")
    assert line in done.line


def test_an_unknown_kind_of_anchor_is_one_line(cli: Cli) -> None:
    done = cli("audit", "verify", env={"OPSCTL_AUDIT_ANCHORS": '["ftp:x"]'})
    assert (done.code, "audit_anchors: ftp:x" in done.line) == (2, True)


def test_a_reader_that_has_gone_ends_an_export(cli: Cli) -> None:
    fill(cli, 300)
    process = cli.start("audit", "export")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_the_key_is_changed_and_all_keys_verify_on(cli: Cli, tmp_path: Path) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    first = cli("audit", "key").out.strip()
    changed = cli("audit", "key", "rotate", "--destroy-old", "-o", "json")
    assert changed.json["old"] == first
    assert cli("audit", "key").out.strip() == changed.json["new"] != first
    listed = cli("audit", "key", "list", "-o", "json").json
    assert [(row["key"], row["state"]) for row in listed] == [(first, "destroyed"), (changed.json["new"], "signs")]
    export = tmp_path / "ledger.jsonl"
    cli("audit", "export", "--to", str(export))
    for key in (first, changed.json["new"]):
        assert cli("audit", "verify", "--export", str(export), "--public-key", key).code == 0
        assert cli("audit", "verify", "--public-key", key).code == 0
    assert "handed over" in cli("audit", "list").out


def test_a_key_is_not_changed_before_there_is_anything_to_sign(cli: Cli) -> None:
    done = cli("audit", "key", "rotate")
    assert done.code == 1
    assert "no records yet" in done.line
