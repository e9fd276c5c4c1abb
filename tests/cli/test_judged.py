"""ansible-playbook with its tasks judged, as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.executor.task_executor import TaskExecutor

from opsctl.judged import VARIABLE
from opsctl.judged.executor import _METHOD, install
from opsctl.policy.limit import Limit, Limits

BOOK = """
- hosts: web
  gather_facts: false
  tasks:
    - name: Each item for itself
      ansible.builtin.shell: "{{ item }} --help > {{ item }}-{{ inventory_hostname }} || true"
      args: {chdir: "{{ playbook_dir }}"}
      loop: [echo, reboot]
      ignore_errors: true
    - name: Hidden
      ansible.builtin.shell: "shutdown --help S3CRET"
      no_log: true
      ignore_errors: true
    - name: Elsewhere
      ansible.builtin.command: "touch elsewhere"
      args: {chdir: "{{ playbook_dir }}"}
      delegate_to: db-1
      ignore_errors: true
    - name: A script
      ansible.builtin.script: says.sh
      failed_when: false
      ignore_errors: true
    - name: Another library
      ansible.builtin.command: "true"
      environment: {LD_PRELOAD: "{{ playbook_dir }}/x.so"}
      ignore_errors: true
    - name: Here
      ansible.builtin.command: "touch here"
      args: {chdir: "{{ playbook_dir }}"}
      delegate_to: localhost
      run_once: true
"""
HOSTS = """
[web]
web-1
web-2
[db]
db-1
[all:vars]
ansible_connection=local
ansible_python_interpreter='{{ ansible_playbook_python }}'
"""


def played(folder: Path, limits: Limits | None, *options: str, book: str = "site.yml") -> tuple[int, str]:
    for name, text in (("site.yml", BOOK), ("hosts.ini", HOSTS), ("says.sh", "#!/bin/sh\nreboot --help\n")):
        (folder / name).write_text(text)
    file = folder / "limits.json"
    if limits is not None:
        file.write_text(json.dumps(limits.plain()))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "opsctl.judged", "-i", "hosts.ini", book, *options],
        cwd=folder,
        env={**os.environ, VARIABLE: str(file), "ANSIBLE_NOCOLOR": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_tasks_are_refused_where_they_would_run(tmp_path: Path) -> None:
    code, said = played(tmp_path, Limits("bob", False, [Limit("calm", "allow", "medium", groups=["web"])]))
    assert code == 0, said
    made = {path.name for path in tmp_path.iterdir()}
    assert {"echo-web-1", "echo-web-2", "here"} <= made
    assert not {"reboot-web-1", "reboot-web-2", "elsewhere"} & made
    assert "Denied by policy: calm: high risk: takes the host out of service (reboot --help" in said
    assert "Denied by policy: calm: high risk; no_log hides what it does" in said
    assert "S3CRET" not in said
    assert "Denied by policy: default: bob has no grant for this on db-1" in said
    assert "Denied by policy: calm: high risk: sets LD_PRELOAD for what it runs" in said
    assert said.count("...ignoring") == 10


FANOUT = """
- hosts: web
  gather_facts: false
  tasks:
    - name: On all at once
      opsctl.cloud.fanout: {cmd: "touch spread", chdir: "{{ playbook_dir }}"}
    - name: A script on all at once
      opsctl.cloud.fanout: {script: "{{ playbook_dir }}/says.sh"}
"""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Limit("only-1", "allow", "medium", hosts=["web-1"]), "default: bob has no grant for this on web-2"),
        (Limit("calm", "allow", "medium"), "calm: high risk: takes the host out of service"),
    ],
)
def test_the_action_for_all_hosts_is_judged_on_each_of_them(tmp_path: Path, limit: Limit, expected: str) -> None:
    (tmp_path / "all.yml").write_text(FANOUT)
    code, said = played(tmp_path, Limits("bob", False, [limit]), book="all.yml")
    assert code == 2
    assert expected in " ".join(said.split())
    assert (tmp_path / "spread").exists() == (limit.rule == "calm")


def test_what_is_grave_and_may_be_is_told(tmp_path: Path) -> None:
    limits = Limits("ann", True, [Limit("never", "deny", "critical"), Limit("web-2", "deny", "high", hosts=["web-2"])])
    code, said = played(tmp_path, limits, "--check", "-l", "web-1,localhost")
    assert code == 0, said
    assert "Let through by policy: high risk: takes the host out of service (reboot --help" in said
    assert "S3CRET" not in said


@pytest.mark.parametrize("text", [None, "", "{}", '{"limits": [{"effect": "allow"}]}', "[]"])
def test_without_limits_nothing_runs(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "limits.json").write_text(text)
    code, said = played(tmp_path, None)
    assert (code, "The limits of policy cannot be read" in said) == (1, True)
    assert "PLAY" not in said


def test_a_task_that_cannot_be_judged_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(TaskExecutor, _METHOD, lambda *arguments: ran.append(arguments))
    install(Limits("ann", True, [Limit("never", "deny", "critical")]))
    with pytest.raises(AnsibleActionFail, match="Denied by policy: the task cannot be judged: AttributeError"):
        getattr(TaskExecutor, _METHOD)(object())
    assert ran == []


def test_an_ansible_without_the_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(TaskExecutor, _METHOD)
    with pytest.raises(RuntimeError, match="cannot be limited by policy"):
        install(Limits("ann", True, []))
