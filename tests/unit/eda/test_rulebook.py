"""The rulebook that is shipped: what it names exists, and ansible-rulebook takes it where there is one."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import SOURCES, TOKEN, Fake, load, serving

_ROOT = Path(__file__).resolve().parents[3]
_BOOKS = sorted((_ROOT / "extensions/eda/rulebooks").glob("*.yml"))
_OURS = "opsctl.cloud."
PATIENCE = 120


def rulesets() -> list[Any]:
    return [each for book in _BOOKS for each in yaml.safe_load(book.read_text())]


def test_sources_exist_and_take_the_options_they_are_given() -> None:
    found = [(name, options) for rules in rulesets() for each in rules["sources"] for name, options in each.items()]
    ours = [(name.removeprefix(_OURS), options) for name, options in found if name.startswith(_OURS)]
    assert ours
    for name, options in ours:
        documented = yaml.safe_load(load(name)["DOCUMENTATION"])["options"]
        assert set(options) <= set(documented)


@pytest.mark.parametrize("source", sorted(path.stem for path in SOURCES.glob("*.py")))
def test_examples_are_sources_of_rulebooks(source: str) -> None:
    names = load(source)
    (example,) = yaml.safe_load(names["EXAMPLES"])
    assert set(example) == {f"{_OURS}{source}"}
    assert set(example[f"{_OURS}{source}"]) <= set(yaml.safe_load(names["DOCUMENTATION"])["options"])


def test_playbooks_and_problems_that_are_named_exist() -> None:
    named, problems = set(), set()
    for rules in rulesets():
        for rule in rules["rules"]:
            if play := rule["action"].get("run_playbook"):
                named.add(play["name"])
                # ansible-rulebook itself finds no playbook in a folder of a collection; Ansible does.
                assert play["check_files"] is False
            problems |= set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', rule["condition"]))
    assert named
    for name in named:
        scenario, action = name.removeprefix(_OURS).split(".")
        assert (_ROOT / "playbooks" / scenario / f"{action}.yml").is_file(), name
    templates = "\n".join(path.read_text() for path in (_ROOT / "roles").glob("*/files/templates/*.yaml"))
    assert problems
    for problem in problems:
        assert f"value: {problem}" in templates, problem


RULES = """
- name: Test
  hosts: all
  sources:
    - opsctl.cloud.zabbix:
        url: "{{ ZABBIX_URL }}"
        token: "{{ ZABBIX_TOKEN }}"
        interval: 0.2
        tags: {opsctl_stack: cache}
  rules:
    - name: Ill
      condition: event.alert.state == "firing" and event.alert.tags.opsctl_stack is defined
      action:
        debug:
          msg: "heal {{ event.alert.tags.opsctl_stack }} because of {{ event.alert.host }}"
    - name: Well
      condition: event.alert.state == "resolved"
      action:
        shutdown:
"""


@pytest.mark.skipif(not shutil.which("ansible-rulebook"), reason="needs ansible-rulebook and Java 17")
def test_ansible_rulebook_hears_of_a_problem_and_of_its_end(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
    program = shutil.which("ansible-rulebook")
    assert program is not None
    words = ["--rulebook", "rules.yml", "-i", "hosts.yml", "--env-vars", "ZABBIX_URL,ZABBIX_TOKEN"]

    async def work() -> tuple[int | None, str]:
        fake = Fake("7.4.14")
        fake.raised("5")
        async with serving(fake):
            own = {"ZABBIX_URL": fake.url, "ZABBIX_TOKEN": TOKEN}
            environment = {**os.environ, **own, "ANSIBLE_COLLECTIONS_PATH": str(_ROOT / "collections")}
            process = await asyncio.create_subprocess_exec(
                program, *words, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            try:
                # It has looked, told, and looked again.
                while fake.asked.count("problem.get") < 3 and process.returncode is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                fake.over("5")
                said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
            finally:
                if process.returncode is None:
                    process.kill()
            return process.returncode, said.decode()

    code, said = asyncio.run(asyncio.wait_for(work(), 2 * PATIENCE))
    assert code == 0, said
    assert "heal cache because of cache-redis-1" in said
    assert TOKEN not in said
