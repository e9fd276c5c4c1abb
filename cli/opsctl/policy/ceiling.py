"""From grants to limits: what the tasks of this scenario or playbook may do, whatever it was let run as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.home import locate
from opsctl.policy.decide import case_of
from opsctl.policy.grants import Grant, Policy
from opsctl.policy.limit import Limit, Limits
from opsctl.policy.load import load
from opsctl.policy.match import Case, fits, is_what, is_who
from opsctl.policy.scope import What
from opsctl.policy.times import holds
from opsctl.runs.request import RunRequest


def ceilings(
    request: RunRequest, owner: int, policy: Policy | None = None, *, approved: bool = False
) -> dict[str, Any] | None:
    """The limits as JSON; None when no task needs to be judged. Shape: `Limits.plain`.

    `approved`: whether the approvals that were wanted have been given, or the glass was broken.

    Raises:
        ConfigError: the policy cannot be used.
    """
    if request.kind not in ("scenario", "playbook"):
        return None
    case = case_of(request)
    found = limits(case, owner, load(locate()) if policy is None else policy, approved=approved)
    return None if found is None else found.plain()


def limits(case: Case, owner: int, policy: Policy, *, approved: bool = False) -> Limits | None:
    """The limits of a case; None when there are none."""
    owned = case.who.uid == owner
    effects = {"deny"} | (set() if approved else {"approve"}) | (set() if owned else {"allow"})
    found = [
        limit
        for grant in policy.grants
        if grant.effect in effects and is_who(policy, grant, case.who) and holds(grant.when, case.time)
        for what in policy.what(grant.what)
        for limit in _limits(grant, what, case)
    ]
    allowing = [limit for limit in found if limit.effect == "allow"]
    free = any(limit == Limit(limit.rule, "allow") for limit in allowing)
    if len(allowing) == len(found) and (owned or free):
        return None
    return Limits(case.who.name, owned, found, dict(case.stacks), case.request.targets.stack)


def _limits(grant: Grant, what: What, case: Case) -> Iterator[Limit]:
    where = grant.where
    stack = case.request.targets.stack
    if where.cloud and not fits(where.cloud, case.request.cloud):
        return
    if case.request.check and grant.checks == "free":
        return
    if stack and where.stack and not fits(where.stack, stack):
        return
    rest = {"hosts": where.host, "groups": where.group, "stacks": () if stack else where.stack}
    if is_what(what.model_copy(update={"risk": None}), "allow", case) is True:
        # Without a risk it was decided before, but for hosts that a playbook only finds or turns to while it runs.
        if grant.effect == "allow" or what.risk is not None or any(rest.values()):
            yield Limit(grant.name, grant.effect, what.risk, **rest)
        return
    # What nobody may run by itself, nobody may have a playbook run.
    acting = not what.action or fits(what.action, case.request.action)
    if grant.effect == "deny" and acting and (what.module or what.command):
        yield Limit(grant.name, "deny", what.risk, what.module, what.command, **rest)
