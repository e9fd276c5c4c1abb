"""`opsctl runs retry` and `runs resume`, as processes on hosts of this machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from .conftest import Cli
from .test_end import Background, processes_with, wait_for

PLAY = """
- name: Work
  hosts: all
  gather_facts: false
  tasks:
    - name: First
      ansible.builtin.shell: echo first >> {log}/$HOST
      environment: {{HOST: "{{{{ inventory_hostname }}}}"}}
    - name: Second
      ansible.builtin.shell: test -e {log}/good-$HOST && echo second >> {log}/$HOST
      environment: {{HOST: "{{{{ inventory_hostname }}}}"}}
    - name: Third
      ansible.builtin.shell: echo third >> {log}/$HOST
      environment: {{HOST: "{{{{ inventory_hostname }}}}"}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An inventory of three hosts that are all this machine, and a playbook that fails where a file is missing."""
    import sys

    names = "\n".join(f"n{number}" for number in (1, 2, 3))
    local = f"[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"
    (tmp_path / "inv").write_text(f"{names}\n{local}")
    (tmp_path / "log").mkdir()
    folder = tmp_path / "play"
    folder.mkdir()
    (folder / "play.yml").write_text(PLAY.format(log=tmp_path / "log"))
    return tmp_path


def said(place: Path) -> dict[str, list[str]]:
    return {path.name: path.read_text().split() for path in sorted((place / "log").glob("n?"))}


def first(cli: Cli, place: Path) -> str:
    for name in ("n1",):
        (place / "log" / f"good-{name}").touch()
    run = cli("run", "playbook", str(place / "play" / "play.yml"), "-i", str(place / "inv"), "--yes-all", "-o", "json")
    assert run.code == 3
    assert said(place) == {"n1": ["first", "second", "third"], "n2": ["first"], "n3": ["first"]}
    return str(run.json["id"])


def test_retry_repeats_failed_hosts_alone(cli: Cli, place: Path) -> None:
    run = first(cli, place)
    (place / "log" / "good-n2").touch()
    again = cli("runs", "retry", run, "--failed", "-o", "json")
    assert again.code == 3
    assert again.json["parent"] == run
    assert again.json["targets"]["hosts"] == ["n2", "n3"]
    assert said(place) == {
        "n1": ["first", "second", "third"],
        "n2": ["first", "first", "second", "third"],
        "n3": ["first", "first"],
    }
    (place / "log" / "good-n3").touch()
    assert cli("runs", "retry", "last", "--failed").code == 0
    none = cli("runs", "retry", "last", "--failed")
    assert none.code == 2
    assert "failed on no host" in none.err


def test_resume_begins_at_the_failed_task_of_each_host(cli: Cli, place: Path) -> None:
    run = first(cli, place)
    (place / "log" / "good-n2").touch()
    (place / "log" / "good-n3").touch()
    again = cli("runs", "resume", run, "-o", "json")
    assert again.code == 0, again.err
    assert said(place) == {
        "n1": ["first", "second", "third"],
        "n2": ["first", "second", "third"],
        "n3": ["first", "second", "third"],
    }
    assert again.json["options"]["begin"] == {"Second": ["n2", "n3", "localhost"]}
    assert cli("audit", "verify").code == 0


def test_resume_refuses_what_has_changed(cli: Cli, place: Path) -> None:
    run = first(cli, place)
    play = place / "play" / "play.yml"
    text = play.read_text()
    play.write_text(text + "# changed\n")
    refused = cli("runs", "resume", run)
    assert refused.code == 2
    assert "its content has changed" in refused.err
    play.write_text(text)
    inventory = (place / "inv").read_text()
    (place / "inv").write_text(inventory.replace("n2", "n2 ansible_host=127.9.9.9"))
    refused = cli("runs", "resume", run)
    assert "its hosts have changed" in refused.err
    (place / "inv").write_text(inventory.replace("n2\n", ""))
    assert "its hosts have changed" in cli("runs", "resume", run).err
    assert "not among the hosts" in cli("runs", "retry", run, "--failed").err


def test_resume_refuses_a_task_that_stands_at_two_places(cli: Cli, place: Path) -> None:
    play = place / "play" / "play.yml"
    play.write_text(play.read_text().replace("name: First", "name: Second"))
    run = cli("run", "playbook", str(play), "-i", str(place / "inv"), "--yes-all", "-o", "json").json["id"]
    refused = cli("runs", "resume", run)
    assert refused.code == 2
    assert "stands at 2 places" in refused.err


def test_resume_goes_on_after_a_kill(cli: Cli, background: Background, place: Path) -> None:
    for name in ("n1", "n2", "n3"):
        (place / "log" / f"good-{name}").touch()
    play = place / "play" / "play.yml"
    slow = f"test -e {place}/log/go || sleep 31537; test -e"
    play.write_text(play.read_text().replace("shell: test -e", f"shell: {slow}", 1))
    run = background("run", "playbook", str(play), "-i", str(place / "inv"), "--yes-all")
    wait_for(lambda: len(processes_with("31537")) >= 3)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    wait_for(lambda: not processes_with("31537"))
    (place / "log" / "go").touch()
    again = cli("runs", "resume", "last", "-o", "json")
    assert again.code == 0, again.err
    assert said(place) == {f"n{number}": ["first", "second", "third"] for number in (1, 2, 3)}


def test_a_command_is_repeated_where_it_failed(cli: Cli, place: Path) -> None:
    words = ("-i", str(place / "inv"), "--yes-all", "--chdir", str(place), "--", "test", "-e", "there")
    failed = cli("run", "command", *words)
    assert failed.code == 3
    (place / "there").touch()
    again = cli("runs", "resume", "last", "-o", "json")
    assert again.code == 0, again.err
    assert (again.json["content"], sorted(again.json["hosts"])) == ("test -e there", ["n1", "n2", "n3"])


def test_secrets_must_be_given_again(cli: Cli, place: Path) -> None:
    words = ("-i", str(place / "inv"), "-H", "n1", "--env", "DB_PASSWORD=canary-77", "--", "printenv", "DB_PASSWORD")
    assert cli("run", "command", *words).code == 0
    refused = cli("runs", "retry", "last")
    assert refused.code == 2
    assert "env.DB_PASSWORD" in refused.err
    other = cli("runs", "retry", "last", "--env", "OTHER=1")
    assert "only secrets of run" in other.err
    again = cli("runs", "retry", "last", "--env", "DB_PASSWORD=canary-77", "-o", "json")
    assert again.code == 0
    assert "canary-77" not in again.out + again.err
