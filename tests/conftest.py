"""What all tests share: where the checkout is, and what a machine must have for a test to mean something."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.integration.zabbix.server import Server

_SERVERS = {
    "elasticsearch": ("tests/integration/elasticsearch/", "tests/cli/test_ship.py"),
    "docker": ("tests/integration/", "tests/e2e/", "tests/packaging/test_scripts.py"),
}
"""What is costly to start, and the tests that use it."""

# A machine that is busy is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell starts its background jobs deaf to ^C, nohup to the end of the terminal, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        found = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return False
    return found.returncode == 0


def _absent(what: str) -> None:
    """A test that proves nothing must not look like one that passed: in CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "zabbix" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.docker)
    # What takes longest begins first.
    items.sort(key=lambda item: _shared(item.nodeid) is None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of two workers, one does alone what shares a server that is costly to start; of the rest, each takes files."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _shared(nodeid) or str(super()._split_scope(nodeid))

    return Scheduling(config, log)


def _shared(nodeid: str) -> str | None:
    return next((server for server, places in _SERVERS.items() if nodeid.startswith(places)), None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and not _docker_answers():
        _absent("no Docker engine answers")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Official templates, kept beside the checkout and never in it."""
    place = ROOT.parent / "shared" / "corpus"
    if not place.is_dir():
        _absent(f"no templates at {place}")
    return place


@pytest.fixture(scope="session")
def zabbix(root: Path) -> Iterator[Server]:
    """A real Zabbix server with a token for Admin, one for all tests: give your objects names of their own."""
    from tests.integration.zabbix import server

    made = server.start(root)
    try:
        yield made
    finally:
        server.remove(made.container)
