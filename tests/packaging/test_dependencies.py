"""What is imported is declared: nothing works only because something else happened to bring it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_OURS = {"opsctl", "ansible_collections", "tests"}


def _plain(requirement: str) -> str:
    """A requirement's distribution by its canonical name."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def _imports(folder: str) -> Iterator[tuple[str, str]]:
    for path in sorted((_ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            yield from ((str(path.relative_to(_ROOT)), name.split(".")[0]) for name in names)


@pytest.mark.parametrize(
    ("folder", "extras"), [("cli", []), ("plugins", []), ("tests", ["dev"]), ("benchmarks", ["dev"])]
)
def test_every_import_is_declared(folder: str, extras: list[str]) -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"]]
    for extra in extras:
        declared += project["optional-dependencies"][extra]
    allowed = {_plain(requirement) for requirement in declared}
    installed = packages_distributions()
    # A module of no distribution is a file beside the one that imports it.
    foreign = {
        (path, name)
        for path, name in _imports(folder)
        if name not in sys.stdlib_module_names and name not in _OURS and name in installed
    }
    assert foreign or folder == "benchmarks"
    assert {(path, name) for path, name in foreign if not allowed & set(map(_plain, installed[name]))} == set()
