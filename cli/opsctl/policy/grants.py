"""Grants, groups and roles: who may do what, where and when."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from opsctl.clock import span
from opsctl.policy.calendar import Calendar
from opsctl.policy.part import Many, Part
from opsctl.policy.scope import What, Where
from opsctl.policy.times import When


class Grant(Part):
    """Who may do what, where and when; or may not; or only after an approval."""

    name: Annotated[str, Field(min_length=1)]
    who: Many
    what: What | tuple[str, ...] = What()
    where: Where = Where()
    when: When = When()
    effect: Literal["allow", "deny", "approve"]
    approvers: Many = ()
    """Effect approve: who may say yes: users, group:NAME, os:GROUP; unset = the installation's owner."""
    needed: Annotated[int, Field(ge=1, le=100)] | None = None
    """Effect approve: how many must; unset = one."""
    expires: str | None = None
    """Effect approve: how long it may take from the question to the start, as `24h`; unset = as settings say."""
    break_glass: Many = ()
    """Effect approve: who may go without in an emergency, to be looked at afterwards; the owner always may."""
    checks: Literal["free"] | None = None
    """Effect approve: `free` = a run in check mode needs no approval; unset = it does."""

    @field_validator("expires")
    @classmethod
    def _span(cls, value: str | None) -> str | None:
        if value is not None:
            span(value)
        return value

    @field_validator("what", mode="before")
    @classmethod
    def _role(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("who")
    @classmethod
    def _somebody(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names nobody; use everybody, a user, group:NAME or os:GROUP")
        return value


class Policy(Part):
    """The whole of it."""

    groups: dict[str, Many] = Field(default_factory=dict)
    """Name -> users, `os:GROUP`."""
    roles: dict[str, What] = Field(default_factory=dict)
    """Name -> what its holder may do, to be named as a grant's `what`."""
    grants: tuple[Grant, ...] = ()
    calendar: Calendar = Calendar()

    def what(self, named: What | tuple[What | str, ...]) -> tuple[What, ...]:
        """What a grant or an exemption is about, roles looked up."""
        if isinstance(named, What):
            return (named,)
        return tuple(part if isinstance(part, What) else self.roles[part] for part in named)
