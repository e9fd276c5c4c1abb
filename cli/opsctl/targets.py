"""The hosts of a run: found before anything runs, and from then on fixed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsctl.clouds import Access
from opsctl.errors import UsageError
from opsctl.runs.ask import hosts as listed
from opsctl.runs.membership import packed
from opsctl.runs.progress import natural
from opsctl.runs.request import Targets

_EVERYTHING = ("", "all", "*")
_ADDRESS = ("ansible_ssh_host", "ansible_host")
_PORT = ("ansible_ssh_port", "ansible_port")


@dataclass(frozen=True)
class Places(Access):
    """An access with inventory files besides."""

    files: tuple[Path, ...] = ()

    @property
    def plain(self) -> tuple[Path, ...]:
        """As of every access."""
        first = super().plain
        return (*first, *self.files) if first else ()

    def inventories(self, space: Path) -> list[Path]:
        """The cloud's, then the files."""
        return [*super().inventories(space), *self.files]


@dataclass(frozen=True, slots=True)
class Found:
    """The hosts a pattern means, in the order people count."""

    pattern: str
    variables: Mapping[str, Mapping[str, Any]] = field(repr=False)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    """Host -> the groups it is in, also by way of other groups."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.variables)

    @property
    def digest(self) -> str:
        """SHA-256 over sorted names and where they are: same digest, same machines as far as the inventory knows."""
        return fingerprint(self.variables)

    @property
    def targets(self) -> Targets:
        """As a request has them."""
        names = self.names
        stacks = {name: (str(of["stack_name"]),) for name, of in self.variables.items() if of.get("stack_name")}
        return Targets(
            limit=self.pattern,
            hosts=names,
            digest=self.digest,
            # Every host is in this one.
            groups=packed(names, {host: groups - {"all"} for host, groups in self.groups.items()}),
            stacks=packed(names, stacks),
        )


def files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Inventory files as whole paths.

    Raises:
        UsageError: one does not exist.
    """
    whole = tuple(path.expanduser().absolute() for path in paths)
    for path in whole:
        if not path.exists():
            raise UsageError(f"Inventory {path} does not exist")
    return whole


def find(pattern: str, access: Access, *, everything: bool) -> Found:
    """The hosts an Ansible pattern means; `everything`: all hosts may be meant.

    Raises:
        UsageError: none are, or all are and nobody said so.
        OpsctlError: the inventory cannot be read.
    """
    pattern = pattern.strip()
    if pattern.startswith("@"):
        raise UsageError(f"Pattern {pattern}: a file of hosts is not taken here; give it with --inventory")
    asked = _ASKED.pop(_question(pattern, access), None)
    inventory = asked.result() if asked else listed(access, pattern or "all")
    chosen = _variables(inventory)
    if not everything and _whole(pattern, chosen, access):
        raise UsageError(
            f"Pattern '{pattern}' means all {len(chosen)} hosts of the inventory; add --yes-all if you mean that"
        )
    if not chosen:
        raise UsageError(f"No host matches '{pattern or 'all'}'; `opsctl inventory` shows the cloud's")
    return Found(pattern, {name: chosen[name] for name in sorted(chosen, key=natural)}, memberships(inventory))


_ASKED: dict[Hashable, Future[dict[str, Any]]] = {}


def begin(pattern: str, access: Places) -> None:
    """Ask for the hosts of a pattern in another thread; the next `find` of the same takes the answer."""
    answer: Future[dict[str, Any]] = Future()

    def ask() -> None:
        try:
            answer.set_result(listed(access, pattern.strip() or "all"))
        except BaseException as error:
            answer.set_exception(error)

    _ASKED[_question(pattern, access)] = answer
    threading.Thread(target=ask, name="inventory", daemon=True).start()


def _question(pattern: str, access: Access) -> Hashable:
    return pattern.strip(), access.name, access.cloud, getattr(access, "files", ())


def means_all(pattern: str, chosen: Collection[str], known: Collection[str]) -> bool:
    """Whether a pattern takes the whole inventory without naming each host."""
    if pattern.strip() in _EVERYTHING:
        return True
    return bool(chosen) and set(chosen) == set(known) and not named(pattern, chosen)


def named(pattern: str, chosen: Collection[str]) -> bool:
    """Whether a pattern is the plain list of the hosts it takes."""
    terms = {term.strip() for term in pattern.replace(";", ",").replace(":", ",").split(",")}
    return bool(chosen) and terms - {""} == set(chosen)


def fingerprint(variables: Mapping[str, Mapping[str, Any]]) -> str:
    """SHA-256 over the names and addresses of hosts, whatever their order."""
    rows = [[name, _first(of, _ADDRESS) or name, _first(of, _PORT)] for name, of in sorted(variables.items())]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=True).encode()).hexdigest()


def memberships(inventory: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Host -> the groups it is in, from what `ansible-inventory --list` says."""
    above: dict[str, set[str]] = {}
    for name, group in inventory.items():
        for child in group.get("children", ()):
            above.setdefault(child, set()).add(name)
    found: dict[str, set[str]] = {}
    for name, group in inventory.items():
        if name != "_meta" and (hosts := group.get("hosts", ())):
            groups = _upwards(name, above)
            for host in hosts:
                found.setdefault(host, set()).update(groups)
    return {host: frozenset(groups) for host, groups in found.items()}


def _upwards(name: str, above: Mapping[str, Collection[str]]) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting.extend(above.get(group, ()))
    return found


def _whole(pattern: str, chosen: Collection[str], access: Access) -> bool:
    if pattern in _EVERYTHING or not chosen or named(pattern, chosen):
        return pattern in _EVERYTHING
    return means_all(pattern, chosen, _variables(listed(access, "all")))


def _variables(inventory: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    known = inventory.get("_meta", {}).get("hostvars", {})
    groups = [group for name, group in inventory.items() if name != "_meta"]
    names = known.keys() | {host for group in groups for host in group.get("hosts", ())}
    return {name: known.get(name, {}) for name in names}


def _first(variables: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(variables[name]) for name in names if variables.get(name)), "")
