"""What tasks of a playbook may do while it runs: each is judged as it is about to run, on the host it acts on. Pure.

Used inside Ansible's process, so nothing here takes long to import or knows of requests, grants or Ansible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from opsctl.policy.finding import LEVELS, Finding, Level, rank, worst
from opsctl.policy.risk import judge
from opsctl.policy.script import shell_text
from opsctl.policy.simple import commanded, simple
from opsctl.policy.tasks import task_risk, task_text
from opsctl.policy.wrappers import SHELLS

TOLD: Level = "high"
"""Findings from this level on are told even when they may be."""
_LOADED = ("LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "ENV", "PROMPT_COMMAND", "PYTHONSTARTUP")
"""Variables that make a harmless program run something else."""


@dataclass(frozen=True, slots=True)
class Place:
    """The host that a task acts on."""

    host: str
    groups: frozenset[str] | None
    """None = not known."""
    stack: str = ""
    local: bool = False
    """Whether it is the machine that Ansible runs on."""


@dataclass(frozen=True)
class Task:
    """A task as it is about to run."""

    module: str
    arguments: Mapping[str, Any] = field(repr=False)
    place: Place
    script: str | None = field(default=None, repr=False)
    """What is in the script that it sends."""
    environment: Sequence[str] = ()
    """Names of the variables that it sets."""

    @cached_property
    def text(self) -> str | None:
        """The shell text that it runs, if that is what it does."""
        text = task_text(self.module, self.arguments)
        program = str(self.arguments.get("executable") or "sh").rsplit("/", 1)[-1]
        if text is None and self.script is not None and program in SHELLS:
            return shell_text(self.script)
        return text

    @cached_property
    def findings(self) -> list[Finding]:
        """What is dangerous about it."""
        found = task_risk(self.module, self.arguments) if self.text is None else judge(self.text)
        loaded = [name for name in self.environment if name in _LOADED]
        return [*found, *(Finding("high", "obfuscation", f"sets {name} for what it runs") for name in loaded)]

    @property
    def names(self) -> tuple[str, ...]:
        """What its module is called."""
        short = self.module.rsplit(".", 1)[-1]
        return (
            self.module,
            short,
            *([f"ansible.builtin.{short}"] if self.module.startswith("ansible.legacy.") else []),
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """What one grant says about the tasks of a run."""

    rule: str
    effect: str
    level: Level | None = None
    """Effect allow: up to it (None: all); others: from it on (None: all)."""
    modules: Sequence[str] = ()
    commands: Sequence[str] = ()
    """Only tasks with such a module or command; none named = all tasks."""
    hosts: Sequence[str] = ()
    groups: Sequence[str] = ()
    stacks: Sequence[str] = ()

    def here(self, place: Place) -> bool | None:
        """Whether this host is meant; None: it may be."""
        answers: list[bool | None] = []
        if self.hosts:
            answers.append(_fits(self.hosts, (place.host,)))
        if self.stacks:
            answers.append(bool(place.stack) and _fits(self.stacks, (place.stack,)))
        if self.groups:
            answers.append(None if place.groups is None else _fits(self.groups, place.groups))
        return False if False in answers else None if None in answers else True

    def meant(self, task: Task) -> bool:
        """Whether the task is one of those it forbids, or may be one."""
        if self.here(task.place) is False:
            return False
        if self.level is not None and rank(worst(task.findings)) < rank(self.level):
            return False
        if not self.modules and not self.commands:
            return True
        if self.modules and _fits(self.modules, task.names):
            return True
        return (
            bool(self.commands) and task.text is not None and commanded(simple(task.text), self.commands) is not False
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """All of a run."""

    user: str
    owner: bool
    """Whether he needs no grant."""
    limits: Sequence[Limit]
    stacks: Mapping[str, str] = field(default_factory=dict)
    """Host -> stack, of hosts that were known before."""
    stack: str = ""
    """The stack that the whole run is about."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "user": self.user,
            "owner": self.owner,
            "stack": self.stack,
            "stacks": dict(self.stacks),
            "limits": [{name: getattr(limit, name) for name in Limit.__slots__} for limit in self.limits],
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Limits:
        """From what `plain` gave."""
        limits = [Limit(**limit) for limit in plain["limits"]]
        for limit in limits:
            if limit.effect not in ("allow", "deny", "approve") or limit.level not in (None, *LEVELS):
                raise ValueError(f"limit {limit.rule} cannot be read")
        return cls(str(plain["user"]), plain["owner"] is True, limits, dict(plain["stacks"]), str(plain["stack"]))

    def refusal(self, task: Task) -> str:
        """Why the task may not run: rule and reason; empty when it may."""
        for limit in self.limits:
            if limit.effect != "allow" and limit.meant(task):
                why = _why(task, limit.level or "low") or f"tasks such as {task.names[1]}"
                return f"{limit.rule}: {'not without an approval: ' if limit.effect == 'approve' else ''}{why}"
        return "" if self.owner else self._granted(task)

    def _granted(self, task: Task) -> str:
        grants = [limit for limit in self.limits if limit.effect == "allow"]
        # The machine that Ansible runs on is nobody's target; the strictest of the run's grants is for it.
        here = grants if task.place.local else [limit for limit in grants if limit.here(task.place)]
        if not here:
            return f"default: {self.user} has no grant for this on {task.place.host}"
        top = [len(LEVELS) if limit.level is None else rank(limit.level) for limit in here]
        ceiling = min(top) if task.place.local else max(top)
        if rank(worst(task.findings)) <= ceiling:
            return ""
        return f"{here[top.index(ceiling)].rule}: {_why(task, LEVELS[ceiling + 1])}"


def _why(task: Task, level: Level) -> str:
    """The gravest thing about it, if it is of this level at least."""
    found = max(task.findings, key=lambda finding: rank(finding.level), default=None)
    if found is None or rank(found.level) < rank(level):
        return ""
    return told(found)


def told(finding: Finding) -> str:
    """A finding in words."""
    return f"{finding.level} risk: {finding.reason}{f' ({finding.excerpt})' if finding.excerpt else ''}"


def _fits(patterns: Iterable[str], names: Iterable[str]) -> bool:
    known = tuple(names)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in known)
