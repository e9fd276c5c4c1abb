"""Whether a grant is about a request. Answers are yes, no, or - when it will only be known later - maybe (None)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property

from opsctl.policy.finding import Finding, rank, worst
from opsctl.policy.grants import Grant, Policy
from opsctl.policy.identity import Identity
from opsctl.policy.risk import judge
from opsctl.policy.scope import What, Where
from opsctl.policy.script import shell_text
from opsctl.policy.simple import Simple, commanded, simple
from opsctl.policy.static import playbook_risk
from opsctl.policy.tasks import command_text, task_risk
from opsctl.policy.times import holds
from opsctl.runs.request import RunRequest

Answer = bool | None
_COMMANDS = ("ansible.builtin.shell", "ansible.builtin.command", "ansible.builtin.raw", "shell", "command", "raw")
_BOOKS = ("scenario", "playbook")


def every(answers: Iterable[Answer]) -> Answer:
    """Yes when all say yes, no when one says no."""
    given = list(answers)
    return False if False in given else None if None in given else True


def some(answers: Iterable[Answer]) -> Answer:
    """Yes when one says yes, no when all say no."""
    given = list(answers)
    return True if True in given else None if None in given else False


@dataclass(frozen=True)
class Case:
    """A request and what is known about it."""

    request: RunRequest
    who: Identity
    time: datetime
    hosts: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """Host -> its groups, None when they are not known. Empty = the hosts are not known."""
    stacks: Mapping[str, str] = field(default_factory=dict)
    """Host -> its stack, empty when it is in none. Hosts that are not here: not known."""

    @cached_property
    def text(self) -> str | None:
        """The shell text that it runs; none when it runs something else, or a text that is not known here."""
        request = self.request
        if request.kind == "command":
            return request.content
        if request.kind == "script":
            return None if request.text is None else shell_text(request.text)
        if request.kind == "module" and request.content in _COMMANDS:
            return command_text(request.content.rsplit(".", 1)[-1], request.parameters)
        return None

    @cached_property
    def findings(self) -> list[Finding] | None:
        """What is dangerous about it; none when that cannot be judged beforehand."""
        if self.text is not None:
            return judge(self.text)
        if self.request.kind in _BOOKS:
            return playbook_risk(self.request.playbook)
        return task_risk(self.request.content, self.request.parameters) if self.request.kind == "module" else None

    @cached_property
    def commands(self) -> Simple:
        """The simple commands of its text."""
        return simple(self.text or "")


def concerns(policy: Policy, grant: Grant, case: Case) -> Answer:
    """Whether this grant is about this request, as far as hosts do not matter."""
    if not (is_who(policy, grant, case.who) and holds(grant.when, case.time)):
        return False
    return some(is_what(what, grant.effect, case) for what in policy.what(grant.what))


def is_who(policy: Policy, grant: Grant, who: Identity) -> bool:
    """Whether somebody is meant."""
    return any(_is(policy, name, who) for name in grant.who)


def _is(policy: Policy, name: str, who: Identity) -> bool:
    if name == "everybody":
        return True
    if name.startswith("os:"):
        return name[3:] in who.groups
    if name.startswith("group:"):
        return any(_is(policy, member, who) for member in policy.groups[name[6:]])
    return name == who.name


def fits(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns is the name's."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_what(what: What, effect: str, case: Case) -> Answer:
    """Whether the content is meant. An `effect` but deny and approve wants to be sure of all of it."""
    request = case.request
    named: list[Answer] = []
    if what.scenario:
        named.append(request.kind == "scenario" and fits(what.scenario, request.content))
    if what.playbook:
        named.append(request.kind == "playbook" and fits(what.playbook, request.playbook or request.content))
    if what.module:
        named.append(request.kind == "module" and fits(what.module, request.content))
    if what.command:
        named.append(_command(what, effect, case))
    action = not what.action or fits(what.action, request.action)
    return every((some(named) if named else True, action, _risk(what, effect, case)))


def _command(what: What, effect: str, case: Case) -> Answer:
    """A `deny` or `approve` fits when one command of the text does, others when each does. What cannot be read may."""
    wide = effect in ("deny", "approve")
    if case.text is None:
        if case.request.kind != "script":
            return False
        return "*" in what.command or (None if wide else False)
    if "*" in what.command:
        return True
    found = case.commands
    if not wide:
        return found.whole and bool(found.outer) and all(fits(what.command, text) for text in found.outer)
    return commanded(found, what.command)


def _risk(what: What, effect: str, case: Case) -> Answer:
    """An `allow` fits up to its level, the others from theirs on. Tasks of playbooks are judged when they run, too."""
    if what.risk is None:
        return True
    if case.request.kind in _BOOKS and effect != "approve":
        return effect == "allow"
    if case.findings is None:
        return None
    level = rank(worst(case.findings))
    return level >= rank(what.risk) if effect in ("deny", "approve") else level <= rank(what.risk)


def is_where(where: Where, case: Case, host: str | None) -> Answer:
    """Whether this host is meant (None: a host not known yet)."""
    answers: list[Answer] = []
    if where.cloud:
        answers.append(fits(where.cloud, case.request.cloud))
    if where.stack:
        stack = case.request.targets.stack or (None if host is None else case.stacks.get(host))
        answers.append(None if stack is None else bool(stack) and fits(where.stack, stack))
    if where.host:
        answers.append(None if host is None else fits(where.host, host))
    if where.group:
        groups = None if host is None else case.hosts.get(host)
        answers.append(None if groups is None else any(fits(where.group, group) for group in groups))
    return every(answers)
