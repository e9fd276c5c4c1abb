"""The rate of an order: what was said, over what the settings say."""

from __future__ import annotations

from dataclasses import replace

from opsctl.errors import UsageError
from opsctl.orders.spec import Spec
from opsctl.pace.batches import Unusable
from opsctl.pace.rate import DEFAULT, Rate
from opsctl.settings import Settings

_OPTIONS = {
    "batches": "--batch",
    "pause": "--pause",
    "max_errors": "--max-errors",
    "stop_match": "--stop-match",
}


def rate(spec: Spec, settings: Settings) -> Rate:
    """The rate of a run.

    Raises:
        UsageError: what was said cannot be used; with the option's name.
    """
    for name, option in _OPTIONS.items():
        try:
            Rate.from_plain({name: spec.rate.get(name, getattr(DEFAULT, name))})
        except Unusable as error:
            raise UsageError(f"{option} {error}") from None
    found = Rate.from_plain({**settings.rate.rate.plain(), **spec.rate})
    if spec.kind not in ("command", "script"):
        # Tasks have `until` and `retries` of their own.
        found = replace(found, retries=DEFAULT.retries, retry_delay=DEFAULT.retry_delay)
    return found
