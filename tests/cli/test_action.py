"""The action fanout in plain playbooks, on a real sshd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sshd import ADMIN, LOGIN, NEEDED, PASSWORD, Server, guarded

pytestmark = [*NEEDED, pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo on this machine")]
_LOCAL = "ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with guarded(tmp_path_factory.mktemp("guarded")) as found:
        yield found


class Played:
    """A playbook that has run: what its tasks returned, by name and host."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.err = done.returncode, done.stderr
        play = json.loads(done.stdout[done.stdout.index("{") :])
        self.tasks: dict[str, dict[str, Any]] = {
            task["task"]["name"]: task["hosts"] for of in play["plays"] for task in of["tasks"]
        }

    def hosts(self, task: str) -> dict[str, Any]:
        """What one fanout says of its hosts."""
        (result,) = self.tasks[task].values()
        found: dict[str, Any] = result["hosts"]
        return found


def _play(folder: Path, inventory: Path, play: dict[str, Any], *words: str) -> Played:
    path = folder / "play.yml"
    path.write_text(json.dumps([{"hosts": "web1,web2", "gather_facts": False, **play}]))
    environment = {**os.environ, "HOME": str(folder)}
    environment |= {"ANSIBLE_CALLBACK_PLUGINS": str(folder), "ANSIBLE_STDOUT_CALLBACK": "told"}
    (folder / "told.py").write_text(_TOLD)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, path, *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=100,
    )
    assert "{" in done.stdout, done.stderr
    return Played(done)


_TOLD = """
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "told"

    def __init__(self):
        super().__init__()
        self.tasks = []

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.tasks.append({"task": {"name": task.get_name()}, "hosts": {}})

    def _take(self, result, **_):
        self.tasks[-1]["hosts"][result._host.name] = dict(result._result)

    def v2_runner_on_skipped(self, result):
        self.tasks[-1]["hosts"][result._host.name] = dict(result._result, was="skipped")

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_unreachable = _take

    def v2_playbook_on_stats(self, stats):
        print(json.dumps({"plays": [{"tasks": self.tasks}]}, default=str))
"""


def _fanout(name: str, **options: Any) -> dict[str, Any]:
    keywords = {key.removeprefix("task_"): options.pop(key) for key in list(options) if key.startswith("task_")}
    return {"name": name, "opsctl.cloud.fanout": options, **keywords}


def test_what_a_play_says_of_its_hosts_is_honoured(server: Server, tmp_path: Path) -> None:
    more = f"[other]\nweb2 ansible_user={ADMIN} ansible_password={PASSWORD}\n[here]\nme {_LOCAL}"
    inventory = server.inventory(tmp_path, more)
    (tmp_path / "do.sh").write_text('#!/bin/sh\necho "$1 $A $B $PWD"; cat; echo bad >&2\n')
    tasks = [
        _fanout("who", cmd="id -un"),
        _fanout("root", cmd="id -un", task_become=True),
        _fanout("other", cmd="id -un", task_become=True, task_become_user=LOGIN, on_failure="report"),
        _fanout(
            "script",
            script=str(tmp_path / "do.sh"),
            cmd="'a b'",
            stdin="in {{ x }}",
            chdir="/usr",
            task_environment={"B": "{{ x }}"},
        ),
    ]
    play = {"hosts": "web1,web2,me", "vars": {"x": "q'z"}, "environment": {"A": "1", "B": "2"}, "tasks": tasks}
    played = _play(tmp_path, inventory, play)
    assert played.code == 0, played.tasks
    # Nobody of that name is on this machine.
    assert played.hosts("other").pop("me")["failed"]
    said = {task: [of["stdout"].split() for of in played.hosts(task).values()] for task in ("who", "root", "other")}
    assert said == {"who": [["root"], [ADMIN], ["root"]], "root": [["root"]] * 3, "other": [[LOGIN]] * 2}
    for of in played.hosts("script").values():
        assert (of["stdout"], of["stderr"], of["rc"]) == ("a b 1 q'z /usr\nin q'z", "bad\n", 0)
    assert "1 of 3 hosts are reached through Ansible (me: its connection is local)" in str(played.tasks["who"])


def test_a_user_and_passwords_of_the_play_are_for_all_its_hosts(server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, key=False)
    variables = {"ansible_user": LOGIN, "ansible_password": PASSWORD, "ansible_become_password": PASSWORD}
    tasks = [_fanout("who", cmd="id -un"), _fanout("root", cmd="id -un", task_become=True)]
    played = _play(tmp_path, inventory, {"tasks": tasks, "vars": variables})
    assert [of["stdout"] for of in played.hosts("who").values()] == [f"{LOGIN}\n"] * 2
    assert [of["stdout"] for of in played.hosts("root").values()] == ["root\n"] * 2


def test_hosts_that_fail_are_told_and_may_be_left_out(server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, "[gone]\nweb3 ansible_port=1")
    command = 'case "$SSH_CONNECTION" in *127.0.1.2*) echo no >&2; exit 9;; esac'
    first = _fanout("part", argv=["sh", "-c", command], on_failure="report", task_register="r", task_run_once=True)
    leave = {"name": "leave", "ansible.builtin.fail": {"msg": "{{ r.hosts[inventory_hostname].msg }}"}}
    tasks = [first, leave | {"when": "r.hosts[inventory_hostname].rc != 0"}, _fanout("rest", cmd="true")]
    played = _play(tmp_path, inventory, {"hosts": "web1,web2,web3", "tasks": tasks})
    assert played.code == 2
    (part,) = played.tasks["part"].values()
    assert (part["failed_hosts"], part["unreachable_hosts"]) == (["web2"], ["web3"])
    assert part["hosts"]["web2"]["msg"] == "exit status 9: no"
    assert list(played.hosts("rest")) == ["web1"]


def test_a_failure_ends_the_play_unless_it_is_only_to_be_told(server: Server, tmp_path: Path) -> None:
    tasks = [_fanout("end", cmd="false"), _fanout("never", cmd="true")]
    played = _play(tmp_path, server.inventory(tmp_path), {"tasks": tasks})
    assert (played.code, "never" in played.tasks) == (2, False)
    (result,) = played.tasks["end"].values()
    assert result["msg"] == "2 of 2 hosts failed: web1: exit status 1"


def test_check_mode_runs_nothing(server: Server, tmp_path: Path) -> None:
    made = tmp_path / "made"
    played = _play(tmp_path, server.inventory(tmp_path), {"tasks": [_fanout("make", cmd=f"touch {made}")]}, "--check")
    (result,) = played.tasks["make"].values()
    assert (result["was"], made.exists()) == ("skipped", False)


def test_time_ends_on_all_ways(server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"[here]\nme {_LOCAL}")
    task = _fanout("sleep", cmd="sleep 60", timeout=1.5, on_failure="report")
    played = _play(tmp_path, inventory, {"hosts": "web1,me", "tasks": [task]})
    assert [of["msg"] for of in played.hosts("sleep").values()] == ["timed out after 1.5 s"] * 2


def test_output_without_end_is_cut(server: Server, tmp_path: Path) -> None:
    task = _fanout("yes", argv=["sh", "-c", "yes | head -c 20000000"])
    tasks = [task | {"register": "r", "no_log": False}]
    played = _play(tmp_path, server.inventory(tmp_path), {"hosts": "web1", "tasks": tasks})
    (of,) = played.hosts("yes").values()
    assert (of["truncated"], len(of["stdout"]), of["rc"]) == (True, 16 * 1024 * 1024, 0)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "one of the following is required: cmd, argv, script"),
        ({"cmd": "a 'b"}, "cmd cannot be read: No closing quotation"),
        ({"cmd": "a", "argv": ["b"]}, "mutually exclusive"),
        ({"script": "/nonexistent.sh"}, "Could not find or access '/nonexistent.sh'"),
        ({"cmd": "a", "on_failure": "weep"}, "value of on_failure must be one of: stop, report"),
    ],
)
def test_bad_options_are_one_line(server: Server, tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    played = _play(tmp_path, server.inventory(tmp_path), {"tasks": [{"name": "bad", "opsctl.cloud.fanout": options}]})
    (result,) = played.tasks["bad"].values()
    assert complaint in result["msg"]


def test_an_address_that_the_play_computes_is_refused(server: Server, tmp_path: Path) -> None:
    play = {"vars": {"ansible_host": "{{ inventory_hostname }}.example"}, "tasks": [_fanout("who", cmd="true")]}
    played = _play(tmp_path, server.inventory(tmp_path), play)
    (result,) = played.tasks["who"].values()
    assert "the play sets ansible_host by a template" in result["msg"]
