"""The wheel and the Galaxy tarball carry the same collection, and an installed wheel is usable as it is."""

from __future__ import annotations

import json
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from .conftest import Installed

_ROOT = Path(__file__).resolve().parents[2]
_INSIDE = "ansible_collections/opsctl/cloud/"


def _content(*patterns: str) -> set[str]:
    """What of the checkout belongs to the collection, by its path in it."""
    found = (path for pattern in patterns for path in _ROOT.glob(pattern))
    return {str(path.relative_to(_ROOT)) for path in found if path.is_file() and "__pycache__" not in path.parts}


_COLLECTION = _content("plugins/**/*.py", "roles/**/*", "playbooks/**/*", "meta/*.yml", "extensions/eda/**/*.*")
_MODULES = sorted(Path(name).stem for name in _content("plugins/modules/*.py"))
_PLAYBOOKS = sorted(
    f"opsctl.cloud.{path.parent.name}.{path.stem}"
    for path in _ROOT.glob("playbooks/*/*.yml")
    if not path.name.endswith(".ros.yml") and path.name != "rules.yml"
)


def _wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _tarball_names(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive.getmembers() if member.isfile()}


@pytest.fixture(scope="session")
def version() -> str:
    return str(yaml.safe_load((_ROOT / "galaxy.yml").read_text())["version"])


def test_there_is_a_collection_to_carry() -> None:
    assert _MODULES
    assert _PLAYBOOKS
    assert _content("plugins/inventory/*.py")
    assert _content("roles/*/meta/argument_specs.yml")


def test_the_wheel_carries_the_whole_collection(wheel: Path) -> None:
    assert {_INSIDE + name for name in _COLLECTION} <= _wheel_names(wheel)
    assert _INSIDE + "galaxy.yml" in _wheel_names(wheel)


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    assert [name for name in _wheel_names(wheel) if name.endswith(".dist-info/licenses/LICENSE")]


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in _wheel_names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"opsctl", "ansible_collections"}
    assert not [name for name in _wheel_names(wheel) if name.endswith(".pyc")]


def test_the_tarball_carries_the_whole_collection(tarball: Path) -> None:
    assert _COLLECTION | {"LICENSE", "README.md"} <= _tarball_names(tarball)


def test_the_tarball_carries_nothing_of_the_command_line(tarball: Path) -> None:
    tops = {name.split("/")[0] for name in _tarball_names(tarball)}
    assert not tops & {"cli", "collections", "scripts", "tests", ".venv", ".opsctl", "pyproject.toml"}


def test_there_is_one_version(wheel: Path, tarball: Path, version: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        assert manifest is not None
        info = json.load(manifest)["collection_info"]
    assert metadata["Version"] == version
    assert info["version"] == version
    assert metadata["License-Expression"] == info["license"][0] == "GPL-3.0-or-later"


def test_an_installed_wheel_lists_its_collection(installed: Installed, version: str) -> None:
    found = installed.ansible("galaxy", "collection", "list", "--format", "json")
    assert found.returncode == 0, found.stderr
    listed = json.loads(found.stdout).items()
    places = [place for place, content in listed if content.get("opsctl.cloud", {}).get("version") == version]
    assert [place for place in places if str(installed.python.parents[1]) in place], found.stdout


def test_an_installed_wheel_knows_its_version(installed: Installed, version: str) -> None:
    found = installed.run("-m", "opsctl", "--version")
    assert found.returncode == 0, found.stderr
    assert version in found.stdout


@pytest.mark.parametrize("name", _MODULES)
def test_an_installed_module_shows_its_documentation(installed: Installed, name: str) -> None:
    found = installed.ansible("doc", "--json", "--type", "module", f"opsctl.cloud.{name}")
    assert found.returncode == 0, found.stderr
    doc = json.loads(found.stdout)[f"opsctl.cloud.{name}"]
    assert doc["doc"]["short_description"]
    assert doc["doc"]["filename"].startswith(str(installed.python.parents[1]))
    assert doc["examples"]
    assert doc["return"]


@pytest.mark.parametrize("name", sorted(Path(name).stem for name in _content("plugins/inventory/*.py")))
def test_an_installed_inventory_plugin_shows_its_documentation(installed: Installed, name: str) -> None:
    found = installed.ansible("doc", "--json", "--type", "inventory", f"opsctl.cloud.{name}")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)[f"opsctl.cloud.{name}"]["doc"]["options"]


@pytest.mark.parametrize("name", _PLAYBOOKS)
def test_an_installed_playbook_has_good_syntax(installed: Installed, name: str) -> None:
    found = installed.ansible("playbook", "--syntax-check", "-i", "localhost,", name)
    assert found.returncode == 0, found.stdout + found.stderr
