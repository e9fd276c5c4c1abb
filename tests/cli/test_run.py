"""`opsctl run scenario`, from the command line to the records it leaves."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from .conftest import HELLO, NODES, Cli, wait_for


def test_a_scenario_runs_and_its_result_is_on_stdout(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    done = cli("run", "scenario", "hello", "-e", "stack_name=cache", "-o", "json")
    assert done.code == 0
    assert done.json["status"] == "succeeded"
    assert done.json["result"] == {"greeted": "cache"}
    assert done.json["hosts"]["localhost"]["ok"] == 2
    assert "TASK Greet" in done.err
    assert "TASK" not in done.out


def test_the_shape_of_the_result_is_a_contract(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    result = cli("run", "scenario", "hello", "--reason", "try it", "-o", "json").json
    assert {key: type(value).__name__ for key, value in result.items()} == {
        "id": "str",
        "kind": "str",
        "content": "str",
        "action": "str",
        "cloud": "str",
        "status": "str",
        "exit_code": "int",
        "message": "NoneType",
        "requester": "dict",
        "reason": "str",
        "parameters": "dict",
        "targets": "dict",
        "options": "dict",
        "digest": "str",
        "plan_hash": "str",
        "parent": "NoneType",
        "created": "str",
        "started": "str",
        "finished": "str",
        "seconds": "float",
        "hosts": "dict",
        "failures": "list",
        "in_progress": "list",
        "not_started": "list",
        "result": "dict",
    }
    assert result["targets"] == {"stack": "hello", "limit": ""}
    assert result["options"] == {"check": False, "diff": False, "timeout": 14400, "forks": 20}
    counts = {"ok": 2, "changed": 0, "failed": 0, "unreachable": 0, "skipped": 0, "rescued": 0, "ignored": 0}
    assert result["hosts"] == {"localhost": counts}
    shown = cli("runs", "show", "last", "-o", "json").json
    assert shown.pop("owner").keys() == {"host", "boot", "pid", "start"}
    assert shown == result
    assert cli("runs", "list", "-o", "json").json == [result]


def test_yaml_and_table_say_the_same(cli: Cli) -> None:
    import yaml

    cli.scenario("hello", deploy=HELLO)
    assert yaml.safe_load(cli("run", "scenario", "hello", "-o", "yaml").out)["result"] == {"greeted": "hello"}
    table = cli("run", "scenario", "hello").out
    assert "localhost" in table
    assert "greeted  hello" in table
    assert "succeeded" in table


def test_every_run_is_in_the_ledger(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    records = cli("audit", "list", "-o", "json").json
    assert [record["kind"] for record in records] == ["asked", "decided", "started", "finished"]
    asked, decided, _, finished = (record["data"] for record in records)
    assert asked["content"] == "hello"
    assert len(asked["digest"]) == len(asked["plan_hash"]) == 64
    assert decided == {"verdict": "allow", "rule": "owner", "text": decided["text"]}
    assert finished["status"] == "succeeded"
    assert {record["requester"]["uid"] for record in records} == {os.getuid()}
    assert cli("audit", "verify", "-o", "json").json["sound"]


def test_the_digest_follows_the_content(cli: Cli) -> None:
    folder = cli.scenario("hello", deploy=HELLO)
    first = cli("run", "scenario", "hello", "-o", "json").json
    same = cli("run", "scenario", "hello", "-o", "json").json
    (folder / "deploy.yml").write_text(HELLO + "\n")
    other = cli("run", "scenario", "hello", "-o", "json").json
    assert first["digest"] == same["digest"] != other["digest"]
    assert first["plan_hash"] == same["plan_hash"] != other["plan_hash"]


FAILING = """
- name: Fail
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Break
      ansible.builtin.fail:
        msg: "it broke\\n  here"
"""


def test_a_failed_host_is_3(cli: Cli) -> None:
    cli.scenario("hello", deploy=FAILING)
    done = cli("run", "scenario", "hello", "-o", "json")
    assert done.code == 3
    assert done.json["failures"] == [
        {"host": "localhost", "task": "Break", "message": "it broke here", "unreachable": False}
    ]
    assert done.err.splitlines()[-1] == "opsctl: failed: localhost: Break: it broke here"


def test_an_unreachable_host_is_4(cli: Cli) -> None:
    (cli.home.parent / "hosts").write_text("[nodes]\nfar ansible_host=127.0.0.1 ansible_port=1\n")
    cli.scenario("hello", deploy=HELLO + "- hosts: nodes\n  tasks: []\n")
    done = cli("run", "scenario", "hello", "-o", "json")
    assert (done.code, done.json["status"]) == (4, "unreachable")
    assert done.json["hosts"]["far"]["unreachable"] == 1


def test_a_playbook_that_cannot_be_parsed_is_1_and_not_unreachable(cli: Cli) -> None:
    cli.scenario("hello", deploy="- hosts: localhost\n  tusks: []\n")
    done = cli("run", "scenario", "hello", "-o", "json")
    assert (done.code, done.json["status"]) == (1, "error")
    assert "tusks" in done.json["message"]


SLOW = (
    NODES
    + """
- name: Work
  hosts: nodes
  gather_facts: false
  tasks:
    - name: Take long
      ansible.builtin.command: sleep 300
"""
)


def test_a_run_that_takes_too_long_is_5_and_leaves_nothing(cli: Cli) -> None:
    cli.scenario("slow", deploy="---" + SLOW)
    done = cli("run", "scenario", "slow", "--timeout", "3", "-o", "json")
    assert (done.code, done.json["status"]) == (5, "timeout")
    assert [row["host"] for row in done.json["in_progress"]] == ["node-1", "node-2"]
    assert not list((cli.home.parent / "runtime" / "opsctl").iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="gives the home to somebody else, which root can")
def test_who_does_not_own_the_installation_is_denied_with_6(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    os.chown(cli.home, 65534, 65534)
    done = cli("run", "scenario", "hello")
    assert done.code == 6
    assert "Denied by rule default" in done.line
    assert [record["kind"] for record in cli("audit", "list", "-o", "json").json] == ["asked", "decided"]
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "denied"


def test_check_mode_and_limit_reach_ansible(cli: Cli) -> None:
    mark = cli.home.parent / "mark"
    cli.scenario(
        "hello",
        deploy=NODES
        + f"""
- name: Write
  hosts: nodes
  gather_facts: false
  tasks:
    - name: Leave a mark
      ansible.builtin.copy:
        content: x
        dest: {mark}-{{{{ inventory_hostname }}}}
        mode: "0600"
""",
    )
    assert cli("run", "scenario", "hello", "--check", "-o", "json").json["hosts"]["node-1"]["changed"] == 1
    assert not list(mark.parent.glob("mark-*"))
    cli("run", "scenario", "hello", "--limit", "localhost,node-2")
    assert [path.name for path in mark.parent.glob("mark-*")] == ["mark-node-2"]


def test_differences_are_recorded_when_asked_for(cli: Cli) -> None:
    target = cli.home.parent / "target"
    target.write_text("old\n")
    cli.scenario(
        "hello",
        deploy=f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Write
      ansible.builtin.copy:
        content: "new\\n"
        dest: {target}
        mode: "0600"
""",
    )
    cli("run", "scenario", "hello", "--diff", "--check")
    logs = cli("runs", "logs", "last").out
    assert "-old" in logs
    assert "+new" in logs


def test_the_journal_is_numbered_without_gaps_and_begins_and_ends(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    events = [json.loads(line) for line in cli("runs", "logs", "last", "--events").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["event"] == "run_start"
    assert events[-1]["event"] == "run_end"
    assert events[-1]["data"]["status"] == "succeeded"
    assert {"play_start", "task_start", "host_start", "host_ok", "stats"} <= {event["event"] for event in events}


def test_logs_can_be_followed_while_it_runs(cli: Cli, background: object) -> None:
    gate = cli.home.parent / "gate"
    cli.scenario(
        "slow",
        deploy=f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Wait for the gate
      ansible.builtin.wait_for:
        path: {gate}
        timeout: 60
        sleep: 1
    - name: Go through
      ansible.builtin.debug:
        msg: through
""",
    )
    runner: subprocess.Popen[str] = background("run", "scenario", "slow", "-o", "json")  # type: ignore[operator]
    wait_for(lambda: list((cli.home / "journal").glob("*")))
    follower: subprocess.Popen[str] = background("runs", "logs", "last", "-f")  # type: ignore[operator]
    assert follower.stdout is not None
    wait_for(lambda: "Wait for the gate" in follower.stdout.readline())  # type: ignore[union-attr]
    gate.write_text("")
    out, _ = follower.communicate(timeout=60)
    assert "through" in out
    assert follower.returncode == 0
    assert runner.wait(60) == 0


def test_an_output_of_many_megabytes_comes_through_whole(cli: Cli) -> None:
    cli.scenario(
        "big",
        deploy="""
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Print much
      ansible.builtin.command: python3 -c "print('x' * 3_000_000 + 'end')"
      changed_when: false
""",
    )
    assert cli("run", "scenario", "big").code == 0
    events = [json.loads(line) for line in cli("runs", "logs", "last", "--events").out.splitlines()]
    done = next(event for event in events if event["event"] == "host_ok")
    said = [event["stdout"] for event in events if event["event"] == "host_output"]
    assert "".join(said) == "x" * 3_000_000 + "end"
    assert done["data"]["res"]["output"] == {"stdout": 3_000_003}


def test_nobody_who_reads_slowly_stops_a_run(cli: Cli, background: object) -> None:
    complain = """
    - name: Complain
      ansible.builtin.fail:
        msg: "{{ 'y' * 5000 }}"
      ignore_errors: true
"""
    hosts = NODES.replace("[node-1, node-2]", str([f"node-{number}" for number in range(30)]))
    cli.scenario("chatty", deploy=hosts + "- hosts: nodes\n  gather_facts: false\n  tasks:" + complain * 6)
    runner: subprocess.Popen[str] = background("run", "scenario", "chatty", "-o", "json")  # type: ignore[operator]
    # Nobody reads its stderr: 180 lines of 600 characters, in a pipe that holds 64 KiB.
    wait_for(lambda: cli("runs", "list", "-o", "json").json[0:1])
    wait_for(lambda: cli("runs", "show", "last", "-o", "json").json["status"] == "succeeded", 60)
    _, story = runner.communicate(timeout=60)
    assert runner.returncode == 0
    assert len([text for text in story.splitlines() if "yyy" in text]) == 180


def test_the_private_directory_is_wiped(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    cli.scenario("hello", deploy=FAILING)
    cli("run", "scenario", "hello")
    assert not list((cli.home.parent / "runtime" / "opsctl").iterdir())


def test_state_is_for_the_owner_only(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    open_to_others = [
        path
        for path in [cli.home / "opsctl.db", cli.home / "ledger.head", *(cli.home / "journal").iterdir()]
        if path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


def test_a_full_disk_is_one_line(cli: Cli, tmp_path: Path) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    small = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "none", str(cli.home / "journal")], check=False)
    if small.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        (cli.home / "journal" / "filler").write_bytes(b"x" * 150_000)
        cli.scenario("big", deploy=HELLO.replace("hello {{", "{{ 'x' * 100_000 }} {{"))
        done = cli("run", "scenario", "big")
        assert done.code == 1
        assert "no space left" in done.err.splitlines()[-1]
        assert "Traceback" not in done.err
        assert cli("runs", "show", "last", "-o", "json").json["status"] == "error"
    finally:
        subprocess.run(["umount", str(cli.home / "journal")], check=True)
