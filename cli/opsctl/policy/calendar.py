"""Change windows and freezes: when nothing may be changed, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opsctl.policy.part import Part
from opsctl.policy.scope import What, Where
from opsctl.policy.times import When, change, clock

Kind = Literal["freeze", "window"]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


class Entry(When):
    """A freeze: nothing is changed then; or a window: where it is about, nothing is changed at any other time."""

    name: Annotated[str, Field(min_length=1)]
    where: Where = Where()
    exempt: Annotated[tuple[What | str, ...], BeforeValidator(_several), Field(alias="except")] = (
        What(action=("inspect",)),
    )
    """What runs all the same: as a grant says it, or roles. Unset = actions named inspect."""
    reason: str = ""


class Calendar(Part):
    """All of them."""

    zone: str | None = None
    """The time zone of entries that name none."""
    freezes: tuple[Entry, ...] = ()
    windows: tuple[Entry, ...] = ()

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        clock(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _zones(cls, data: Any) -> Any:
        zone = data.get("zone") if isinstance(data, dict) else None
        if not isinstance(zone, str):
            return data
        given = {key: data[key] for key in ("freezes", "windows") if isinstance(data.get(key), list)}
        return data | {
            key: [{"zone": zone, **entry} if isinstance(entry, dict) else entry for entry in entries]
            for key, entries in given.items()
        }

    def entries(self) -> Iterator[tuple[Kind, Entry]]:
        """Each with what it is."""
        yield from (("freeze", entry) for entry in self.freezes)
        yield from (("window", entry) for entry in self.windows)


@dataclass(frozen=True, slots=True)
class State:
    """How an entry stands at an instant."""

    kind: Kind
    entry: Entry
    holds: bool
    """Whether it is its time: a freeze forbids, a window lets."""
    changes: datetime | None
    """When that ends; None: not that one could see."""

    @property
    def rule(self) -> str:
        """As a decision names it."""
        return f"{self.kind}:{self.entry.name}"

    @property
    def forbids(self) -> bool:
        """Whether nothing may be changed where it is about."""
        return self.holds == (self.kind == "freeze")

    @property
    def text(self) -> str:
        """Why, and until when."""
        until = f"until {shown(self.changes, self.entry)}" if self.changes else "with no end in sight"
        what = "nothing is changed" if self.kind == "freeze" else "the window for changes is closed"
        return f"{what} {until}{f' ({self.entry.reason})' if self.entry.reason else ''}"

    @property
    def soon(self) -> float:
        """When it changes, to sort by."""
        return self.changes.timestamp() if self.changes else float("inf")

    def plain(self) -> dict[str, Any]:
        """As JSON; `until` on the clock of the entry."""
        words = ("holds", "does not hold") if self.kind == "freeze" else ("open", "closed")
        return {
            "kind": self.kind,
            "name": self.entry.name,
            "state": words[0] if self.holds else words[1],
            "forbids": self.forbids,
            "until": shown(self.changes, self.entry) if self.changes else None,
            "changes": self.changes.strftime("%Y-%m-%dT%H:%M:%SZ") if self.changes else None,
            "where": self.entry.where.model_dump(mode="json", exclude_defaults=True),
            "except": [
                part if isinstance(part, str) else part.model_dump(mode="json", exclude_defaults=True)
                for part in self.entry.exempt
            ],
            "reason": self.entry.reason,
        }


def states(calendar: Calendar, at: datetime) -> list[State]:
    """How all entries stand."""
    return [State(kind, entry, *change(entry, at)) for kind, entry in calendar.entries()]


def shown(at: datetime, entry: When) -> str:
    """An instant on the clock of an entry."""
    local = at.astimezone(clock(entry.zone))
    return f"{local:%Y-%m-%d %H:%M} {entry.zone or local.tzname()}"
