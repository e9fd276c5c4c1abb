"""Batches, errors, pauses: with a real sshd, real Ansible, and orders from other processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, processes_with, wait_for
from tests.cli.sshd import NEEDED, Server, sshd

pytestmark = NEEDED
Background = Callable[..., "subprocess.Popen[str]"]
ADDRESS = "n=${SSH_CONNECTION% *}; n=${n##*.}; "
"""In a command on a host: n = the last part of its address, which is its number."""

PLAY = """
- name: Work
  hosts: web
  gather_facts: false
  tasks:
    - name: One
      ansible.builtin.command: "{{ 'false' if inventory_hostname in bad else 'echo I am ' ~ inventory_hostname }}"
    - name: Two
      ansible.builtin.shell: "echo {{ inventory_hostname }} >> {{ log }}; sleep {{ wait }}"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def command(server: Server, tmp_path: Path) -> Callable[..., list[str]]:
    """The words of a command on six hosts."""
    inventory = server.inventory(tmp_path)

    def words(*options: str, do: str = "true") -> list[str]:
        where = ["-H", "web1,web2,web3,web4,web5,web6", "-i", str(inventory)]
        return ["run", "command", *where, *options, "-o", "json", "--", "sh", "-c", ADDRESS + do]

    return words


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[..., list[str]]:
    """The words of a playbook on five hosts, which are this machine."""
    local = "ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"
    (tmp_path / "local.ini").write_text(f"[web]\nw[1:5] {local}\n")
    (tmp_path / "play.yml").write_text(PLAY)

    def words(*options: str, bad: str = "", wait: str = "0") -> list[str]:
        extra = ["-e", f"bad={bad}", "-e", f"log={tmp_path / 'log'}", "-e", f"wait={wait}"]
        where = ["-H", "w1,w2,w3,w4,w5", "-i", str(tmp_path / "local.ini")]
        return ["run", "playbook", str(tmp_path / "play.yml"), *where, *extra, *options, "-o", "json"]

    return words


def rows(cli: Cli, query: str) -> list[Any]:
    """From the database itself: asking opsctl takes longer."""
    try:
        with closing(sqlite3.connect(f"file:{cli.home / 'opsctl.db'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def newest(cli: Cli) -> tuple[str, str]:
    """Id and state of the newest run."""
    found = rows(cli, "SELECT id, status FROM runs ORDER BY id DESC LIMIT 1")
    return found[0] if found else ("", "")


def status(cli: Cli) -> str:
    return newest(cli)[1]


def ledger(cli: Cli) -> list[str]:
    return [kind for (kind,) in rows(cli, "SELECT kind FROM ledger ORDER BY seq")]


def events(cli: Cli, *kinds: str) -> list[dict[str, Any]]:
    """Of the newest run."""
    # The last line may be half written.
    lines = (cli.home / "journal" / f"{newest(cli)[0]}.ndjson").read_text().rpartition("\n")[0].splitlines()
    return [record for record in map(json.loads, lines) if record["event"] in kinds]


def test_a_command_goes_in_batches(cli: Cli, command: Callable[..., list[str]]) -> None:
    result = cli(*command("--batch", "1,2,rest"))
    assert result.code == 0, result.err
    begun = events(cli, "batch_start", "batch_end", "host_ok")
    assert [(e["event"], e["data"]["batch"]) for e in begun if "batch" in e.get("data", {})] == [
        (kind, batch) for batch in (1, 2, 3) for kind in ("batch_start", "batch_end")
    ]
    assert [len(e["data"]["hosts"]) for e in begun if e["event"] == "batch_start"] == [1, 2, 3]
    # No host of a batch ends before the batch begins.
    assert [e.get("host", e["event"]) for e in begun][:4] == ["batch_start", "web1", "batch_end", "batch_start"]
    assert "Batch 2 of 3: 2 hosts" in result.err
    assert result.json["options"]["rate"] == {"batches": "1,2,rest"}


def test_too_many_errors_stop_a_command(cli: Cli, command: Callable[..., list[str]]) -> None:
    result = cli(*command("--batch", "2", "--max-errors", "1", do="exit $((n % 2))"))
    assert (result.code, result.json["status"]) == (3, "failed")
    assert result.json["message"] == "stopped after 2 errors, 2 hosts not started"
    assert result.json["not_started"] == ["web5", "web6"]
    assert sorted(result.json["hosts"]) == ["web1", "web2", "web3", "web4"]
    assert "web5, web6" in cli("runs", "show", "last").out
    again = cli("runs", "retry", "last", "--failed", "-o", "json")
    assert again.json["targets"]["hosts"] == ["web1", "web3", "web5", "web6"]


def test_errors_that_are_allowed_stop_nothing(cli: Cli, command: Callable[..., list[str]]) -> None:
    result = cli(*command("--batch", "1", "--max-errors", "50%", do="exit $((n < 4))"))
    assert (result.code, result.json["not_started"]) == (3, [])
    assert "exit status 1" in result.json["message"]


def test_without_a_limit_a_batch_that_failed_is_the_last(
    cli: Cli, command: Callable[..., list[str]], playbook: Callable[..., list[str]]
) -> None:
    result = cli(*command("--batch", "1,rest", do="exit $((n == 1))"))
    assert (result.code, result.json["message"]) == (3, "all hosts of a batch failed, 5 hosts not started")
    result = cli(*playbook("--batch", "1,rest", bad="w1"))
    assert (result.code, result.json["message"]) == (3, "all hosts of a batch failed, 4 hosts not started")
    result = cli(*playbook("--batch", "1,rest", "--max-errors", "1", bad="w1"))
    assert (result.code, result.json["not_started"]) == (3, [])
    assert result.json["hosts"]["w5"]["changed"] == 2


def test_hosts_that_do_not_answer_are_errors_too(cli: Cli, server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    inventory = server.inventory(tmp_path, f"[away]\naway ansible_host=127.0.1.21 ansible_port={closed}")
    words = ["run", "command", "-H", "away,web1,web2", "-i", str(inventory), "--batch", "1", "--timeout", "1"]
    result = cli(*words, "--max-errors", "1", "-o", "json", "--", "sh", "-c", "sleep 30")
    assert (result.code, result.json["message"]) == (3, "stopped after 2 errors, 1 host not started")
    assert result.json["not_started"] == ["web2"]


def test_output_that_matches_keeps_others_from_beginning(cli: Cli, command: Callable[..., list[str]]) -> None:
    result = cli(*command("--batch", "1", "--stop-match", "disk (full|dead)", do="test $n = 2 && echo disk full; true"))
    assert (result.code, result.json["status"]) == (3, "failed")
    assert result.json["message"] == "stopped: output of web2 matches 'disk (full|dead)', 4 hosts not started"
    assert result.json["not_started"] == ["web3", "web4", "web5", "web6"]


def test_hosts_that_ansible_reaches_go_in_batches_with_the_others(cli: Cli, server: Server, tmp_path: Path) -> None:
    local = "ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"
    inventory = server.inventory(tmp_path, f"[here]\nme[1:3] {local}")
    words = ["run", "command", "-H", "here,web1,web2", "-i", str(inventory), "--batch", "1,2,rest", "-o", "json"]
    assert cli(*words, "--", "true").code == 0
    assert [e["data"]["hosts"] for e in events(cli, "batch_start")] == [["me1"], ["me2", "me3"], ["web1", "web2"]]
    stopped = cli(*words, "--max-errors", "1", "--", "false")
    assert (stopped.code, stopped.json["message"]) == (3, "stopped after 3 errors, 2 hosts not started")
    assert stopped.json["not_started"] == ["web1", "web2"]


def test_a_host_that_fails_is_tried_again(cli: Cli, command: Callable[..., list[str]], tmp_path: Path) -> None:
    mark = f"test -e {tmp_path}/m$n || {{ touch {tmp_path}/m$n; echo first; exit 1; }}; echo second"
    result = cli(*command("--retries", "2", "--retry-delay", "0.1", "--max-errors", "0", do=mark))
    assert result.code == 0, result.err
    assert {row["stdout"] for row in result.json["result"]["hosts"]} == {"second\n"}
    assert sorted(e["host"] for e in events(cli, "host_retry")) == [f"web{n}" for n in range(1, 7)]
    assert events(cli, "host_retry")[0]["data"]["res"]["attempts"] == 1


def test_a_person_lets_a_paused_command_go_on(
    cli: Cli, command: Callable[..., list[str]], background: Background
) -> None:
    run = background(*command("--batch", "1,rest", "--pause", "first"))
    wait_for(lambda: status(cli) == "paused")
    shown = cli("runs", "show", "last", "-o", "json").json
    assert (shown["status"], list(shown["hosts"])) == ("paused", ["web1"])
    told = cli("runs", "continue", "last")
    assert (told.code, told.line) == (0, f"Run {shown['id']} goes on")
    out, story = run.communicate(timeout=30)
    assert json.loads(out)["status"] == "succeeded"
    assert f"Paused after batch 1 of 2: `opsctl runs continue {shown['id']}` goes on, within 3600 s" in story
    assert "Continued by root" in story
    assert ledger(cli) == ["asked", "decided", "started", "paused", "continued", "finished"]
    assert not list((cli.home / "control").iterdir())


def test_nobody_answers_a_pause(cli: Cli, command: Callable[..., list[str]]) -> None:
    result = cli(*command("--batch", "2", "--pause", "every", "--pause-timeout", "1"))
    assert (result.code, result.json["status"]) == (5, "timeout")
    assert result.json["message"] == "nobody continued it within 1 s, 4 hosts not started"


def test_a_running_command_is_paused_and_canceled_from_outside(
    cli: Cli, command: Callable[..., list[str]], background: Background, tmp_path: Path
) -> None:
    wait = f"touch {tmp_path}/begun$n; until test -e {tmp_path}/go; do sleep 0.1; done"
    run = background(*command("--forks", "1", do=wait))
    wait_for(lambda: list(tmp_path.glob("begun*")))
    assert cli("runs", "pause", "last").code == 0
    assert status(cli) == "paused"
    (tmp_path / "go").touch()
    wait_for(lambda: events(cli, "host_ok"))
    time.sleep(0.5)
    assert [path.name for path in tmp_path.glob("begun*")] == ["begun1"]
    assert cli("runs", "pause", "last").line.endswith("is paused already")
    assert cli("runs", "cancel", "last").code == 0
    out, _ = run.communicate(timeout=30)
    result = json.loads(out)
    assert (run.returncode, result["status"], result["message"]) == (130, "canceled", "canceled by root")
    assert result["not_started"] == ["web2", "web3", "web4", "web5", "web6"]


def test_cancel_ends_what_runs_on_hosts(cli: Cli, command: Callable[..., list[str]], background: Background) -> None:
    run = background(*command(do="exec sleep 27182.8"))
    # One more is opsctl.
    wait_for(lambda: len(processes_with("27182.8")) >= 7)
    assert cli("runs", "cancel", "last").line.endswith("is canceled")
    run.communicate(timeout=30)
    wait_for(lambda: not processes_with("27182.8"), 10)


def test_a_playbook_goes_in_batches_and_rests_between(
    cli: Cli, playbook: Callable[..., list[str]], background: Background, tmp_path: Path
) -> None:
    run = background(*playbook("--batch", "1,rest", "--pause", "first"))
    wait_for(lambda: status(cli) == "paused")
    time.sleep(0.3)
    assert (tmp_path / "log").read_text() == "w1\n"
    assert cli("runs", "continue", "last").code == 0
    out, _ = run.communicate(timeout=60)
    assert json.loads(out)["status"] == "succeeded"
    assert sorted((tmp_path / "log").read_text().split()) == ["w1", "w2", "w3", "w4", "w5"]
    assert [len(e["data"]["hosts"]) for e in events(cli, "batch_start")] == [1, 4]
    assert ledger(cli) == ["asked", "decided", "started", "paused", "continued", "finished"]


def test_too_many_errors_stop_a_playbook_before_the_next_task(
    cli: Cli, playbook: Callable[..., list[str]], tmp_path: Path
) -> None:
    result = cli(*playbook("--batch", "3,rest", "--max-errors", "1", bad="w1,w2"))
    assert (result.code, result.json["status"]) == (3, "failed")
    assert result.json["message"] == "stopped after 2 errors, 2 hosts not started"
    assert result.json["not_started"] == ["w4", "w5"]
    assert not (tmp_path / "log").exists()


def test_a_play_keeps_its_own_smaller_batches(cli: Cli, playbook: Callable[..., list[str]], tmp_path: Path) -> None:
    play = PLAY.replace("  hosts: web\n", "  hosts: web\n  serial: [1, 60%]\n")
    words = playbook("--batch", "2,rest")
    (tmp_path / "play.yml").write_text(play)
    assert cli(*words).code == 0
    assert [len(e["data"]["hosts"]) for e in events(cli, "batch_start")] == [1, 3, 1]


def test_output_of_a_playbook_that_matches_stops_at_the_next_batch(
    cli: Cli, playbook: Callable[..., list[str]], tmp_path: Path
) -> None:
    result = cli(*playbook("--batch", "2", "--stop-match", "I am w1"))
    assert (result.code, result.json["status"]) == (3, "failed")
    assert result.json["message"] == "stopped: output of w1 matches 'I am w1', 3 hosts not started"
    assert sorted((tmp_path / "log").read_text().split()) == ["w1", "w2"]


def test_a_playbook_is_held_before_its_next_task(
    cli: Cli, playbook: Callable[..., list[str]], background: Background, tmp_path: Path
) -> None:
    words = playbook(wait=f"0.1; until test -e {tmp_path}/go; do sleep 0.1; done")
    last = "    - name: Three\n      ansible.builtin.command: touch {{ log }}.three\n"
    (tmp_path / "play.yml").write_text(PLAY + last)
    run = background(*words)
    wait_for((tmp_path / "log").exists)
    assert cli("runs", "pause", "last").code == 0
    (tmp_path / "go").touch()
    wait_for(lambda: len([e for e in events(cli, "host_ok") if e["task"] == "Two"]) == 5)
    time.sleep(0.5)
    assert not (tmp_path / "log.three").exists()
    assert cli("runs", "continue", "last").code == 0
    assert run.wait(60) == 0
    assert (tmp_path / "log.three").exists()


@pytest.mark.parametrize("kind", ["command", "playbook"])
def test_killed_in_a_pause_it_is_lost_and_leaves_nothing(
    cli: Cli, command: Any, playbook: Any, background: Background, kind: str
) -> None:
    words = (command if kind == "command" else playbook)("--batch", "1", "--pause", "first")
    run = background(*words)
    wait_for(lambda: status(cli) == "paused")
    identity = newest(cli)[0]
    run.kill()
    run.communicate()
    wait_for(lambda: not processes_with(f"OPSCTL_RUN_ID={identity}"), 15)
    assert status(cli) == "paused"
    lost = cli("runs", "show", identity, "-o", "json").json
    assert (lost["status"], len(lost["not_started"])) == ("lost", 5 if kind == "command" else 0)
    assert not list((cli.home / "control").glob("*"))
    assert cli("runs", "continue", identity).line == f"opsctl: Run {identity} does not run: it is lost"
    assert rows(cli, "SELECT * FROM locks") == []
    assert ledger(cli)[-1] == "lost"
    assert cli("audit", "verify").code == 0


@pytest.mark.parametrize("after", [0.9, 1.6])
def test_killed_at_any_moment_nothing_goes_on_and_nothing_stays_locked(
    cli: Cli, playbook: Callable[..., list[str]], background: Background, tmp_path: Path, after: float
) -> None:
    run = background(*playbook("--batch", "1"))
    time.sleep(after)
    run.kill()
    run.communicate()
    cli("runs", "list")
    assert status(cli) in ("", "lost", "succeeded")
    done = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
    assert rows(cli, "SELECT * FROM locks") == []
    assert cli("audit", "verify").code == 0
    assert done == ((tmp_path / "log").read_text() if (tmp_path / "log").exists() else "")


def test_interrupted_in_a_pause_it_ends_at_once(
    cli: Cli, playbook: Callable[..., list[str]], background: Background
) -> None:
    run = background(*playbook("--batch", "1", "--pause", "first"))
    wait_for(lambda: status(cli) == "paused")
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=20)
    assert (run.returncode, json.loads(out)["status"]) == (130, "canceled")
    assert len(json.loads(out)["not_started"]) == 4


def test_garbage_in_the_control_file_harms_nobody(
    cli: Cli, command: Callable[..., list[str]], background: Background
) -> None:
    run = background(*command("--batch", "1,rest", "--pause", "first"))
    wait_for(lambda: status(cli) == "paused")
    path = cli.home / "control" / newest(cli)[0]
    path.parent.mkdir(exist_ok=True)
    junk = [b"\xff\x00\n", b"{}\n", b'{"verb":"continue"}\n', b'{"verb":"format","by":{}}\n', b"[" * 5000, b"\n"]
    path.write_bytes(b"".join(junk))
    time.sleep(0.5)
    assert status(cli) == "paused"
    assert cli("runs", "continue", "last").code == 0
    assert run.wait(30) == 0


@pytest.mark.parametrize(("answer", "code", "ended"), [("\n", 0, "succeeded"), ("q\n", 130, "canceled")])
def test_on_a_terminal_enter_goes_on_and_q_ends_it(
    cli: Cli, command: Callable[..., list[str]], answer: str, code: int, ended: str
) -> None:
    pid, screen = pty.fork()
    if pid == 0:
        words = cli.command(*command("--batch", "1,rest", "--pause", "first"))
        os.execve(words[0], words, cli.environ())  # noqa: S606
    shown = b""

    def read() -> bytes:
        nonlocal shown
        try:
            shown += os.read(screen, 65536)
        except OSError:
            shown += b"(end)"
        return shown

    wait_for(lambda: b"Enter goes on, q ends it" in read())
    os.write(screen, answer.encode())
    wait_for(lambda: b"(end)" in read())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    os.close(screen)
    assert status(cli) == ended


def test_a_rate_that_cannot_be_is_one_line(cli: Cli, command: Callable[..., list[str]]) -> None:
    result = cli(*command("--batch", "1,x"))
    assert (result.code, result.line.startswith("opsctl: --batch '1,x': 'x' is no number of hosts,")) == (2, True)
    assert newest(cli) == ("", "")


def test_settings_say_how_runs_go_when_nothing_else_does(cli: Cli, command: Callable[..., list[str]]) -> None:
    config = cli.home / "config.toml"
    config.write_text(config.read_text() + '[rate]\nbatch = "2,rest"\nmax_errors = 0\n')
    result = cli(*command("--max-errors", "6", do="exit 1"))
    assert result.json["options"]["rate"] == {"batches": "2,rest", "max_errors": "6"}
    config.write_text(config.read_text().replace('"2,rest"', '"2,some"'))
    assert cli(*command()).line.startswith(
        f"opsctl: {config} or OPSCTL_RATE: rate.batch: '2,some': 'some' is no number"
    )
