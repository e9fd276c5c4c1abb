"""From grants to what an approval asks for, and who is meant by the names in them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from opsctl.approvals.config import Approvals
from opsctl.approvals.people import Person
from opsctl.approvals.state import Ask, Entitled
from opsctl.clock import span, stamp
from opsctl.policy.decide import Decision
from opsctl.policy.grants import Grant, Policy
from opsctl.policy.match import is_who


def asks(decision: Decision) -> tuple[Ask, ...]:
    """What all the grants that want an approval want; one yes of the owner when no grant says it."""
    found = tuple(Ask(grant.name, grant.approvers, grant.needed or 1) for grant in decision.asking)
    return found or (Ask(decision.rule),)


def expires(decision: Decision, settings: Approvals) -> str:
    """When: the shortest time that one of the grants gives."""
    given = [span(grant.expires) for grant in decision.asking if grant.expires]
    return stamp(time.time() + min(given, default=span(settings.expires)))


def among(policy: Policy, names: Iterable[str], person: Person) -> bool:
    """Whether a person is one of these users, or in one of these groups."""
    # A group that policy no longer has, has no members.
    known = [name for name in names if not name.startswith("group:") or name.removeprefix("group:") in policy.groups]
    meant = Grant.model_construct(name="", who=tuple(known), effect="approve")
    return any(is_who(policy, meant, identity) for identity in person.identities)


def entitled(policy: Policy, owner: int) -> Entitled:
    """Who may answer an ask: those it names; where it names nobody, the owner."""

    def may(ask: Ask, person: Person) -> bool:
        return among(policy, ask.approvers, person) if ask.approvers else owns(person, owner)

    return may


def owns(person: Person, owner: int) -> bool:
    """Whether it is the owner, or somebody who uses the owner's account."""
    return any(identity.uid == owner for identity in person.identities)


def may_break(policy: Policy, decision: Decision, person: Person, owner: int) -> bool:
    """Whether a person may go without this approval in an emergency: every grant that asks must let him."""
    if owns(person, owner):
        return True
    return bool(decision.asking) and all(among(policy, grant.break_glass, person) for grant in decision.asking)
