"""A local cloud for all integration tests of a run: real service, real hosts, its own folder and port."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsctl.localcloud import service
from tests.integration.cloud.lab import Lab, free_port


@pytest.fixture(scope="session")
def lab_home(root: Path) -> Iterator[Path]:
    """A folder inside the checkout: what a killed run leaves in Docker carries its name, so that clean-up finds it."""
    parent = root / ".opsctl" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cloud(lab_home: Path) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        patch.setenv("OPSCTL_HOME", str(lab_home))
        image = os.environ.get("OPSCTL_HOST_IMAGE") or None
        lab = Lab(lab_home, service.Choice(port=free_port(), host_image=image))
        try:
            lab.up()
            yield lab
        finally:
            service.reset(lab_home)
