"""The corpus of secrets through whole runs of every kind: searched for in all that is kept, said and run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from tests.canaries import LOOKS, SHAPES, VALUES, remains

from .conftest import Cli
from .sshd import SSHD, sshd
from .test_secrets import watched_arguments

PLAY = """
- hosts: all
  gather_facts: false
  vars: {text: "{{ lookup('file', corpus) }}"}
  tasks:
    - name: Print it
      command: cat {{ corpus }}
    - name: Print it to the other stream, and fail
      shell: cat {{ corpus }} >&2; exit 3
      ignore_errors: true
    - name: Show it
      debug: msg="{{ text }}"
    - name: Show lines of it
      debug: msg="{{ text.splitlines() }}"
    - name: Write it
      copy: {content: "{{ text }}", dest: "{{ target }}"}
    - name: Write it again
      copy: {content: "", dest: "{{ target }}"}
    - name: Pass it in the environment
      command: env
      environment: {DSN_OF_IT: "{{ secrets[1] }}", SOMETHING: "{{ secrets[0] }}"}
    - name: Pass it to a module that fails
      file: {path: "/nowhere/{{ secrets[0] }}/x", state: touch}
      ignore_errors: true
    - set_stats: {data: {opsctl_result: {told: "{{ text }}", one: "{{ secrets[1] }}"}}}
"""

OPTIONS = """
argument_specs:
  main:
    short_description: Says what it was told.
    options:
      secrets: {type: list, elements: str, no_log: true, description: Whatever must stay secret.}
      corpus: {type: path, description: A file with it.}
      target: {type: path, description: Where to write it.}
"""


@pytest.fixture
def inventory(cli: Cli, tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Path]:
    """One host: by SSH where this machine can serve it, else itself, and for Ansible always itself."""
    path = cli.home.parent / "one"
    python = f"ansible_python_interpreter={sys.executable}"
    if kind in ("command", "script") and os.getuid() == 0 and Path(SSHD).exists():
        with sshd(tmp_path_factory.mktemp("sshd")) as server:
            lines = server.inventory(cli.home.parent, python).read_text().splitlines()
            path.write_text("\n".join(line for line in lines if not line.startswith("web") or "web1 " in line))
            yield path
    else:
        path.write_text(f"web1 ansible_connection=local {python}\n")
        yield path


def leaks(text: str) -> list[str]:
    found = [part for value in VALUES for part in remains(value) if part in text or json.dumps(part)[1:-1] in text]
    return found + [secret for look, (_, secret) in LOOKS.items() if look != "vaulted" and secret in text]


@pytest.mark.parametrize("kind", ["command", "script", "playbook", "scenario"])
def test_the_corpus_is_kept_and_said_nowhere(
    cli: Cli, background: Callable[..., Popen[str]], inventory: Path, kind: str
) -> None:
    folder = cli.home.parent
    corpus = folder / "corpus"
    texts = [shape(value) for shape in SHAPES.values() for value in VALUES] + [text for text, _ in LOOKS.values()]
    corpus.write_text("\n".join(texts) + "\n")
    secrets = {f"CANARY_{number}": value for number, value in enumerate(VALUES)}
    hosts = ("-i", str(inventory), "--yes-all", "-o", "json")
    (folder / "script.sh").write_text(f"#!/bin/sh\ncat {corpus}\ncat {corpus} >&2\nenv\n")
    (folder / "play.yml").write_text(PLAY)
    variables = {"secrets": [{"secret": f"env:{name}"} for name in secrets], "corpus": str(corpus)}
    (folder / "variables.yml").write_text(json.dumps({**variables, "target": str(folder / "target")}))
    given = tuple(part for name in secrets for part in ("--env", f"X_{name}=secret:env:{name}"))
    words = {
        "command": ("run", "command", *hosts, *given, "--", "sh", "-c", f"cat {corpus}; cat {corpus} >&2; env"),
        "script": ("run", "script", *hosts, *given, str(folder / "script.sh")),
        "playbook": (
            "run",
            "playbook",
            *hosts,
            "--diff",
            "-e",
            f"@{folder / 'variables.yml'}",
            str(folder / "play.yml"),
        ),
        "scenario": ("run", "scenario", "told", "--diff", "-e", f"@{folder / 'variables.yml'}", "-o", "json"),
    }[kind]
    if kind == "scenario":
        (folder / "hosts").write_text(inventory.read_text())
        cli.scenario("told", deploy=PLAY.replace("  tasks:", "  roles: [told]\n  tasks:", 1))
        cli.role("told", OPTIONS, "[]")
    run = background(*words, env=secrets)
    with watched_arguments(run) as arguments:
        out, story = run.communicate(timeout=120)
    assert out, story
    assert json.loads(out)["status"] == "succeeded", story
    # Ansible itself puts a task's environment on the command line of the host, where the one host is this machine.
    ours = [line for line in arguments if "opsctl" in line and kind in ("command", "script")]
    assert [line for line in ours if leaks(line)] == []
    assert leaks(out) == []
    assert leaks(story) == []
    for place in (cli.home, folder / "runtime"):
        for path in place.rglob("*"):
            if path.is_file():
                assert leaks(path.read_bytes().decode("utf-8", "replace")) == [], path
    for shown in (("runs", "logs", "last"), ("runs", "logs", "last", "--events"), ("audit", "list", "-o", "json")):
        said = cli(*shown).out
        assert leaks(said) == [], shown
    assert cli("runs", "logs", "last", "--events").out.count("******") > 100, "it was there"
