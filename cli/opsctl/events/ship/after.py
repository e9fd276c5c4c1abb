"""What happens behind a run's end: shipping and anchoring, in a process of its own that nobody waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from opsctl.errors import OpsctlError
from opsctl.output import say

if TYPE_CHECKING:
    from opsctl.settings import Settings


def after_run(home: Path, settings: Settings, tell: Callable[[str], None] = say) -> None:
    """Start what is to be done now that a run has ended; takes milliseconds, never raises.

    What went wrong the last time is told in one line each. While Elasticsearch is known not to answer, nothing is
    started for it: a later run, or `opsctl logs ship flush`, sends what waits.
    """
    if not wanted(settings):
        return
    try:
        if _due(home, settings, tell):
            start(home)
    except (OpsctlError, OSError) as error:
        tell(f"Nothing is copied to other places now: {error}")


def wanted(settings: Settings) -> bool:
    """Whether anything is set that happens behind runs."""
    return settings.elasticsearch.on or (settings.audit_anchor_every != "never" and bool(settings.audit_anchors))


def start(home: Path) -> None:
    """Start the process. It has no terminal, lives on when we end, and inherits the credentials' environment."""
    subprocess.Popen(
        # Safe path: nothing is imported from where the user happens to be.
        [sys.executable, "-P", "-m", "opsctl.events.ship"],
        env={**os.environ, "OPSCTL_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _due(home: Path, settings: Settings, tell: Callable[[str], None]) -> bool:
    from opsctl.ledger.automatic import Automatic

    found = False
    if settings.elasticsearch.on:
        from opsctl.events.ship.ship import Shipper

        circuit = Shipper(home, settings.elasticsearch).state.circuit
        if circuit.failures:
            tell(f"Elasticsearch has not got everything since {circuit.since[:19]}Z: {circuit.reason}")
        found = not circuit.open()
    anchoring = Automatic(home, settings)
    for line in anchoring.complaints():
        tell(line)
    return anchoring.due() or found
