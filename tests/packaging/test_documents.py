"""What the documents say exists: commands, options, files, and the same things in both languages."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_READMES = ("README.md", "README.zh-CN.md")
_DOCUMENTS = (*_READMES, "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (_ROOT / "docs").glob("*.md")))
_BIN = Path(sys.executable).parent


def _blocks(document: str, language: str) -> list[str]:
    text = (_ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def _commands(document: str) -> list[str]:
    """Command lines of the console blocks, without their comments."""
    lines = (line for block in _blocks(document, "console") for line in block.splitlines())
    return [re.sub(r"\s+#.*", "", line[2:]).strip() for line in lines if line.startswith("$ ")]


def _split(command: str) -> list[list[str]]:
    """A shell line as the commands in it: `eval "$(a b)"` holds `a b`, and `a > b` is `a`."""
    inner = re.search(r"\$\((.*)\)", command)
    return [shlex.split((inner.group(1) if inner else command).split(" > ")[0])]


@cache
def _help(*command: str) -> str:
    """The help of an opsctl command; fails when there is no such command."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    found = subprocess.run(
        [_BIN / "opsctl", *command, "--help"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, f"opsctl {' '.join(command)}: {found.stderr}"
    return found.stdout


def _check_opsctl(words: list[str]) -> None:
    named = [words[0]]
    if words[0] not in ("ssh", "inventory", "doctor") and len(words) > 1:
        named.append(words[1])
    if words[:2] == ["logs", "ship"] or (words[:2] in (["audit", "key"], ["alert", "rules"]) and len(words) > 2):
        named.append(words[2])
    shown = _help(*named)
    for option in (word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown), f"opsctl {' '.join(named)} has no {option}"


_LINES = sorted({(document, command) for document in _DOCUMENTS for command in _commands(document)})


@pytest.mark.parametrize(("document", "command"), _LINES)
def test_a_command_in_a_document_exists(document: str, command: str) -> None:
    for words in _split(command):
        program = words[0].removeprefix("scripts/")
        if words[0].startswith("scripts/") and program != "opsctl":
            assert os.access(_ROOT / words[0], os.X_OK), f"{document}: {command}"
        elif program == "opsctl":
            _check_opsctl(words[1:])
        elif program == "ansible-playbook" and words[1].startswith("opsctl.cloud."):
            scenario, action = words[1].removeprefix("opsctl.cloud.").split(".")
            assert (_ROOT / f"playbooks/{scenario}/{action}.yml").is_file(), f"{document}: {command}"
        else:
            assert program in ("ansible-inventory", "docker", "echo", "pip", "."), f"{document}: {command}"


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_a_link_leads_somewhere(document: str) -> None:
    text = (_ROOT / document).read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not target.startswith("https://")]
    assert [target for target in local if not ((_ROOT / document).parent / target).exists()] == []


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_a_path_in_a_document_exists(document: str) -> None:
    text = (_ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:scripts|tests|docs|playbooks|roles|plugins|cli|changelogs|\.ci)/[\w./-]*)`", text))
    assert sorted(name for name in named if not (_ROOT / name).exists()) == []


def test_both_languages_say_the_same() -> None:
    english, chinese = ((_ROOT / name).read_text(encoding="utf-8") for name in _READMES)
    shape = re.compile(r"^(#+) ", re.MULTILINE)
    assert shape.findall(english) == shape.findall(chinese)
    assert _commands("README.md") == _commands("README.zh-CN.md")
    assert _blocks("README.md", "text") == _blocks("README.zh-CN.md", "text")
    rows = re.compile(r"^\|", re.MULTILINE)
    assert len(rows.findall(english)) == len(rows.findall(chinese))


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", (_ROOT / "README.md").read_text(), flags=re.MULTILINE)}
    from opsctl import errors

    def codes(error: type[errors.OpsctlError]) -> set[int]:
        return {error.exit_code}.union(*map(codes, error.__subclasses__()))

    assert told == codes(errors.OpsctlError) | {0}


def test_the_local_cloud_is_described_as_it_is() -> None:
    from opsctl.localcloud.resources import TYPES

    text = (_ROOT / "docs/local-cloud.md").read_text()
    assert set(re.findall(r"`(ALIYUN::\w+::\w+)`", text)) == set(TYPES)


def test_the_actions_of_the_local_cloud_are_described_as_they_are() -> None:
    from opsctl.localcloud.ecs.commands import CommandApi
    from opsctl.localcloud.ecs.instances import InstanceApi
    from opsctl.localcloud.ros.api import RosApi
    from opsctl.localcloud.vpc import VpcApi

    # What handlers work on is of no interest here: they are named, not called.
    nothing: Any = None
    spoken = {*RosApi(nothing, nothing).actions(), *InstanceApi(nothing, nothing).actions()}
    spoken |= {*CommandApi(nothing, nothing).actions(), *VpcApi(nothing).actions()}
    text = (_ROOT / "docs/local-cloud.md").read_text()
    rows = re.findall(r"^\| [A-Z]{3} (\d{4}-\d\d-\d\d) \| (.*) \|$", text, flags=re.MULTILINE)
    assert {(version, action) for version, actions in rows for action in actions.split(", ")} == spoken
