"""What is asked for: everything that decides what a run will do, fixed before policy sees it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from opsctl.ledger.record import canonical, digest
from opsctl.pace.rate import DEFAULT, Rate

MASK = "******"

Kind = Literal["scenario", "module", "command", "script", "playbook"]


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks: the user of the operating system."""

    name: str
    uid: int
    login: str = ""
    """Who he was before sudo, where that is known."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "uid": self.uid, **({"login": self.login} if self.login else {})}


def me() -> Requester:
    """The user this process runs as."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Requester(name, uid, os.environ.get("SUDO_USER", ""))


@dataclass(frozen=True, slots=True)
class Targets:
    """Where: a stack, a pattern that narrows it down; or hosts that were found before, by a pattern."""

    stack: str = ""
    limit: str = ""
    hosts: tuple[str, ...] = ()
    digest: str = ""
    """SHA-256 over the hosts' names and addresses; empty when they are not fixed beforehand."""
    groups: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Group -> which of the hosts are in it, by their places (see `membership`); empty = not known."""
    stacks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Stack -> which of the hosts belong to it."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        fixed = {"hosts": list(self.hosts), "count": len(self.hosts), "digest": self.digest} if self.digest else {}
        parts = {name: dict(of) for name, of in (("groups", self.groups), ("stacks", self.stacks)) if of}
        return {"stack": self.stack, "limit": self.limit, **fixed, **parts}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run as asked for."""

    id: str
    kind: Kind
    content: str
    """The scenario's, module's, script's or playbook's name; the command."""
    action: str
    playbook: str
    """What Ansible is given: a playbook's FQCN or path; empty for a module, a command, a script."""
    cloud: str
    requester: Requester
    created: str
    targets: Targets = Targets()
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = frozenset()
    """Names of parameters whose values must not be seen."""
    references: Mapping[str, Any] = field(default_factory=dict)
    """By parameter: where its secrets are kept; that may be seen, and is recorded in place of the value."""
    reason: str = ""
    check: bool = False
    diff: bool = False
    timeout: int = 4 * 3600
    digest: str = ""
    """SHA-256 over the content: playbooks, roles, templates."""
    text: str | None = field(default=None, repr=False)
    """Kind `script`: what is in it, for policy to judge; not recorded, the digest stands for it."""
    forks: int = 20
    """Hosts at the same time."""
    begin: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Task -> hosts that begin there; empty = all, from the first."""
    rate: Rate = DEFAULT
    """In which batches, what makes it stop, whether it locks its hosts."""
    spec: Mapping[str, Any] | None = field(default=None, repr=False)
    """What it was built from and can be built from again, secrets masked."""
    parent: str = ""
    """The run that this one repeats or goes on with."""
    trigger: Mapping[str, Any] = field(default_factory=dict)
    """What had it run, when that was no person: `kind`, and the ids that lead back to it."""

    @property
    def masked(self) -> dict[str, Any]:
        """The parameters as they may be recorded."""
        hidden = {name: MASK if name in self.secrets else value for name, value in self.parameters.items()}
        return {**hidden, **self.references}

    @property
    def options(self) -> dict[str, Any]:
        """How it is run."""
        begin = {"begin": {task: list(hosts) for task, hosts in self.begin.items()}} if self.begin else {}
        rate = {"rate": self.rate.plain()} if self.rate != DEFAULT else {}
        return {"check": self.check, "diff": self.diff, "timeout": self.timeout, "forks": self.forks, **begin, **rate}

    @property
    def plan_hash(self) -> str:
        """One hash of content, parameters, targets and options: what an approval is bound to."""
        return digest(
            canonical(
                [
                    self.kind,
                    self.content,
                    self.action,
                    self.digest,
                    self.masked,
                    self.targets.plain(),
                    self.cloud,
                    self.options,
                ]
            )
        )

    def plain(self) -> dict[str, Any]:
        """What the ledger says about it."""
        return {
            "kind": self.kind,
            "content": self.content,
            "action": self.action,
            "cloud": self.cloud,
            "targets": self.targets.plain(),
            "parameters": self.masked,
            "options": self.options,
            "reason": self.reason,
            "digest": self.digest,
            "plan_hash": self.plan_hash,
            **({"parent": self.parent} if self.parent else {}),
            **({"trigger": dict(self.trigger)} if self.trigger else {}),
        }
