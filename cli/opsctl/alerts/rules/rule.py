"""A rule: which alerts, what to do, how to know that it helped, what else to do, and within which bounds."""

from __future__ import annotations

import hashlib
import re
import shlex
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from opsctl.alerts.alert import Severity
from opsctl.alerts.rules.part import Level, Names, Part, Seconds, Share, Texts
from opsctl.policy.times import When

Mode = Literal["active", "propose", "shadow", "off"]
"""`active` does it, `propose` asks a person first, `shadow` only records what it would have done."""
What = Literal["scenario", "playbook", "command", "notify"]
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
"""Parts of a template, which may have spaces and quotes in them."""
HOST = "{{ alert.host }}"


def _off(value: Any) -> Any:
    """YAML reads `off` as false."""
    return "off" if value is False else value


class Count(Part):
    """So many alerts of the rule within a time, this one included."""

    at_least: Annotated[int, Field(ge=2, le=100_000)]
    within: Seconds
    of: Literal["host", "stack", "all"] = "host"
    """Counted are those of the same host, of the same stack, or all."""


class Match(Part):
    """Which alerts: all that are given must fit."""

    source: Names = ()
    """Names of sources in the settings."""
    host: Names = ()
    group: Names = ()
    """One of the host's groups must fit."""
    stack: Names = ()
    tags: dict[str, Names] = Field(default_factory=dict)
    """Name -> its value."""
    severity: Level = ()
    trigger: Names = ()
    """The problem's name, or that of the trigger or alerting rule."""
    problem: Names = ()
    """The tag `opsctl_problem`: what kind of problem it is, in a word."""
    lasts: Annotated[Seconds, Field(alias="for")] = 0
    """It has been there so long."""
    count: Count | None = None
    when: When = Field(default_factory=When)

    @model_validator(mode="after")
    def _some(self) -> Match:
        keys = ("source", "host", "group", "stack", "tags", "severity", "trigger", "problem")
        if not any(getattr(self, key) for key in keys):
            raise ValueError(f'says nothing about which alerts: give {", ".join(keys)}; trigger: "*" means all of them')
        return self


def _words(value: Any) -> Any:
    """A command as one text is taken apart as a shell would, once, here: what alerts say is never taken apart."""
    if isinstance(value, str):
        kept: list[str] = []

        def keep(found: re.Match[str]) -> str:
            kept.append(found[0])
            return f"\ue000{len(kept) - 1}\ue001"

        try:
            words = shlex.split(_EXPRESSION.sub(keep, value))
            return [re.sub("\ue000(\\d+)\ue001", lambda found: kept[int(found[1])], word) for word in words]
        except ValueError as error:
            raise ValueError(f"cannot be taken apart into words: {error}") from None
    return value


class Do(Part):
    """What is done: exactly one of an action of a scenario, a playbook, a command, or a notice."""

    scenario: str = ""
    action: str = ""
    """Of the scenario."""
    playbook: str = ""
    """A file, or a name such as opsctl.cloud.redis_cluster.heal."""
    command: Annotated[
        tuple[str, ...],
        BeforeValidator(_words),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = ()
    """Its words; no shell reads them. One text is split into words as a shell would."""
    notify: Texts = ()
    """Channels of the settings that get a notice; nothing is run."""
    cloud: str = ""
    """The profile whose hosts are meant; unset = the settings' default."""
    inventory: Texts = ()
    """Inventory files; playbooks and commands."""
    user: str = ""
    """Log in as; commands."""
    become: bool = False
    """As root; commands."""

    @model_validator(mode="after")
    def _one(self) -> Do:
        given = [name for name in ("scenario", "playbook", "command", "notify") if getattr(self, name)]
        if len(given) != 1:
            said = f"not {' and '.join(given)}" if given else "none is given"
            raise ValueError(f"want exactly one of scenario, playbook, command and notify; {said}")
        if bool(self.scenario) != bool(self.action):
            raise ValueError("scenario and action go together: scenario: redis-cluster, action: heal")
        for name, kinds in _ONLY.items():
            if getattr(self, name) and given[0] not in kinds:
                raise ValueError(f"{name} is for {' and '.join(kinds)}, not for {given[0]}")
        return self

    @property
    def kind(self) -> What:
        """Which of them it is."""
        return "scenario" if self.scenario else "playbook" if self.playbook else "command" if self.command else "notify"

    @property
    def text(self) -> str:
        """In a few words, for people."""
        return {
            "scenario": f"{self.scenario} {self.action}",
            "playbook": f"playbook {self.playbook}",
            "command": f"command {shlex.join(self.command)}",
            "notify": f"notify {', '.join(self.notify)}",
        }[self.kind]


_ONLY: dict[str, tuple[What, ...]] = {
    "cloud": ("scenario", "playbook", "command"),
    "inventory": ("playbook", "command"),
    "user": ("command",),
    "become": ("command",),
}


class Undo(Do):
    """What takes a failed remediation back."""

    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _runs(self) -> Undo:
        if self.notify:
            raise ValueError("a notice takes nothing back; on_failure.escalate.notify tells people")
        return self


class Verify(Part):
    """How it is known that it helped."""

    within: Seconds = 60
    """The problem must be gone so soon after the run."""
    problem: Literal["gone", "ignore"] = "gone"
    """`ignore`: the run's own result, and the playbook, are all that counts."""
    playbook: str = ""
    """Run on the same hosts; its success is needed, too."""
    parameters: dict[str, Any] = Field(default_factory=dict)


class Escalate(Part):
    """Who hears that it did not help."""

    notify: Texts = ()
    """Channels of the settings; empty = all that take escalations."""
    severity: Severity | None = None
    """The problem is raised to this, where its source can."""
    approval: bool = False
    """A person is asked whether to try once more."""


class Failure(Part):
    """What is done when it did not help."""

    retry: Annotated[int, Field(ge=0, le=10)] = 0
    """So many more times."""
    undo: Undo | None = None
    escalate: Escalate = Escalate()


class Tries(Part):
    """After so many within a time, a person must look."""

    most: Annotated[int, Field(ge=1, le=100)] = 3
    within: Seconds = 3600


class Guards(Part):
    """The bounds."""

    cooldown: Seconds = 300
    """The host is left in peace so long after a remediation of this rule for another alert."""
    group_cooldown: Seconds = 0
    """So are the host's groups."""
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 5
    """Remediations of this rule at the same time."""
    budget: Share | None = None
    """Remediations change at most so many hosts of any of the host's groups at once; one is always allowed."""
    tries: Tries = Tries()
    """On one host."""
    approval: Literal["never", "risky", "always"] = "never"
    """`risky`: when the policy rates what is done high or above. What the policy itself wants holds besides."""
    silence: bool = False
    """Monitoring keeps quiet about the hosts meanwhile."""


class Rule(Part):
    """One rule."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
    """A rule of your own takes the place of the shipped one of the same name."""
    description: str = ""
    match: Match
    do: Do
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Texts in it may use the alert: `{{ alert.host }}`, `{{ alert.tags.disk }}`."""
    limit: Texts = (HOST,)
    """The hosts, each a name or pattern; an empty list = all of the scenario or playbook."""
    timeout: Seconds = 600
    """The run is ended after this."""
    verify: Verify = Verify()
    on_failure: Failure = Failure()
    guards: Guards = Guards()
    mode: Annotated[Mode, BeforeValidator(_off)] = "active"
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Of several that match, the one with the highest is taken, then the first by name."""

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, value: int) -> int:
        if not value:
            raise ValueError("a remediation needs an end; give a length of time as 10m")
        return value

    @model_validator(mode="after")
    def _hosts(self) -> Rule:
        if self.do.kind == "command" and not self.limit:
            raise ValueError('a command needs hosts: limit is empty; limit: "all" means all of them')
        return self

    @cached_property
    def version(self) -> str:
        """A hash of what it says: the same for the same rule, wherever it stands."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:12]
