"""Starts the agent, asks how it stands, lets it go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from opsctl.agent import place, wire
from opsctl.agent.way import ask
from opsctl.clouds import secrets
from opsctl.errors import OpsctlError

_PATIENCE = 15.0


def status() -> dict[str, Any] | None:
    """What it says of itself; None when it does not run."""
    return ask(wire.STATUS)


def start(most: int, ttl: float) -> tuple[dict[str, Any], bool]:
    """Start it, unless it runs; what it says of itself, and whether it was started.

    Raises:
        OpsctlError: it does not start.
    """
    if found := status():
        return found, False
    hidden = secrets(os.environ)
    # It outlives this command and needs no secret of it: what hosts need comes with each request.
    environment = {name: value for name, value in os.environ.items() if value not in hidden}
    process = subprocess.Popen(
        [sys.executable, "-m", "opsctl.agent", "--max", str(most), "--ttl", str(ttl)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=environment,
    )
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit:
        if found := status():
            return found, found["pid"] == process.pid
        if process.poll() not in (None, 1):
            break
        time.sleep(0.02)
    raise OpsctlError(f"The agent does not start: nobody answers at {place.address()}")


def stop() -> dict[str, Any] | None:
    """Let it go; what it said of itself, None when there was none."""
    found = ask(wire.QUIT)
    limit = time.monotonic() + 2
    while found and status() and time.monotonic() < limit:
        time.sleep(0.02)
    return found
