"""Whether a grant is about a request. Answers are yes, no, or - when it will only be known later - maybe (None)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property

from opsctl.policy.finding import Finding, rank, worst
from opsctl.policy.grants import Grant, Policy, What, When, Where
from opsctl.policy.identity import Identity
from opsctl.policy.risk import judge
from opsctl.policy.simple import Simple, simple
from opsctl.policy.tasks import command_text, task_risk
from opsctl.runs.request import RunRequest

Answer = bool | None
_COMMANDS = ("ansible.builtin.shell", "ansible.builtin.command", "ansible.builtin.raw", "shell", "command", "raw")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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

    @cached_property
    def text(self) -> str | None:
        """The shell text that it runs; none when it runs something else, or a text that is not known here."""
        request = self.request
        if request.kind == "command":
            return request.content
        if request.kind == "module" and request.content in _COMMANDS:
            return command_text(request.content.rsplit(".", 1)[-1], request.parameters)
        return None

    @cached_property
    def findings(self) -> list[Finding] | None:
        """What is dangerous about it; none when that cannot be judged beforehand."""
        if self.text is not None:
            return judge(self.text)
        return task_risk(self.request.content, self.request.parameters) if self.request.kind == "module" else None

    @cached_property
    def commands(self) -> Simple:
        """The simple commands of its text."""
        return simple(self.text or "")


def matches(policy: Policy, grant: Grant, case: Case, host: str | None) -> Answer:
    """Whether this grant is about this request on this host (None: a host not known yet)."""
    return every(
        (
            is_who(policy, grant, case.who),
            is_when(grant.when, case.time),
            some(_what(what, grant.effect, case) for what in policy.what(grant)),
            _where(grant.where, case, host),
        )
    )


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


def is_when(when: When, time: datetime) -> bool:
    """Whether now is meant."""
    spans = when.hours or ("00:00-24:00",)
    return any(_within(when, span, time) for span in spans)


def _within(when: When, span: str, time: datetime) -> bool:
    begin, end = span.split("-")
    now = time.strftime("%H:%M")
    if begin < end:
        return _day(when, time) and begin <= now < end
    return (_day(when, time) and now >= begin) or (_day(when, time - timedelta(days=1)) and now < end)


def _day(when: When, time: datetime) -> bool:
    return not when.days or _DAYS[time.weekday()] in when.days


def _fits(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _what(what: What, effect: str, case: Case) -> Answer:
    request = case.request
    named: list[Answer] = []
    if what.scenario:
        named.append(request.kind == "scenario" and _fits(what.scenario, request.content))
    if what.playbook:
        named.append(request.kind == "playbook" and _fits(what.playbook, request.playbook or request.content))
    if what.module:
        named.append(request.kind == "module" and _fits(what.module, request.content))
    if what.command:
        named.append(_command(what, effect, case))
    action = not what.action or _fits(what.action, request.action)
    return every((some(named) if named else True, action, _risk(what, effect, case)))


def _command(what: What, effect: str, case: Case) -> Answer:
    """An `allow` fits when every command of the text does; the others when one does. What cannot be read may fit."""
    if case.request.kind == "script":
        return "*" in what.command or (None if effect != "allow" else False)
    if case.text is None:
        return False
    if "*" in what.command:
        return True
    found = case.commands
    if effect == "allow":
        return found.whole and bool(found.outer) and all(_fits(what.command, text) for text in found.outer)
    return any(_fits(what.command, text) for text in found.every) or (False if found.whole else None)


def _risk(what: What, effect: str, case: Case) -> Answer:
    """An `allow` fits up to its level, the others from theirs on; neither is about scenarios and playbooks."""
    if what.risk is None:
        return True
    if case.request.kind in ("scenario", "playbook"):
        return False
    if case.findings is None:
        return None
    level = rank(worst(case.findings))
    return level <= rank(what.risk) if effect == "allow" else level >= rank(what.risk)


def _where(where: Where, case: Case, host: str | None) -> Answer:
    answers: list[Answer] = []
    if where.cloud:
        answers.append(_fits(where.cloud, case.request.cloud))
    if where.stack:
        stack = case.request.targets.stack
        answers.append(_fits(where.stack, stack) if stack else None)
    if where.host:
        answers.append(None if host is None else _fits(where.host, host))
    if where.group:
        groups = None if host is None else case.hosts.get(host)
        answers.append(None if groups is None else any(_fits(where.group, group) for group in groups))
    return every(answers)
