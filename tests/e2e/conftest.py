"""One installation as a user has it: its own OPSCTL_HOME, commands as processes, a local cloud, one cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cloud.lab import free_port

STACK = "e2e"
_FOREIGN = ("OPSCTL_", "ALIBABA_", "ANSIBLE_", "ZABBIX_")
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Install:
    """Commands of one home."""

    home: Path
    env: dict[str, str]

    def run(self, *argv: str, code: int | None = 0, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """``opsctl ...`` or any program beside Python; ``code`` None takes every exit code."""
        program = BIN / argv[0]
        full = [str(program) if program.exists() else argv[0], *argv[1:]]
        done = subprocess.run(
            full, env=self.env, capture_output=True, text=True, timeout=timeout, cwd=self.home, check=False
        )
        if code is not None and done.returncode != code:
            pytest.fail(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def data(self, *argv: str, code: int | None = 0) -> Any:
        """What ``opsctl ... -o json`` says."""
        return json.loads(self.run("opsctl", *argv, "-o", "json", code=code).stdout)

    def scenario(self, action: str, *more: str, code: int | None = 0) -> Any:
        names = ("run", "scenario", "redis-cluster", "--action", action, "-e", f"stack_name={STACK}")
        return self.data(*names, *more, code=code)


@pytest.fixture(scope="session")
def install(root: Path) -> Iterator[Install]:
    home = root / ".opsctl" / "tests" / f"e2e-{os.getpid()}"
    home.mkdir(parents=True, mode=0o700)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    user = home / "user"
    user.mkdir()
    found = Install(home, {**kept, "OPSCTL_HOME": str(home), "HOME": str(user)})
    image = os.environ.get("OPSCTL_HOST_IMAGE")
    try:
        found.run("opsctl", "cloud", "up", "--port", str(free_port()), *(["--host-image", image] if image else []))
        yield found
    finally:
        found.run("opsctl", "cloud", "reset", "--yes", code=None)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(install: Install) -> dict[str, Any]:
    """The first deploy's run."""
    found: dict[str, Any] = install.scenario("deploy")
    return found
