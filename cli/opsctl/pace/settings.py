"""`[rate]` in config.toml: how runs go over their hosts when nothing else is said."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from opsctl.pace.rate import Pause, Rate


class Pacing(BaseModel):
    """Defaults of the options of the same names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str = ""
    """`1,10%,rest`."""
    pause: Pause = "never"
    pause_timeout: Annotated[int, Field(ge=1, le=7 * 86400)] = 3600
    max_errors: str = ""
    """A number of hosts, or a percentage of them."""
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    """Of commands and scripts."""
    retry_delay: Annotated[float, Field(ge=0, le=86400)] = 5
    lock_wait: Annotated[float, Field(ge=0, le=86400)] = 0

    @field_validator("batch")
    @classmethod
    def _batches(cls, value: str) -> str:
        return Rate(batches=value).batches

    @field_validator("max_errors", mode="before")
    @classmethod
    def _errors(cls, value: Any) -> str:
        # In TOML a number is one without quotes.
        return Rate(max_errors=str(value)).max_errors

    @property
    def rate(self) -> Rate:
        """As a run has it."""
        return Rate(
            batches=self.batch,
            pause=self.pause,
            max_errors=self.max_errors,
            retries=self.retries,
            retry_delay=self.retry_delay,
            pause_timeout=self.pause_timeout,
            lock_wait=self.lock_wait,
        )
