"""The rate that a run asks for: one frozen value, part of its plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from opsctl.pace.batches import Terms, Unusable, terms

Pause = Literal["first", "every", "never"]
PAUSES: tuple[Pause, ...] = ("first", "every", "never")

_LIMIT = re.compile(r"(?P<number>\d{1,6})(?P<percent>%?)")


@dataclass(frozen=True, slots=True)
class Rate:
    """How a run goes over its hosts. The defaults: all at once, whatever happens."""

    batches: str = ""
    """`1,10%,rest`; empty = all hosts are one batch."""
    pause: Pause = "never"
    """After which batches a person must say that it goes on."""
    max_errors: str = ""
    """A number or a percentage of hosts that may fail before no more hosts begin; empty = any."""
    stop_match: str = ""
    """A regular expression: once a host's output matches it, no more hosts begin."""
    retries: int = 0
    """How often a host that failed is tried again."""
    retry_delay: float = 5
    """Seconds before that."""
    pause_timeout: int = 3600
    """Seconds a run waits for a person."""
    lock_wait: float = 0
    """Seconds it waits for other runs that change the same hosts."""
    lock: bool = True
    """Whether it keeps other runs from changing the same hosts, and they it; False for what only reads."""

    def __post_init__(self) -> None:
        """Checks what was written.

        Raises:
            Unusable: with the value and what is wrong with it.
        """
        terms(self.batches)
        if self.pause not in PAUSES:
            raise Unusable(f"'{self.pause}': give first, every or never")
        if self.max_errors and not _tolerable(self.max_errors):
            raise Unusable(f"'{self.max_errors}' is no number of hosts and no percentage up to 100%")
        try:
            re.compile(self.stop_match)
        except re.error as error:
            raise Unusable(f"'{self.stop_match}' is no regular expression: {error}") from None

    @property
    def terms(self) -> Terms:
        """The batches, taken apart."""
        return terms(self.batches)

    def allowed(self, count: int) -> int | None:
        """How many of so many hosts may fail; None = all. A percentage is rounded down."""
        if not self.max_errors:
            return None
        number = int(self.max_errors.rstrip("%"))
        return number * count // 100 if self.max_errors.endswith("%") else number

    def pauses(self, batch: int) -> bool:
        """Whether a person is asked after this batch (from 1) when others follow."""
        return self.pause == "every" or (self.pause == "first" and batch == 1)

    def plain(self) -> dict[str, Any]:
        """As JSON: only what differs from the defaults, so that a plan does not change with what it does not use."""
        return {name: value for name, value in asdict(self).items() if value != getattr(DEFAULT, name)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Rate:
        """The inverse of `plain`; what is not known is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


DEFAULT = Rate()


def _tolerable(text: str) -> bool:
    found = _LIMIT.fullmatch(text)
    return found is not None and not (found["percent"] and int(found["number"]) > 100)
