"""The rules of the house, as far as a machine can see them. CONTRIBUTING.md says why."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = {".py", ".yml", ".yaml", ".sh", ".j2", ""}
_TEMPLATES = ("roles/zabbix/files/templates/*", "playbooks/*/stack.ros.yml")
"""What Zabbix exports and what makes a stack is one document each, and cannot be split."""
_DOCUMENTS = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
_HEADER = """\
# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""


@cache
def _files(*places: str) -> tuple[Path, ...]:
    """Files below these places that are or could be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *places],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    paths = (_ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted({path for path in paths if path.is_file() and not path.is_symlink()}))


def _python(*places: str) -> list[Path]:
    return [path for path in _files(*places) if path.suffix == ".py"]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(path: Path) -> Iterator[str]:
    """The top-level package of every import, wherever it stands in the file."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def _importers(package: str, *places: str) -> list[str]:
    return [_name(path) for path in _python(*places) if package in _imports(path)]


def test_no_file_has_more_than_400_lines() -> None:
    places = ("cli", "plugins", "roles", "playbooks", "tests", "scripts", "benchmarks", ".ci")
    long = {
        _name(path): lines
        for path in _files(*places)
        if path.suffix in _SOURCES
        and not any(path.match(pattern) for pattern in _TEMPLATES)
        and (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_document(node: ast.stmt) -> bool:
    names = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(name, ast.Name) and name.id in _DOCUMENTS for name in names)


def _code_lines(path: Path) -> int:
    """Lines that do something: no documentation block, comment or blank line."""
    skipped: set[int] = set()
    for node in _tree(path).body:
        if _is_document(node) or _is_docstring(node):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(map(str.strip, path.read_text().splitlines()), start=1)
    return sum(1 for number, line in lines if number not in skipped and line and not line.startswith("#"))


def test_a_module_is_thin() -> None:
    fat = {_name(path): _code_lines(path) for path in _python("plugins/modules") if _code_lines(path) >= 150}
    assert not fat


@pytest.mark.parametrize("package", ["ansible_runner", "docker", "zabbix_utils", "elasticsearch"])
def test_one_file_imports_what_is_not_ours(package: str) -> None:
    assert len(_importers(package, "cli", "plugins")) <= 1


@pytest.mark.parametrize("package", ["ansible_runner", "docker"])
def test_the_quarantine_is_not_empty(package: str) -> None:
    assert _importers(package, "cli")


def test_the_collection_never_imports_the_command_line() -> None:
    assert _importers("opsctl", "plugins", "roles", "playbooks") == []


def test_the_command_line_never_talks_to_a_cloud() -> None:
    clients = ("alibabacloud", "boto", "openstack")
    assert {name for path in _python("cli") for name in _imports(path) if name.startswith(clients)} == set()


def test_every_plugin_says_whose_it_is() -> None:
    bare = [_name(path) for path in _python("plugins") if path.read_text().strip() and _HEADER not in path.read_text()]
    assert bare == []


def test_every_python_file_has_modern_annotations() -> None:
    def modern(path: Path) -> bool:
        code = [
            node
            for node in _tree(path).body
            if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        ]
        return not code or any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in code)

    old = [_name(path) for path in _python("cli", "plugins", "tests", "benchmarks") if not modern(path)]
    assert old == []


def test_nothing_is_left_for_later() -> None:
    marker = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    places = ("cli", "plugins", "roles", "playbooks", "scripts", "tests", "benchmarks")
    assert [
        _name(path) for path in _files(*places) if path.suffix in _SOURCES and marker.search(path.read_text())
    ] == []


def test_tasks_do_not_swallow_errors() -> None:
    bad = [_name(path) for path in _files("roles", "playbooks") if "ignore_errors" in path.read_text()]
    assert bad == []


def test_every_role_specifies_its_arguments() -> None:
    roles = {path.relative_to(_ROOT).parts[1] for path in _files("roles")}
    assert {role for role in roles if not (_ROOT / f"roles/{role}/meta/argument_specs.yml").is_file()} == set()


def test_every_scenario_deploys_and_destroys() -> None:
    scenarios = {path.parent for path in _files("playbooks") if path.name.endswith(".ros.yml")}
    assert scenarios
    for scenario in scenarios:
        assert {"deploy.yml", "inspect.yml", "destroy.yml"} <= {path.name for path in scenario.iterdir()}


def test_changelog_fragments_use_known_sections() -> None:
    config = yaml.safe_load((_ROOT / "changelogs/config.yaml").read_text())
    known = {section for section, _title in config["sections"]}
    known |= {config["prelude_section_name"], config["trivial_section_name"]}
    for fragment in (path for path in _files("changelogs/fragments") if path.suffix == ".yml"):
        content = yaml.safe_load(fragment.read_text())
        assert set(content) <= known, _name(fragment)
        assert all(content.values()), _name(fragment)


def test_scripts_can_be_started() -> None:
    started = [path for path in _files("scripts", ".ci", "tests/sanity") if path.read_text().startswith("#!")]
    wanted = {"scripts/demo", "scripts/test", "scripts/lint", "scripts/clean", "scripts/opsctl", ".ci/run"}
    assert wanted <= {_name(path) for path in started}
    assert [_name(path) for path in started if not path.stat().st_mode & 0o100] == []
