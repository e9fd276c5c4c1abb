"""What is dangerous about a piece of content, and how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Level = Literal["low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)
Category = Literal[
    "file", "disk", "network", "user", "package", "service", "database", "kernel", "cloud", "obfuscation", "opaque"
]

_EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """One dangerous thing in a text."""

    level: Level
    category: Category
    reason: str
    excerpt: str = ""
    """The beginning of what was judged, on one line."""

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"level": self.level, "category": self.category, "reason": self.reason, "excerpt": self.excerpt}


def rank(level: Level) -> int:
    """Its place: 0 is low."""
    return LEVELS.index(level)


def worst(findings: Iterable[Finding]) -> Level:
    """The highest level; `low` when nothing was found."""
    return max((finding.level for finding in findings), key=rank, default="low")


def short(text: str) -> str:
    """A text as an excerpt."""
    line = " ".join(text[: _EXCERPT * 4].split())
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"
