"""The life of an approval. Pure: time is given, and who may approve is asked of the caller.

open -> approved -> used            as many as needed said yes; started once
open, approved -> refused           one approver said no
open, approved -> expired           not started in time
open, approved -> withdrawn         the requester took it back, or replaced it
broken -> reviewed                  the glass was broken: somebody else looked at it afterwards
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from opsctl.approvals.people import Person
from opsctl.errors import Denied

Status = Literal["open", "approved", "used", "refused", "expired", "withdrawn", "broken", "reviewed"]
Verdict = Literal["approve", "deny"]
LIVE = ("open", "approved")


@dataclass(frozen=True, slots=True)
class Ask:
    """What one rule wants: so many of these people."""

    rule: str
    approvers: tuple[str, ...] = ()
    """Users, group:NAME, os:GROUP; empty = the owner."""
    needed: int = 1


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said."""

    person: Person
    verdict: Verdict
    comment: str
    time: str


Entitled = Callable[[Ask, Person], bool]
"""Whether a person is among those a rule names."""


@dataclass(frozen=True, slots=True)
class Approval:
    """How it stands. Times are stamps, which sort as text."""

    requester: Person
    plan_hash: str
    asks: tuple[Ask, ...]
    expires: str
    """The moment from which on it counts no more; for a broken glass, when the review is overdue."""
    status: Status = "open"
    votes: tuple[Vote, ...] = ()

    def __post_init__(self) -> None:
        """An approval that asks for nothing would be none."""
        if not self.asks or any(ask.needed < 1 for ask in self.asks):
            raise ValueError("an approval needs at least one yes")


def standing(approval: Approval, entitled: Entitled, asks: Sequence[Ask] | None = None) -> list[tuple[Ask, int]]:
    """Each ask with how many people who may, said yes; the requester is never one."""
    return [(ask, _count(approval, ask, entitled)) for ask in (approval.asks if asks is None else asks)]


def _count(approval: Approval, ask: Ask, entitled: Entitled) -> int:
    counted: list[Person] = []
    for vote in approval.votes:
        person = vote.person
        if vote.verdict != "approve" or person.same(approval.requester) or not entitled(ask, person):
            continue
        if not any(person.same(other) for other in counted):
            counted.append(person)
    return len(counted)


def met(approval: Approval, entitled: Entitled, asks: Sequence[Ask] | None = None) -> bool:
    """Whether all that are asked for have said yes."""
    return all(count >= ask.needed for ask, count in standing(approval, entitled, asks))


def expired(approval: Approval, now: str) -> Approval:
    """The approval as it is at this time."""
    return replace(approval, status="expired") if approval.status in LIVE and now >= approval.expires else approval


def voted(approval: Approval, vote: Vote, entitled: Entitled) -> Approval:
    """With one more vote. Who said yes may still say no; nothing else is taken back.

    Raises:
        Denied: this person, or anybody, cannot vote on it.
    """
    approval = _live(approval, vote.time, "voted on")
    person = vote.person
    if person.same(approval.requester):
        raise Denied(f"{person.text} asked for this run; somebody else must decide")
    if not any(entitled(ask, person) for ask in approval.asks):
        raise Denied(f"{person.text} is not among those who decide: {named(approval.asks)}")
    if any(other.person.same(person) and other.verdict == vote.verdict for other in approval.votes):
        raise Denied(f"{person.text} has already said {vote.verdict}; one person has one vote")
    votes = (*(other for other in approval.votes if other.person != person), vote)
    after = replace(approval, votes=votes)
    if vote.verdict == "deny":
        return replace(after, status="refused")
    return replace(after, status="approved" if met(after, entitled) else "open")


def withdrawn(approval: Approval, person: Person, owner: bool, now: str) -> Approval:
    """Taken back.

    Raises:
        Denied: it is not his, or too late.
    """
    approval = _live(approval, now, "withdrawn")
    if not (owner or person.same(approval.requester)):
        raise Denied(f"{person.text} did not ask for this run; to stop it, deny it")
    return replace(approval, status="withdrawn")


def used(approval: Approval, plan_hash: str, asks: Sequence[Ask], entitled: Entitled, now: str) -> Approval:
    """Started: once, with the plan that was approved, by those who are asked for today.

    `asks`: what policy wants now; empty when it wants no approval any more.

    Raises:
        Denied: it may not start.
    """
    approval = _live(approval, now, "started")
    if approval.status != "approved" or not met(approval, entitled):
        raise Denied(f"it still needs {missing(approval, entitled)}")
    if plan_hash != approval.plan_hash:
        raise Denied("what was approved has changed since")
    if not met(approval, entitled, asks):
        raise Denied(f"policy has changed since: it still needs {missing(approval, entitled, asks)}")
    return replace(approval, status="used")


def reviewed(approval: Approval, person: Person, entitled: Entitled, owner: bool) -> Approval:
    """Looked at after the glass was broken.

    Raises:
        Denied: there is nothing to review, or not for this person.
    """
    if approval.status != "broken":
        raise Denied(f"there is nothing to review: it is {approval.status}")
    if person.same(approval.requester):
        raise Denied(f"{person.text} broke the glass; somebody else must review it")
    if not (owner or any(entitled(ask, person) for ask in approval.asks)):
        raise Denied(f"{person.text} is not among those who review: {named(approval.asks)}, or the owner")
    return replace(approval, status="reviewed")


def missing(approval: Approval, entitled: Entitled, asks: Sequence[Ask] | None = None) -> str:
    """What is still needed, for people."""
    lacking = [(ask, count) for ask, count in standing(approval, entitled, asks) if count < ask.needed]
    return " and ".join(f"{ask.needed - count} of {_who(ask)} (rule {ask.rule})" for ask, count in lacking) or "nothing"


def named(asks: Sequence[Ask]) -> str:
    """Who decides, for people."""
    return "; ".join(dict.fromkeys(_who(ask) for ask in asks))


def _who(ask: Ask) -> str:
    return ", ".join(ask.approvers) or "the owner"


def _live(approval: Approval, now: str, what: str) -> Approval:
    found = expired(approval, now)
    if found.status not in LIVE:
        raise Denied(f"it cannot be {what} any more: it is {found.status}")
    return found
