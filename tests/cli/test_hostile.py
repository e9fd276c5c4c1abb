"""Whoever can raise an alert chooses its words: they reach hosts as they are, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from opsctl.alerts.alert import made
from opsctl.alerts.inbox import Inbox
from opsctl.clock import now
from tests.cli.conftest import Cli

RULES = """
- name: words
  match: {{problem: words}}
  do: {{command: ["touch", "{out}/{{{{ alert.name }}}}"]}}
  verify: {{problem: ignore}}
- name: parameters
  match: {{problem: parameters}}
  do: {{playbook: {playbook}}}
  parameters: {{said: "{{{{ alert.name }}}}", where: {out}}}
  verify: {{problem: ignore}}
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Keep what it said
      ansible.builtin.copy:
        content: "{{ said }}"
        dest: "{{ where }}/said"
        mode: "0600"
"""
SHELL = "a; touch pwned $(touch pwned) `touch pwned` 'b' \"c\" \\ %} }} | & > <"
TEMPLATE = "{{ lookup('pipe', 'touch pwned') }}"


@pytest.fixture
def out(cli: Cli, tmp_path: Path) -> Path:
    """Where rules write, on hosts that are this machine."""
    out = tmp_path / "out"
    out.mkdir()
    playbook = tmp_path / "say.yml"
    playbook.write_text(PLAYBOOK)
    (cli.home / "rules.d").mkdir()
    (cli.home / "rules.d/all.yml").write_text(RULES.format(out=out, playbook=playbook))
    (tmp_path / "hosts").write_text(
        f"[web]\nweb-[1:4] ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    )
    return out


def test_what_hostile_alerts_say_is_never_evaluated(cli: Cli, out: Path) -> None:
    said = [
        ("words", "web-1", SHELL),
        ("parameters", "web-2", SHELL),
        ("words", "web-3", TEMPLATE),
        ("parameters", "web-3", TEMPLATE),
        ("words", "web", "a group"),
        ("words", "all", "everything"),
        ("words", "web-1,web-2", "two"),
    ]
    with Inbox(cli.home) as inbox:
        inbox.put(
            [
                made("z", "zabbix", str(key), received=now(), name=name, host=host, tags={"opsctl_problem": problem})
                for key, (problem, host, name) in enumerate(said)
            ]
        )
    served = cli("alert", "serve", "--once")
    assert served.code == 0, served.err
    assert sorted(path.name for path in out.iterdir()) == [SHELL, "said"]
    assert (out / "said").read_text() == SHELL
    assert not list(cli.home.parent.rglob("pwned"))
    # Each of the others is told to a person, with the reason.
    told = [line for line in served.err.splitlines() if ": escalated: " in line]
    assert len(told) == len(said) - 2
    assert len(cli("runs", "list", "-o", "json").json) == 2
