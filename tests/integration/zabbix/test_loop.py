"""The whole loop with a real Zabbix: a problem heals itself, is seen to be gone, and says so on its event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.store import Remedies, Step

from .server import Server
from .test_intake import PATIENCE, Lab

pytestmark = pytest.mark.docker

HEAL = """
- name: Bring it back
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Tell Zabbix that it is back
      opsctl.cloud.zabbix_sender:
        server: {host}:{port}
        values:
          - {{host: "{{{{ node }}}}", key: up, value: "{value}"}}
"""
RULES = """
- name: heal-redis
  match: {problem: redis-process-down}
  do: {playbook: PLACE/heal.yml, inventory: PLACE/hosts.yml}
  parameters: {node: "{{ alert.host }}"}
  limit: []
  verify: {within: WITHIN}
  on_failure: {escalate: {severity: disaster}}
  guards: {cooldown: 0s, silence: SILENCE}
"""


class Healing:
    """A service with one rule; its remedy sends a value: 1 is what mends."""

    def __init__(self, lab: Lab, folder: Path, *, value: int = 1, within: str = "30s", silence: bool = False) -> None:
        self.lab = lab
        host, port = lab.server.trapper
        (folder / "heal.yml").write_text(HEAL.format(host=host, port=port, value=value))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": local}}}))
        rules = lab.home / "rules.d"
        rules.mkdir()
        text = RULES.replace("WITHIN", within).replace("SILENCE", str(silence).lower())
        (rules / "r.yml").write_text(text.replace("PLACE", str(folder)))
        config = lab.home / "config.toml"
        config.write_text(config.read_text().replace("0.0.0.0:0", "127.0.0.1:0"))
        self.remedies = Remedies(lab.inbox.database)

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        service = subprocess.Popen(
            [sys.executable, "-m", "opsctl", "alert", "serve"],
            env={**os.environ, "OPSCTL_HOME": str(self.lab.home)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert service.stderr is not None
            said = []
            while "opsctl alert: ready" not in (line := service.stderr.readline()):
                said.append(line)
                assert line, said
            yield service
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=60)

    def story(self, end: str) -> list[Step]:
        """Of the newest remediation, once it is there."""
        limit = time.monotonic() + PATIENCE
        while not (found := self.remedies.last(1)) or found[0].state != end:
            assert time.monotonic() < limit, (found[0].state, found[0].verdict, found[0].result)
            time.sleep(0.1)
        return self.remedies.story([found[0].id])


Make = Callable[..., Healing]


@pytest.fixture
def lab(zabbix: Server, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(zabbix, tmp_path)
    yield made
    made.inbox.close()


@pytest.fixture
def healing(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Make:
    def make(**options: Any) -> Healing:
        return Healing(lab, tmp_path_factory.mktemp("healing"), **options)

    return make


def said(server: Server, event: str) -> tuple[bool, list[str], str]:
    """Whether an event is acknowledged, what was said on it, and its severity."""
    (found,) = server.call("event.get", {"eventids": [event], "output": "extend", "select_acknowledges": ["message"]})
    return found["acknowledged"] == "1", [each["message"] for each in found["acknowledges"]], found["severity"]


def test_a_problem_heals_itself(lab: Lab, healing: Make) -> None:
    loop = healing(silence=True)
    with loop.serving():
        lab.host.send(0)
        steps = loop.story("closed")
        assert [step.state for step in steps] == ["starting", "running", "verifying", "healed", "closed"]
        [alert] = lab.until(lambda found: found and not found[0].firing)
        acknowledged, messages, _severity = said(lab.server, alert.key)
        assert acknowledged
        assert f"opsctl run {steps[0].data['run']} healed this" in messages[0]
        limit = time.monotonic() + PATIENCE
        while loop.remedies.silences():
            assert time.monotonic() < limit, "quiet was not given back"
            time.sleep(0.2)
        assert lab.server.call("maintenance.get", {"search": {"name": steps[0].remediation_id}}) == []


def test_a_problem_that_stays_needs_a_person(lab: Lab, healing: Make) -> None:
    loop = healing(value=0, within="3s")
    with loop.serving():
        lab.host.send(0)
        steps = loop.story("escalated")
        assert [step.state for step in steps] == ["starting", "running", "verifying", "failed", "escalated"]
        assert "the problem stays" in steps[-1].text
        [alert] = lab.inbox.find()
        limit = time.monotonic() + PATIENCE
        while (found := said(lab.server, alert.key))[2] != "5":
            assert time.monotonic() < limit, (found[0].state, found[0].verdict, found[0].result)
            time.sleep(0.3)
        assert "a person is needed" in found[1][0]
        assert not found[0]


def test_zabbix_is_away_while_it_heals(lab: Lab, healing: Make) -> None:
    loop = healing(within="50s")
    with loop.serving():
        lab.host.send(0)
        lab.until(lambda found: found and found[0].firing)
        with lab.server.stopped("nginx"):
            limit = time.monotonic() + PATIENCE
            while not (found := loop.remedies.last(1)) or found[0].state != "verifying":
                assert time.monotonic() < limit, (found[0].state, found[0].verdict, found[0].result)
                time.sleep(0.1)
            time.sleep(2)
            assert loop.remedies.last(1)[0].state == "verifying"
        assert [step.state for step in loop.story("closed")][-2:] == ["healed", "closed"]
    with Inbox(lab.home) as inbox:
        assert said(lab.server, inbox.find()[0].key)[0]
