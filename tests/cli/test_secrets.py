"""A canary given as a secret parameter appears nowhere but where the playbook uses it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .conftest import Cli

CANARY = 'Tw33t"\\ry&%-canary-0f9a'
FORMS = {CANARY, json.dumps(CANARY)[1:-1], json.dumps(json.dumps(CANARY)[1:-1])[1:-1], "canary-0f9a"}

PLAYBOOK = """
# Keeps a secret.
- name: Keep it
  hosts: localhost
  gather_facts: false
  roles:
    - keeper
"""

OPTIONS = """
argument_specs:
  main:
    short_description: Keeps a secret
    options:
      keeper_password:
        description: The secret.
        type: str
        no_log: true
        required: true
"""

TASKS = """
- name: Show it
  ansible.builtin.debug:
    msg: "the password is {{ keeper_password }}, honestly"
- name: Show it within JSON
  ansible.builtin.debug:
    msg: "{{ {'inner': {'text': keeper_password}} | to_json }}"
- name: Pass it to a slow command
  ansible.builtin.command:
    cmd: sh -c 'cat; sleep 1'
    stdin: "{{ keeper_password }}"
- name: Show the environment's own secret
  ansible.builtin.command: printenv SOME_TOKEN
- name: Name a task after it {{ keeper_password }}
  ansible.builtin.set_stats:
    data:
      opsctl_result:
        told: "{{ keeper_password }}"
- name: Fail with it
  ansible.builtin.fail:
    msg: "cannot log in with {{ keeper_password }}"
"""


def keeper(cli: Cli) -> Path:
    cli.scenario("keeper", deploy=PLAYBOOK)
    cli.role("keeper", OPTIONS, TASKS)
    variables = cli.home.parent / "variables.yml"
    variables.write_text(json.dumps({"keeper_password": CANARY}))
    return variables


@contextmanager
def watched_arguments(run: subprocess.Popen[str]) -> Iterator[list[str]]:
    """Command lines of all processes while a run lasts."""
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        seen.append((entry / "cmdline").read_bytes().decode("utf-8", "replace"))
                    except OSError:
                        continue
            over.wait(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    over.set()
    thread.join()


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


def test_a_canary_appears_nowhere(cli: Cli, background: Callable[..., subprocess.Popen[str]]) -> None:
    variables = keeper(cli)
    token = "tok-7c1e55aa-canary-env"
    run = background("run", "scenario", "keeper", "-e", f"@{variables}", "-o", "json", env={"SOME_TOKEN": token})
    with watched_arguments(run) as arguments:
        out, story = run.communicate(timeout=60)
    assert run.returncode == 3
    assert any("ansible-playbook" in line for line in arguments)
    assert [line for line in arguments if leaks(line) or token in line] == []
    assert leaks(out + story) == []
    assert token not in out + story
    result = json.loads(out)
    assert result["parameters"]["keeper_password"] == "******"
    assert result["result"] == {"told": "******"}
    assert result["failures"][0]["message"] == "cannot log in with ******"
    everything = [path for path in cli.home.rglob("*") if path.is_file()]
    assert len(everything) >= 4
    for path in everything:
        content = path.read_bytes().decode("utf-8", "replace")
        assert leaks(content) == [], path
        assert token not in content, path
    shown = "".join(
        cli(*words).out
        for words in (
            ("runs", "show", "last"),
            ("runs", "logs", "last"),
            ("runs", "logs", "last", "--events"),
            ("audit", "list", "-o", "json"),
        )
    )
    assert leaks(shown) == []
    # It was there: the playbook did get it.
    assert "the password is ******, honestly" in shown


def test_a_secret_on_the_command_line_is_refused_unseen(cli: Cli) -> None:
    keeper(cli)
    done = cli("run", "scenario", "keeper", "-e", f"keeper_password={CANARY}")
    assert done.code == 2
    assert "keeper_password is secret" in done.line
    assert "@file" in done.line
    assert leaks(done.err) == []


def test_a_secret_of_the_wrong_type_is_refused_unseen(cli: Cli) -> None:
    keeper(cli)
    done = cli("run", "scenario", "keeper", "-e", "@-", stdin=json.dumps({"keeper_password": [CANARY]}))
    assert done.code == 2
    assert "keeper_password" in done.line
    assert leaks(done.err) == []


def test_a_file_that_is_not_yaml_is_refused_unseen(cli: Cli) -> None:
    keeper(cli)
    done = cli("run", "scenario", "keeper", "-e", "@-", stdin=f"keeper_password: '{CANARY}\n  : [")
    assert done.code == 2
    assert leaks(done.err) == []


def test_a_secret_can_be_piped_in(cli: Cli) -> None:
    keeper(cli)
    done = cli("run", "scenario", "keeper", "-e", "@-", "-o", "json", stdin=json.dumps({"keeper_password": CANARY}))
    assert done.json["parameters"]["keeper_password"] == "******"
