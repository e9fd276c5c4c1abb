"""The collection as built passes ansible-test sanity, with nothing ignored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.mark.timeout(1200)
def test_the_built_collection_is_sane(root: Path) -> None:
    found = subprocess.run(
        [root / "tests/sanity/run"], capture_output=True, text=True, check=False, timeout=1100, stdin=subprocess.DEVNULL
    )
    complaints = [line for line in found.stdout.splitlines() + found.stderr.splitlines() if "ERROR" in line]
    assert found.returncode == 0, "\n".join(complaints or [found.stdout[-2000:], found.stderr[-2000:]])
    assert 'Running sanity test "validate-modules"' in found.stdout + found.stderr


def test_nothing_is_ignored(root: Path) -> None:
    assert not list((root / "tests/sanity").glob("ignore*.txt"))
