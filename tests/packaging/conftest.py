"""Both artefacts, built once a session from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_BIN = Path(sys.executable).parent


def _run(*command: str | Path, cwd: Path) -> None:
    found = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=240)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, cwd=root)
    return next(place.glob("*.whl"))


@pytest.fixture(scope="session")
def tarball(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tarball")
    _run(_BIN / "ansible-galaxy", "collection", "build", "--output-path", place, root, cwd=place)
    return next(place.glob("*.tar.gz"))


class Installed:
    """The wheel in a virtual environment of its own; its dependencies are those of the running one."""

    def __init__(self, place: Path, wheel: Path) -> None:
        self.home = place / "home"
        self.home.mkdir()
        self.python = place / "venv/bin/python"
        _run(sys.executable, "-m", "venv", "--without-pip", place / "venv", cwd=place)
        _run(
            *(sys.executable, "-m", "pip", "--python", self.python),
            *("install", "--quiet", "--no-deps", "--no-index", wheel),
            cwd=place,
        )
        # A .pth file adds the other packages; .pth files in there, so the editable checkout, are not read.
        site = next((place / "venv/lib").glob("python3*/site-packages"))
        others = [entry for entry in sys.path if entry.endswith("site-packages")]
        (site / "zz-dependencies.pth").write_text("\n".join(others) + "\n")

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        keep = ("LANG", "LC_ALL", "PATH")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment |= {
            "HOME": str(self.home),
            "ANSIBLE_HOME": str(self.home / "ansible"),
            "OPSCTL_HOME": str(self.home / "opsctl"),
        }
        return subprocess.run(
            [self.python, *arguments],
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def ansible(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "ansible", command, *arguments)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)
