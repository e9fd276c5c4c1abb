"""The scripts, in a copy of the checkout's own, so that they find nothing of the real one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    place = tmp_path / "checkout"
    place.mkdir()
    shutil.copytree(_ROOT / "scripts", place / "scripts")
    for name in ("pyproject.toml", "galaxy.yml"):
        shutil.copy(_ROOT / name, place)
    return place


def _run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=120
    )


def _library(checkout: Path, lines: str) -> subprocess.CompletedProcess[str]:
    return _run("bash", "-c", f"set -euo pipefail; . scripts/lib.sh; {lines}", cwd=checkout)


@pytest.mark.parametrize("script", ["demo", "test", "clean"])
def test_a_script_says_what_it_does(checkout: Path, script: str) -> None:
    found = _run(f"scripts/{script}", "--help", cwd=checkout)
    assert found.returncode == 0
    assert found.stdout.startswith(f"usage: scripts/{script}")


@pytest.mark.parametrize("script", ["demo", "clean"])
def test_a_wrong_option_is_refused(checkout: Path, script: str) -> None:
    assert _run(f"scripts/{script}", "--nonsense", cwd=checkout).returncode == 2
    assert not (checkout / ".opsctl").exists()


def test_opsctl_without_its_environment_says_what_to_do(checkout: Path) -> None:
    found = _run("scripts/opsctl", "--version", cwd=checkout)
    assert found.returncode == 1
    assert len(found.stderr.splitlines()) == 1
    assert "scripts/demo" in found.stderr


def test_a_quiet_command_that_fails_shows_its_end_and_its_log(checkout: Path) -> None:
    found = _library(checkout, "quietly 'making tea' sh -c 'echo no kettle >&2; exit 7'; echo unreachable")
    assert found.returncode == 1
    assert "unreachable" not in found.stdout
    assert "no kettle" in found.stderr
    log = checkout / ".opsctl/logs/making-tea.log"
    assert str(log) in found.stderr.splitlines()[-1]
    assert log.read_text() == "no kettle\n"


def test_a_quiet_command_leaves_no_process_behind(checkout: Path) -> None:
    started = time.monotonic()
    found = _library(checkout, "quietly 'making tea' true; echo done")
    assert found.stdout.endswith("done\n")
    # The ticker's child would hold the pipe open for ten seconds.
    assert time.monotonic() - started < 8


def test_a_phase_is_timed(checkout: Path) -> None:
    found = _library(checkout, "phase one; phase two; print_phases")
    assert found.returncode == 0
    assert [line.split()[-1] for line in found.stdout.splitlines()[-2:]] == ["one", "two"]


def test_a_pid_file_alone_does_not_make_a_daemon_ours(checkout: Path) -> None:
    pid = checkout / "pid"
    pid.write_text(f"{os.getpid()}\n")
    assert _library(checkout, f"DOCKERD_PID={pid}; our_dockerd").returncode == 1


def test_a_python_that_is_too_old_or_bare_is_not_taken(checkout: Path) -> None:
    assert _library(checkout, f"_python_fits {sys.executable}").returncode == 0
    assert _library(checkout, "_python_fits /bin/false").returncode == 1


def test_clean_ends_processes_and_removes_files_of_its_checkout_only(checkout: Path, tmp_path: Path) -> None:
    home, other = checkout / ".opsctl", tmp_path / "other"
    for place in (home, other):
        place.mkdir()
    (checkout / "kept.txt").write_text("mine")
    sleep = [sys.executable, "-c", "import time; time.sleep(60)", "opsctl.localcloud"]
    ours, theirs = (
        subprocess.Popen(sleep, env={**os.environ, "OPSCTL_HOME": str(place)}) for place in (home / "tests", other)
    )
    try:
        found = _run("scripts/clean", cwd=checkout)
        assert found.returncode == 0, found.stderr
        assert ours.wait(timeout=5) != 0
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()
    assert sorted(path.name for path in checkout.iterdir()) == ["galaxy.yml", "kept.txt", "pyproject.toml", "scripts"]
    assert _run("scripts/clean", cwd=checkout).returncode == 0


def _docker(*arguments: str, text: bytes = b"") -> str:
    found = subprocess.run(["docker", *arguments], input=text, capture_output=True, check=False, timeout=60)
    assert found.returncode == 0, found.stderr.decode()
    return found.stdout.decode().strip()


def _there(kind: str, name: str) -> bool:
    found = subprocess.run(["docker", kind, "inspect", name], capture_output=True, check=False, timeout=60)
    return found.returncode == 0


class Objects:
    """A container, a network, a volume and an image, labelled as those of a home."""

    kinds = ("container", "network", "volume", "image")

    def __init__(self, home: Path) -> None:
        self.name = f"opsctl-test-{uuid.uuid4().hex[:8]}"
        labels = ["--label", "opsctl.cloud=test", "--label", f"opsctl.home={home}"]
        tree = io.BytesIO()
        tarfile.open(fileobj=tree, mode="w").close()
        change = f'LABEL opsctl.cloud=test opsctl.home="{home}"'
        _docker("image", "import", "--change", change, "-", self.name, text=tree.getvalue())
        _docker("volume", "create", *labels, self.name)
        _docker("network", "create", "--driver", "bridge", *labels, self.name)
        _docker("container", "create", *labels, "--name", self.name, "--network", "none", self.name, "true")

    def there(self) -> set[str]:
        return {kind for kind in self.kinds if _there(kind, self.name)}

    def remove(self) -> None:
        for kind in self.there():
            _docker(kind, "rm", "--force", self.name) if kind != "network" else _docker(kind, "rm", self.name)


@pytest.fixture
def objects(checkout: Path, tmp_path: Path) -> Iterator[list[Objects]]:
    """Of the checkout's home, of a test's home below it, and of a home whose name only begins the same."""
    home = checkout / ".opsctl"
    made: list[Objects] = []
    try:
        for place in (home, home / "tests/one", tmp_path / "checkout/.opsctl-else"):
            made.append(Objects(place))
        yield made
    finally:
        for each in made:
            each.remove()


@pytest.mark.docker
def test_clean_removes_docker_objects_of_its_checkout_only(checkout: Path, objects: list[Objects]) -> None:
    found = _run("scripts/clean", cwd=checkout)
    assert found.returncode == 0, found.stderr
    assert [each.there() for each in objects] == [set(), set(), set(Objects.kinds)]
