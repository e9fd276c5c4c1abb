"""What was ordered, as it was said: all that is needed to build the same run again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from opsctl.events.redact import Redactor
from opsctl.runs.request import MASK, Kind

_SETS = ("words", "files", "only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One order. Paths are whole, so that it means the same from any directory."""

    kind: Kind
    content: str
    """The scenario's, playbook's or script's name; empty for a command, whose words say all."""
    action: str = ""
    words: tuple[str, ...] = ()
    """The command; the script's arguments."""
    cloud: str = ""
    """The profile; empty = files alone."""
    files: tuple[str, ...] = ()
    """Inventory files."""
    pattern: str = ""
    """Which hosts, as Ansible says it."""
    everything: bool = False
    only: tuple[str, ...] = ()
    """Of those, only these: what is done again on some of the hosts of an earlier run."""
    user: str = ""
    become: bool = False
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: str = ""
    """What the command reads: a file of this machine, `-` = what opsctl itself is given; empty = nothing."""
    ask_pass: bool = False
    """The SSH password is asked for, each time."""
    ask_become_pass: bool = False
    vault_password_file: str = ""
    """What opens variables that Ansible Vault encrypted; empty = as the environment says."""
    ask_vault_pass: bool = False
    """The vault password is asked for, each time."""
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    check: bool = False
    diff: bool = False
    host_timeout: float = 600
    """Seconds on one host; commands and scripts."""
    timeout: int = 0
    """Seconds for all; 0 = as the settings say."""
    forks: int = 0
    """Hosts at the same time; 0 = as the settings say."""
    reason: str = ""
    emergency: str = ""
    """Why it goes without the approval that it needs: once, so this is not kept."""
    rate: Mapping[str, Any] = field(default_factory=dict)
    """What was said about batches, errors and locks; the rest is as the settings say."""
    begin: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Task -> hosts that begin there; others do not take part. Empty = all, from the first."""
    trigger: Mapping[str, Any] = field(default_factory=dict)
    """What had it run, when that was no person: kind, and the ids that lead back to it."""

    def plain(self, hidden: frozenset[str]) -> dict[str, Any]:
        """As JSON, without what is as by default; `hidden`: names of parameters and `env.NAME`s to mask."""
        found: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name != "emergency" and value not in (part.default, {}, ()):
                found[part.name] = value
        for name, prefix in (("environment", "env."), ("parameters", "")):
            if name in found:
                found[name] = {key: MASK if prefix + key in hidden else item for key, item in found[name].items()}
        if "words" in found:
            redactor = Redactor(value for name, value in self.environment.items() if f"env.{name}" in hidden)
            found["words"] = [redactor.text(word) for word in self.words]
        return found

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Spec:
        """From what `plain` gave; keys of a later opsctl are left out."""
        known = {part.name for part in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if name in _SETS else value for name, value in plain.items() if name in known
        }
        if "begin" in values:
            values["begin"] = {task: tuple(hosts) for task, hosts in values["begin"].items()}
        return cls(**values)

    @property
    def masked(self) -> list[str]:
        """Names of secrets that are not kept, and must be given again."""
        lost = [name for name, value in self.parameters.items() if value == MASK]
        lost += [f"env.{name}" for name, value in self.environment.items() if value == MASK]
        return lost + ["a word of the command"] * any(MASK in word for word in self.words)
