"""Who may do what: the decision on one request, with the rule that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from opsctl.home import locate
from opsctl.policy.calendar import State, states
from opsctl.policy.grants import Grant, Policy
from opsctl.policy.identity import of_uid
from opsctl.policy.load import load
from opsctl.policy.match import Answer, Case, concerns, every, fits, is_what, is_where
from opsctl.policy.scope import Where
from opsctl.runs.membership import unpacked
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

    @property
    def calendar(self) -> bool:
        """Whether only the calendar forbids it: nobody lacks a right, it is not the time."""
        return self.verdict == "deny" and self.rule.startswith(("freeze:", "window:"))

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"verdict": self.verdict, "rule": self.rule, "text": self.text}


def decide(request: RunRequest, owner: int, policy: Policy | None = None, *, calendar: bool = True) -> Decision:
    """The decision for this request in an installation that belongs to the user with the id `owner`.

    `policy`: the grants; those of this installation when not given. `calendar`: whether freezes and windows count.

    Raises:
        ConfigError: the policy cannot be used: then nobody may do anything.
    """
    return decided(case_of(request), owner, load(locate()) if policy is None else policy, calendar=calendar)


def case_of(request: RunRequest) -> Case:
    """A request as it stands now, with what its targets say."""
    who, targets = of_uid(request.requester.uid), request.targets
    hosts: Mapping[str, frozenset[str] | None] = dict.fromkeys(targets.hosts)
    stacks: dict[str, str] = {}
    if targets.groups:
        hosts = {host: groups | {"all"} for host, groups in unpacked(targets.hosts, targets.groups).items()}
        stacks = {host: next(iter(named), "") for host, named in unpacked(targets.hosts, targets.stacks).items()}
    return Case(request, who, datetime.now().astimezone(), hosts, stacks)


def decided(case: Case, owner: int, policy: Policy, *, calendar: bool = True) -> Decision:
    """The decision on a case: each host is decided for itself, and the strictest holds for all."""
    about = [(grant, answer) for grant in policy.grants if (answer := concerns(policy, grant, case)) is not False]
    times = _times(case, policy) if calendar else []
    strictest = Decision("allow", "", "")
    asking: dict[str, Grant] = {}
    for host in _distinct(case, [*(grant.where for grant, _answer in about), *(time.entry.where for time in times)]):
        found = _host(case, owner, about, host)
        if found.verdict != "deny" and (state := _held(times, case, host)):
            found = Decision("deny", state.rule, f"{state.text}{_place(host)}")
        asking.update((grant.name, grant) for grant in found.asking)
        if _worse(found, strictest):
            strictest = found
        if strictest.verdict == "deny" and not strictest.calendar:
            break
    return replace(strictest, asking=tuple(asking.values())) if strictest.verdict == "approve" else strictest


def _distinct(case: Case, places: Sequence[Where]) -> Sequence[str | None]:
    """One host of each kind: all of a kind are in the same of these places, and decided alike."""
    named = [where.host for where in places if where.host]
    kinds: dict[object, str] = {}
    for host, groups in case.hosts.items():
        kinds.setdefault((groups, case.stacks.get(host), *(fits(names, host) for names in named)), host)
    return list(kinds.values()) or [None]


def _worse(found: Decision, than: Decision) -> bool:
    """A missing right counts more than the wrong time."""
    if not than.rule:
        return True
    return (_ORDER.index(found.verdict), not found.calendar) > (_ORDER.index(than.verdict), not than.calendar)


def _place(host: str | None) -> str:
    return f" on {host}" if host else ""


def _host(case: Case, owner: int, about: Sequence[tuple[Grant, Answer]], host: str | None) -> Decision:
    answers = [(grant, every((answer, is_where(grant.where, case, host)))) for grant, answer in about]
    name, place = case.who.name, _place(host)
    if denying := _first(answers, "deny", True) or _first(answers, "deny", None):
        return Decision("deny", denying.name, f"{name} may not run this{place}")
    if asking := _all(answers, "approve", True):
        return _asked(case, asking, f"{name} may run this{place} after an approval")
    allowing = _first(answers, "allow", True)
    if not allowing and case.who.uid != owner:
        return Decision("deny", "default", f"{name} has no grant for this{place}; ask the owner (uid {owner})")
    if asking := _all(answers, "approve", None):
        return _asked(case, asking, f"{name} may run this{place} after an approval: it may be meant")
    if case.who.uid == owner:
        return Decision("allow", "owner", f"{name} owns this installation")
    return Decision("allow", allowing.name if allowing else "owner", f"{name} may run this{place}")


def _asked(case: Case, asking: tuple[Grant, ...], text: str) -> Decision:
    if case.request.check and all(grant.checks == "free" for grant in asking):
        return Decision("allow", asking[0].name, f"{case.who.name} may check this without an approval")
    return Decision("approve", asking[0].name, text, asking)


def _first(answers: list[tuple[Grant, Answer]], effect: Verdict, wanted: Answer) -> Grant | None:
    return next(iter(_all(answers, effect, wanted)), None)


def _all(answers: list[tuple[Grant, Answer]], effect: Verdict, wanted: Answer) -> tuple[Grant, ...]:
    return tuple(grant for grant, answer in answers if grant.effect == effect and answer is wanted)


def _times(case: Case, policy: Policy) -> list[State]:
    """The freezes that hold, and all windows, that are about what this request does."""
    if case.request.check:
        return []
    found = [state for state in states(policy.calendar, case.time) if state.kind == "window" or state.forbids]
    return [
        state
        for state in found
        if not any(is_what(what, "exempt", case) is True for what in policy.what(state.entry.exempt))
    ]


def _held(times: list[State], case: Case, host: str | None) -> State | None:
    """The entry of the calendar that forbids a change on this host; a host not known may be any."""
    answers: list[tuple[State, Any]] = [(state, is_where(state.entry.where, case, host)) for state in times]
    about = [(state, answer) for state, answer in answers if answer is not False]
    if freeze := next((state for state, _answer in about if state.kind == "freeze"), None):
        return freeze
    if any(answer is True and not state.forbids for state, answer in about):
        return None
    closed = [state for state, _answer in about if state.forbids]
    return min(closed, key=lambda state: state.soon, default=None)
