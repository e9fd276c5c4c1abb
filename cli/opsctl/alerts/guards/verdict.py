"""What the guards say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Word = Literal["go", "hold", "propose", "suppress", "escalate"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One word, and who said it why.

    `go` now; `hold` and ask again; `propose` it to a person; `suppress`: nothing is to be done about this alert;
    `escalate`: a person must take over.
    """

    verdict: Word
    guard: str = ""
    """Which guard decided; empty for go."""
    reason: str = ""
    until: datetime | None = None
    """When to ask again at the latest, whatever the word; None = when something has changed."""
    parent: str = ""
    """The alert that stands for this one, where many are one incident."""

    def plain(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        values = {
            "verdict": self.verdict,
            "guard": self.guard,
            "reason": self.reason,
            "until": self.until.isoformat(timespec="milliseconds") if self.until else "",
            "parent": self.parent,
        }
        return {name: value for name, value in values.items() if value}


GO = Verdict("go")
