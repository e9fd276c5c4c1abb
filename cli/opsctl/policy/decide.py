"""Who may do what: the decision on one request, with the rule that made it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from opsctl.home import locate
from opsctl.policy.grants import Grant, Policy, load
from opsctl.policy.identity import of_uid
from opsctl.policy.match import Answer, Case, matches
from opsctl.runs.request import RunRequest

Verdict = Literal["allow", "deny", "approve"]
_ORDER: tuple[Verdict, ...] = ("allow", "approve", "deny")


@dataclass(frozen=True, slots=True)
class Decision:
    """`approve` = only after an approval."""

    verdict: Verdict
    rule: str
    """The name of the rule that decided."""
    text: str
    """Why, for the one who asked."""
    asking: tuple[Grant, ...] = ()
    """Verdict approve: every grant that wants an approval, on any host; all of them must be content."""

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"verdict": self.verdict, "rule": self.rule, "text": self.text}


def decide(request: RunRequest, owner: int, policy: Policy | None = None) -> Decision:
    """The decision for this request in an installation that belongs to the user with the id `owner`.

    `policy`: the grants; read from this installation's policy.yml when not given.

    Raises:
        ConfigError: policy.yml cannot be used: then nobody may do anything.
    """
    who = of_uid(request.requester.uid)
    hosts = dict.fromkeys(request.targets.hosts)
    case = Case(request, who, datetime.now().astimezone(), hosts)
    return decided(case, owner, load(locate()) if policy is None else policy)


def decided(case: Case, owner: int, policy: Policy) -> Decision:
    """The decision on a case: each host is decided for itself, and the strictest holds for all."""
    strictest = Decision("allow", "", "")
    asking: dict[str, Grant] = {}
    for host in case.hosts or (None,):
        found = _host(case, owner, policy, host)
        asking.update((grant.name, grant) for grant in found.asking)
        if not strictest.rule or _ORDER.index(found.verdict) > _ORDER.index(strictest.verdict):
            strictest = found
        if strictest.verdict == "deny":
            break
    return replace(strictest, asking=tuple(asking.values())) if strictest.verdict == "approve" else strictest


def _host(case: Case, owner: int, policy: Policy, host: str | None) -> Decision:
    answers = [(grant, matches(policy, grant, case, host)) for grant in policy.grants]
    name = case.who.name
    place = f" on {host}" if host else ""
    if denying := _first(answers, "deny", True) or _first(answers, "deny", None):
        return Decision("deny", denying.name, f"{name} may not run this{place}")
    if asking := _all(answers, "approve", True):
        return Decision("approve", asking[0].name, f"{name} may run this{place} after an approval", asking)
    allowing = _first(answers, "allow", True)
    if not allowing and case.who.uid != owner:
        return Decision("deny", "default", f"{name} has no grant for this{place}; ask the owner (uid {owner})")
    if asking := _all(answers, "approve", None):
        text = f"{name} may run this{place} after an approval: it may be meant"
        return Decision("approve", asking[0].name, text, asking)
    if case.who.uid == owner:
        return Decision("allow", "owner", f"{name} owns this installation")
    return Decision("allow", allowing.name if allowing else "owner", f"{name} may run this{place}")


def _first(answers: list[tuple[Grant, Answer]], effect: Verdict, wanted: Answer) -> Grant | None:
    return next(iter(_all(answers, effect, wanted)), None)


def _all(answers: list[tuple[Grant, Answer]], effect: Verdict, wanted: Answer) -> tuple[Grant, ...]:
    return tuple(grant for grant, answer in answers if grant.effect == effect and answer is wanted)
