"""The process behind a run's end: `python -m opsctl.events.ship`. Says nothing; what went wrong is written down."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from opsctl.errors import OpsctlError
from opsctl.events.ship.ship import Shipper
from opsctl.home import home
from opsctl.ledger.automatic import Automatic
from opsctl.settings import load


def main() -> int:
    """Anchor what is due, then ship what is there."""
    with suppress(OSError):
        os.nice(10)
    try:
        place = home()
        settings = load(place)
        Automatic(place, settings).run()
        if settings.elasticsearch.on:
            shipper = Shipper(place, settings.elasticsearch)
            try:
                shipper.flush()
            except OpsctlError as error:
                shipper.failed(str(error))
                return 1
    except OpsctlError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
