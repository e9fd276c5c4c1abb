"""Who may do what: the decision on one request, with the rule that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from opsctl.runs.request import RunRequest

Verdict = Literal["allow", "deny", "approve"]


@dataclass(frozen=True, slots=True)
class Decision:
    """`approve` = only after an approval."""

    verdict: Verdict
    rule: str
    """The name of the rule that decided."""
    text: str
    """Why, for the one who asked."""

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"verdict": self.verdict, "rule": self.rule, "text": self.text}


def decide(request: RunRequest, owner: int) -> Decision:
    """The decision for this request in an installation that belongs to the user with the id `owner`."""
    if request.requester.uid == owner:
        return Decision("allow", "owner", f"{request.requester.name} owns this installation")
    return Decision("deny", "default", f"{request.requester.name} has no grant here; ask the owner (uid {owner})")
