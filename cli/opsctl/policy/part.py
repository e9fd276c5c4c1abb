"""What the parts of a policy have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Part(BaseModel):
    """Frozen, and without keys that mean nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def many(value: Any) -> Any:
    """A single value as a list of one."""
    return [value] if isinstance(value, str | int) else value


Many = Annotated[tuple[str, ...], BeforeValidator(many)]
"""One text, or a list of them."""
