"""How long journals are kept: the setting."""

from __future__ import annotations

from pydantic import BaseModel, ByteSize, ConfigDict, Field


class Retention(BaseModel):
    """What `opsctl logs prune` goes by when it is told nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int | None = Field(default=None, ge=1, le=36500)
    """Since the run ended."""
    size: ByteSize | None = Field(default=None, ge=0)
    """Of all journals together, such as `20GB`; the oldest go first."""
