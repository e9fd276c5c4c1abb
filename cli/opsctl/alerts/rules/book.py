"""All rules there are, where they come from, and whether the files have changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from opsctl.alerts.rules.rule import Rule
from opsctl.errors import UsageError, suggest

RULES_D = "rules.d"
SHIPPED = "rules.yml"

Seal = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change of every file and folder that was looked at."""


@dataclass(frozen=True)
class Places:
    """Where rules are looked for."""

    own: Path
    """The folder of one's own rules: every `*.yml` in it."""
    content: tuple[Path, ...] = ()
    """Folders of scenarios, each of which may bring a `rules.yml`; what stands first hides what has the same name."""

    def files(self) -> tuple[list[Path], list[Path]]:
        """Own files and shipped ones, in the order they are read."""
        own = sorted(path for path in _inside(self.own) if path.suffix in (".yml", ".yaml") and _meant(path))
        shipped: dict[str, Path] = {}
        for folder in self.content:
            for scenario in sorted(_inside(folder)):
                shipped.setdefault(scenario.name, scenario / SHIPPED)
        return own, [path for path in shipped.values() if path.is_file()]

    def seal(self) -> Seal:
        """What the files look like from outside."""
        own, shipped = self.files()
        found = []
        for path in (self.own, *own, *shipped):
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((str(path), stat.st_ino, stat.st_size if path != self.own else 0, stat.st_mtime_ns))
        return tuple(found)


def places(home: Path, scenario_path: Sequence[Path] = ()) -> Places:
    """The places of this home: its rules.d, and what scenarios of the settings and of the collection bring."""
    from opsctl.scenarios import collection

    return Places(home / RULES_D, (*scenario_path, collection() / "playbooks"))


@dataclass(frozen=True)
class Origin:
    """Where a rule was read."""

    path: str
    line: int
    shipped: bool
    enabled: bool = False
    """A shipped one that somebody has switched on."""
    replaces: str = ""
    """The file of the shipped rule whose place it takes."""


@dataclass(frozen=True)
class Book:
    """Rules in the order they are tried: the highest priority first, then by name."""

    rules: tuple[Rule, ...] = ()
    origins: Mapping[str, Origin] | None = None
    places: Places | None = None
    seal: Seal = ()

    @cached_property
    def version(self) -> str:
        """A hash of all that the rules say."""
        return hashlib.sha256("".join(f"{rule.name}:{rule.version}\n" for rule in self.rules).encode()).hexdigest()[:12]

    def changed(self) -> bool:
        """Whether a file is other than when this was read; a few stat calls."""
        return self.places is not None and self.places.seal() != self.seal

    @property
    def memory(self) -> int:
        """Seconds of the past that decisions need: other alerts for `count`, remediations for cooldown and tries."""
        times = [0]
        for rule in self.rules:
            guards, count = rule.guards, rule.match.count
            times += [guards.cooldown, guards.group_cooldown, guards.tries.within, count.within if count else 0]
        return max(times)

    def origin(self, name: str) -> Origin:
        """Where a rule stands; of rules that were not read from files, nowhere."""
        return (self.origins or {}).get(name) or Origin("", 0, shipped=False)

    def get(self, name: str) -> Rule:
        """The rule of this name.

        Raises:
            UsageError: there is none.
        """
        for rule in self.rules:
            if rule.name == name:
                return rule
        known = [rule.name for rule in self.rules]
        raise UsageError(f"Unknown rule {name}{suggest(name, known)}; `opsctl alert rules list` shows all")


def ordered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """As they are tried."""
    return tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name)))


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _meant(path: Path) -> bool:
    """Editors leave files behind that begin with a dot, and those are no rules."""
    return not path.name.startswith((".", "#")) and path.is_file()
