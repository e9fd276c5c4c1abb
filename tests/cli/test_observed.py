"""Runs of plain ansible-playbook with the callback plug-in, and how opsctl takes them in. Real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opsctl.clock import uuid7
from opsctl.db.engine import opened
from opsctl.ledger.book import Ledger
from opsctl.runs.observed import adopt
from opsctl.scenarios import collections_path

from .conftest import Cli, wait_for

CANARY = "Zq7-callback-canary"

PLAY = """
- name: Look around
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Greet
      debug: msg="hello {{ 'there' }}"
    - name: Loop
      command: echo {{ item }}
      loop: [one, two]
    - name: Hide
      command: echo hidden-thing
      no_log: true
    - name: Show what is secret
      debug: msg="{{ lookup('env', 'SOME_TOKEN') }} {{ db_password }} {{ vaulted }}"
    - name: Fail a little
      command: sh -c 'exit 3'
      ignore_errors: true
    - set_stats: {data: {opsctl_result: {answer: 42}}}
"""


def ansible(cli: Cli, *arguments: str, **environment: str) -> list[str] | subprocess.Popen[str]:
    given = {
        **cli.environ(),
        "ANSIBLE_CALLBACKS_ENABLED": "opsctl.cloud.journal",
        "ANSIBLE_COLLECTIONS_PATH": collections_path(),
        "ANSIBLE_NOCOLOR": "1",
        **environment,
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.Popen(
        [program, "-e", f"ansible_python_interpreter={sys.executable}", *arguments],
        cwd=cli.home.parent,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def take(cli: Cli) -> list[str]:
    database = opened(cli.home)
    return adopt(cli.home, database, Ledger(database, cli.home / "ledger.head"))


def recorded(cli: Cli, run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (cli.home / "journal" / f"{run}.ndjson").read_text().splitlines()]


def waiting(cli: Cli) -> list[Path]:
    return sorted((cli.home / "observed").glob("*.ndjson"))


def test_a_plain_run_appears_beside_the_others(cli: Cli) -> None:
    play, password = cli.home.parent / "play.yml", cli.home.parent / "password"
    play.write_text(PLAY)
    password.write_text("open sesame")
    vault = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt_string", "--vault-password-file"]
    made = subprocess.run([*vault, str(password), f"{CANARY}-vault"], capture_output=True, text=True, check=True)
    variables = cli.home.parent / "variables.yml"
    variables.write_text(f"vaulted: {made.stdout}\ndb_password: {CANARY}-extra\n")
    with ansible(
        cli, "--vault-password-file", str(password), "-e", f"@{variables}", str(play), SOME_TOKEN=f"{CANARY}-env"
    ) as run:
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0, out
    assert out.count(CANARY) == 3, "the play did have them"
    (file,) = waiting(cli)
    assert file.stat().st_mode & 0o777 == 0o600
    assert CANARY not in file.read_text()
    found = cli("logs", "search", "there", "-o", "json").json
    assert {row["run"] for row in found} == {file.stem}, "taken in by the first command that looks"
    assert waiting(cli) == []

    shown = cli("runs", "show", "last", "-o", "json").json
    assert (shown["id"], shown["kind"], shown["status"], shown["content"]) == (
        file.stem,
        "playbook",
        "succeeded",
        str(play),
    )
    assert shown["options"]["observed"] is True
    assert shown["requester"]["uid"] == os.getuid()
    assert shown["hosts"]["localhost"]["ok"] == 6
    assert shown["result"] == {"answer": 42}
    log = cli("runs", "logs", "last").out
    for said in ("PLAY [Look around]", "TASK [Greet]", "hello there", "(item=two)", "...ignoring", "******"):
        assert said in log, said
    assert "hidden-thing" not in log
    events = recorded(cli, file.stem)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["event"]) == ("run_start", "run_end")
    (record,) = cli("audit", "list", "-o", "json").json
    assert (record["kind"], record["data"]["journal"]["records"]) == ("observed", len(events))
    verified = cli("audit", "verify", "-o", "json")
    assert (verified.code, verified.json["checkpoints"]) == (0, 1)
    assert CANARY not in "".join(path.read_bytes().decode("latin-1") for path in cli.home.rglob("*") if path.is_file())


def test_a_failed_and_a_killed_run_end_as_such(cli: Cli) -> None:
    play = cli.home.parent / "play.yml"
    play.write_text("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - fail: msg=no\n")
    with ansible(cli, str(play)) as run:
        run.communicate(timeout=60)
    play.write_text("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - command: sleep 31530\n")
    with ansible(cli, str(play)) as run:
        wait_for(lambda: len(waiting(cli)) == 2 and "host_start" in waiting(cli)[1].read_text())
        failed, killed = (path.stem for path in waiting(cli))
        assert take(cli) == [failed], "the other still runs"
        run.send_signal(signal.SIGKILL)
        run.communicate()
    subprocess.run(["pkill", "-9", "-f", "sleep 31530"], check=False)
    assert take(cli) == [killed]
    rows = {row["id"]: row for row in cli("runs", "list", "-o", "json").json}
    assert (rows[failed]["status"], rows[failed]["message"]) == ("failed", "localhost: fail: no")
    assert (rows[killed]["status"], rows[killed]["in_progress"][0]["host"]) == ("lost", "localhost")
    assert cli("audit", "verify").code == 0


def test_a_run_of_opsctl_is_not_recorded_twice(cli: Cli) -> None:
    play = cli.home.parent / "play.yml"
    play.write_text("- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
    with ansible(cli, str(play), OPSCTL_RUN_ID=uuid7()) as run:
        run.communicate(timeout=60)
    assert run.returncode == 0
    assert not (cli.home / "observed").exists()


def test_a_home_that_cannot_be_written_does_not_fail_the_play(cli: Cli) -> None:
    play = cli.home.parent / "play.yml"
    play.write_text("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: msg=hello\n")
    blocked = cli.home.parent / "blocked"
    blocked.write_text("a file")
    with ansible(cli, str(play), OPSCTL_HOME=str(blocked)) as run:
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "This run is not recorded" in out
    assert "ok=1" in out


def planted(cli: Cli, *records: object, run: str = "") -> Path:
    """A file that nobody's plug-in has written."""
    folder = cli.home / "observed"
    folder.mkdir(exist_ok=True)
    path = folder / f"{run or uuid7()}.ndjson"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


START = {"seq": 1, "time": "2026-11-21T12:00:00Z", "event": "run_start", "data": {"content": "site.yml"}}
END = {"seq": 9, "time": "2026-11-21T12:00:01Z", "event": "run_end", "data": {"status": "succeeded"}}


def test_a_file_is_believed_no_more_than_its_owner(cli: Cli) -> None:
    """It cannot say who asked, how it ended, or that it is a run of opsctl; what is no record is left out, counted."""
    lies = {
        "kind": "command",
        "content": "x" * 5000,
        "requester": {"name": "somebody", "uid": 4711},
        "options": {"check": "yes", "observed": False},
        "parameters": {"a": 1},
        "status": "succeeded",
        "owner": {"host": 1, "pid": "two"},
    }
    path = planted(
        cli,
        {**START, "data": lies},
        {"event": "host_ok", "time": "yesterday", "host": "a", "data": {"res": "text"}, "evil": "\x1b[2J"},
        {"event": "run_start", "time": "2026-11-21T12:00:00Z", "data": {"kind": "scenario"}},
        {"event": "stats", "data": {"processed": ["a", "b"], "ok": 7}},
        {"event": "made_up"},
        ["no", "record"],
        {"event": "host_failed", "host": "a", "task": "t", "data": {"res": {"msg": "token=AKIAABCDEFGHIJKLMNOP"}}},
        END,
    )
    assert take(cli) == [path.stem]
    shown = cli("runs", "show", "last", "-o", "json").json
    assert shown["requester"]["uid"] == os.getuid()
    assert (shown["kind"], shown["status"]) == ("playbook", "error"), "there was no recap"
    assert shown["options"] == {"check": False, "diff": False, "observed": True}
    assert shown["parameters"] == {}
    assert len(shown["content"]) == 1000
    events = recorded(cli, path.stem)
    assert [event["event"] for event in events] == ["run_start", "host_ok", "host_failed", "run_end"]
    assert "evil" not in events[1]
    assert events[-1]["data"]["left_out"] == 4
    assert cli("audit", "verify").code == 0


def test_the_id_of_another_run_is_refused(cli: Cli) -> None:
    cli.scenario("hello", deploy="- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
    cli("run", "scenario", "hello")
    run = cli.run_id()
    before = recorded(cli, run)
    path = planted(cli, START, END, run=run)
    assert take(cli) == []
    assert recorded(cli, run) == before
    assert path.with_suffix(".refused").exists()


@pytest.mark.parametrize("name", ["../../opsctl", "no-id", "ffffffff-ffff-7fff-bfff-ffffffffffff"])
def test_a_name_that_is_no_id_of_a_run_is_refused(cli: Cli, name: str) -> None:
    (cli.home / "observed").mkdir()
    path = planted(cli, START, END, run=name.replace("../", ""))
    assert take(cli) == []
    assert not path.exists()
    assert cli("runs", "list", "-o", "json").json == []


def test_a_link_is_not_followed(cli: Cli) -> None:
    path = planted(cli, START, END)
    elsewhere = cli.home.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert take(cli) == []
    path.with_suffix(".refused").unlink()
    os.link(elsewhere, path)
    assert take(cli) == []


def test_what_was_taken_in_before_a_crash_is_not_taken_twice(cli: Cli) -> None:
    path = planted(cli, START, END)
    text = path.read_text()
    assert take(cli) == [path.stem]
    path.write_text(text)
    assert take(cli) == []
    assert not path.exists()
    assert len(cli("audit", "list", "-o", "json").json) == 1


def test_a_run_of_another_machine_is_given_time(cli: Cli) -> None:
    far = {"host": "elsewhere", "boot": "b", "pid": 1, "start": 1}
    path = planted(cli, {**START, "data": {"content": "site.yml", "owner": far}})
    assert take(cli) == []
    os.utime(path, (time.time() - 90000,) * 2)
    assert take(cli) == [path.stem]
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "lost"
