"""The `approvals` section of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsctl.clock import span


def _span(value: str) -> str:
    span(value)
    return value


Span = Annotated[str, AfterValidator(_span)]


class Approvals(BaseModel):
    """What grants do not say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expires: Span = "24h"
    """How long it may take from the question to the start of the run."""
    review_within: Span = "72h"
    """How long after a break-glass run somebody else must have looked at it."""
    overdue: Annotated[int, Field(ge=0, le=1000)] = 3
    """Who has so many overdue reviews may not break the glass again; 0 = no limit."""
