"""How runs end that do not end by themselves: ^C, SIGTERM, kill -9. Real processes, real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import HELLO, NODES, Cli, processes_with, wait_for

Background = Callable[..., "subprocess.Popen[str]"]

SLOW = f"""
{NODES}
- name: Work
  hosts: nodes
  gather_facts: false
  tasks:
    - name: Take long
      ansible.builtin.command: sleep 31536
"""

STUBBORN = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Ignore signals
      ansible.builtin.command: >-
        python3 -c "import os, signal, time; os.setsid() if os.getpid() != os.getsid(0) else None;
        [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(31536)"
"""


def working(cli: Cli, count: int = 2) -> list[int]:
    """The processes that do the long task on the hosts."""
    return wait_for(lambda: (found := processes_with("31536")) and len(found) >= count and found)


def guard_of(run: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    (guard,) = [int(pid) for pid in children if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return guard


def journal(cli: Cli) -> Path:
    return next((cli.home / "journal").glob("*.ndjson"))


def private(cli: Cli) -> list[Path]:
    return list((cli.home.parent / "runtime" / "opsctl").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_cleanly(cli: Cli, background: Background, number: signal.Signals) -> None:
    cli.scenario("slow", deploy=SLOW)
    run = background("run", "scenario", "slow", "-o", "json")
    working(cli)
    run.send_signal(number)
    out, story = run.communicate(timeout=30)
    result = json.loads(out)
    assert run.returncode == 130
    assert (result["status"], result["exit_code"]) == ("canceled", 130)
    assert [row["host"] for row in result["in_progress"]] == ["node-1", "node-2"]
    assert "2 hosts were in the middle of a task" in story
    assert processes_with("31536") == []
    assert private(cli) == []
    assert [r["kind"] for r in cli("audit", "list", "-o", "json").json] == ["asked", "decided", "started", "canceled"]


def test_a_run_under_nohup_outlives_its_terminal(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=SLOW.replace("31536", "4.31536"))
    command = ["nohup", *cli.command("run", "scenario", "slow", "-o", "json")]
    with subprocess.Popen(
        command, env=cli.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        working(cli)
        run.send_signal(signal.SIGHUP)
        out, _ = run.communicate(timeout=60)
    assert json.loads(out)["status"] == "succeeded"


def test_what_ignores_signals_is_ended_by_force(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=STUBBORN)
    run = background("run", "scenario", "slow", "-o", "json", env={"OPSCTL_GRACE": "2"})
    working(cli, 1)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=30)
    assert json.loads(out)["status"] == "canceled"
    assert processes_with("31536") == []


def test_the_second_interrupt_does_not_wait(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=STUBBORN)
    run = background("run", "scenario", "slow", "-o", "json", env={"OPSCTL_GRACE": "600"})
    working(cli, 1)
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    wait_for(lambda: "stopping" in run.stderr.readline())  # type: ignore[union-attr]
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert run.returncode == 130
    assert processes_with("31536") == []


def test_a_killed_opsctl_takes_ansible_with_it_and_the_next_command_says_so(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=SLOW)
    run = background("run", "scenario", "slow")
    working(cli)
    assert len(private(cli)) == 1
    run.kill()
    run.communicate()
    # Before any other opsctl looks at it.
    wait_for(lambda: not processes_with("31536"), 15)

    listed = cli("runs", "list", "-o", "json")
    (lost,) = listed.json
    assert lost["status"] == "lost"
    assert f"Run {lost['id']} was lost" in listed.err
    assert [(row["host"], row["task"]) for row in lost["in_progress"]] == [
        ("node-1", "Take long"),
        ("node-2", "Take long"),
    ]
    assert "node-1  Take long" in cli("runs", "show", "last").out
    assert private(cli) == []
    records = cli("audit", "list", "-o", "json").json
    assert [record["kind"] for record in records] == ["asked", "decided", "started", "lost"]
    assert records[-1]["data"]["in_progress"] == lost["in_progress"]
    assert cli("audit", "verify").code == 0
    # Once only.
    assert cli("runs", "list").err == ""
    assert len(cli("audit", "list", "-o", "json").json) == 4


def test_the_journal_of_a_lost_run_has_no_gap_and_an_end(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=SLOW)
    run = background("run", "scenario", "slow")
    working(cli)
    run.kill()
    run.communicate()
    with journal(cli).open("ab") as file:
        # What a write that was cut short leaves.
        file.write(b'{"seq":99,"time":"20')
    events = [json.loads(line) for line in cli("runs", "logs", "last", "--events").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["data"]["status"] == "lost"


def test_a_guard_that_is_killed_leaves_nothing_behind(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=SLOW)
    run = background("run", "scenario", "slow", "-o", "json")
    working(cli)
    guard = guard_of(run)
    subprocess.run(["kill", "-9", str(guard)], check=True)
    out, _ = run.communicate(timeout=30)
    assert (json.loads(out)["status"], run.returncode) == ("error", 1)
    assert "was killed" in json.loads(out)["message"]
    assert processes_with("31536") == []


def test_opsctl_and_its_guard_killed_together(cli: Cli, background: Background) -> None:
    cli.scenario("slow", deploy=SLOW)
    run = background("run", "scenario", "slow", "-o", "json")
    working(cli)
    guard = guard_of(run)
    subprocess.run(["kill", "-9", str(run.pid), str(guard)], check=True)
    run.communicate()
    assert cli("runs", "list", "-o", "json").json[0]["status"] == "lost"
    assert processes_with("31536") == []


@pytest.mark.parametrize("after", [0.05, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.8])
def test_killed_at_any_moment_no_run_stays_running(cli: Cli, background: Background, after: float) -> None:
    cli.scenario("hello", deploy=HELLO)
    run = background("run", "scenario", "hello")
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        run.kill()
    run.communicate()
    runs = cli("runs", "list", "-o", "json").json
    assert all(row["status"] in ("lost", "succeeded") for row in runs)
    assert cli("audit", "verify").code == 0
    assert len(cli("audit", "list", "-o", "json").json) in (0, 3, 4)
    assert not private(cli) if (cli.home.parent / "runtime" / "opsctl").exists() else True


def test_the_run_of_a_process_whose_number_was_given_again_is_lost(cli: Cli) -> None:
    """The number alone says nothing: here it is that of a process that lives."""
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    program = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
owner = json.loads(connection.execute("SELECT owner FROM runs").fetchone()[0])
owner |= {"pid": int(sys.argv[2]), **json.loads(sys.argv[3])}
connection.execute("UPDATE runs SET status = 'running', owner = ?", (json.dumps(owner),))
connection.commit()
"""
    import os

    def pretend(**other: object) -> str:
        command = [sys.executable, "-c", program, str(cli.home / "opsctl.db"), str(os.getpid()), json.dumps(other)]
        subprocess.run(command, check=True)
        return str(cli("runs", "show", "last", "-o", "json").json["status"])

    from opsctl.runs.process import myself

    me = myself()
    assert pretend(start=me.start, boot=me.boot) == "running"
    assert pretend(start=me.start, boot="another") == "lost"
    assert pretend(start=me.start + 1, boot=me.boot) == "lost"
    # A process of another machine cannot be judged from here.
    assert pretend(start=me.start, boot="another", host="elsewhere") == "running"


def test_a_run_that_has_ended_hears_nothing(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    for verb in ("pause", "continue", "cancel"):
        told = cli("runs", verb, "last")
        assert (told.code, told.line.endswith("does not run: it is succeeded")) == (2, True)
