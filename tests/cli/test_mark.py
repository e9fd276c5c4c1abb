"""What Ansible runs on hosts carries the id of its run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import opsctl

from .sshd import ADMIN, NEEDED, PASSWORD, guarded

_INSIDE = Path(opsctl.__file__).with_name("inside")

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: true
  environment:
    OWN: "{{ 'x' ~ 'y' }}"
  tasks:
    - command: printenv OPSCTL_RUN_ID OWN
    - shell: echo "$OPSCTL_RUN_ID $MORE"
      environment: {MORE: more}
    - include_tasks: included.yml
    - debug: msg="fact {{ ansible_env.OPSCTL_RUN_ID }}"
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - raw: echo raw
    - command: printenv OPSCTL_RUN_ID
      changed_when: true
      notify: Tell
  handlers:
    - name: Tell
      shell: echo "handler $OPSCTL_RUN_ID"
"""
BECOME = """
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - command: id -u
"""


def play(path: Path, run: str) -> str:
    (path / "play.yml").write_text(PLAYBOOK)
    (path / "included.yml").write_text('- shell: echo "included $OPSCTL_RUN_ID"\n')
    environment = {**os.environ, "ANSIBLE_CALLBACK_PLUGINS": str(_INSIDE), "ANSIBLE_NOCOLOR": "1"}
    environment |= {"OPSCTL_MARK": run} if run else {}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-v",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            "play.yml",
        ],
        cwd=path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_task_has_the_id_in_its_environment(tmp_path: Path) -> None:
    out = play(tmp_path, "0000-mark")
    assert '"0000-mark\\nxy"' in out
    for said in ('"0000-mark more"', '"included 0000-mark"', "fact 0000-mark", '"handler 0000-mark"'):
        assert said in out, said
    # Which does not know how to have an environment and would say so.
    assert '"stdout": "raw\\n"' in out
    assert "does not support the environment" not in out


@NEEDED[0]
@NEEDED[1]
@pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo on this machine")
def test_sudo_logs_it(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tmp_path / "play.yml").write_text(BECOME)
    with guarded(tmp_path_factory.mktemp("sshd")) as server:
        more = f"ansible_python_interpreter=/usr/bin/python3\nansible_password={PASSWORD}"
        inventory = server.inventory(tmp_path, more, login=ADMIN, key=False)
        environment = {**os.environ, "ANSIBLE_CALLBACK_PLUGINS": str(_INSIDE), "OPSCTL_MARK": "0000-sudo"}
        # The path of a socket below this directory would be too long.
        environment |= {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no", "ANSIBLE_PIPELINING": "1"}
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        done = subprocess.run(
            [program, "-i", str(inventory), "--limit", "web1", "play.yml"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        logged = (server.folder / "sudo.log").read_text()
    # sudo breaks its lines.
    assert "OPSCTL_RUN_ID=0000-sudo" in "".join(logged.split())
