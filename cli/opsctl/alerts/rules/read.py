"""From files to rules: all of them checked before one is believed, and everything that is wrong told at once."""

from __future__ import annotations

import stat
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from opsctl.alerts.rules.book import Book, Origin, Places, ordered
from opsctl.alerts.rules.part import Part, Texts
from opsctl.alerts.rules.rule import Count, Do, Escalate, Failure, Guards, Match, Mode, Rule, Tries, Undo, Verify
from opsctl.alerts.rules.template import wrong
from opsctl.alerts.rules.yaml import Broken, Fault, line, parsed
from opsctl.errors import ConfigError, suggest
from opsctl.policy.times import When

_PARTS: dict[str, type[BaseModel]] = {
    "match": Match,
    "count": Count,
    "when": When,
    "do": Do,
    "verify": Verify,
    "on_failure": Failure,
    "undo": Undo,
    "escalate": Escalate,
    "guards": Guards,
    "tries": Tries,
}


class File(Part):
    """A file of rules: a list of them, or this."""

    rules: tuple[Rule, ...] = ()
    enable: Texts = ()
    """Shipped rules, by name or pattern, that act instead of proposing."""
    disable: Texts = ()
    """Shipped rules that are switched off."""


class RulesError(ConfigError):
    """Rules that cannot be used; `faults` has all that is wrong."""

    def __init__(self, faults: list[Fault]) -> None:
        """The message is the first, and how many more there are."""
        more = f" (and {len(faults) - 1} more: `opsctl alert rules lint` shows all)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")
        self.faults = faults


def load(places: Places) -> Book:
    """All rules of these places.

    Raises:
        RulesError: something in them is wrong; nothing of them is used.
    """
    book, faults = gathered(places)
    if faults:
        raise RulesError(faults)
    return book


def gathered(places: Places) -> tuple[Book, list[Fault]]:
    """The rules that can be used, and what is wrong with the others."""
    seal = places.seal()
    reading = _Reading()
    own, shipped = places.files()
    for path in shipped:
        reading.file(path, shipped=True)
    for path in own:
        reading.file(path, shipped=False, home=places.own.parent)
    return replace(reading.book(), places=places, seal=seal), reading.faults


def read(text: str, path: str = "rules.yml", *, shipped: bool = False) -> Book:
    """The rules of one text.

    Raises:
        RulesError: something in it is wrong.
    """
    reading = _Reading()
    reading.text(text, path, shipped=shipped)
    book = reading.book()
    if reading.faults:
        raise RulesError(reading.faults)
    return book


class _Reading:
    """What was found up to now."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._shipped: dict[str, tuple[Rule, Origin]] = {}
        self._own: dict[str, tuple[Rule, Origin]] = {}
        self._switches: list[tuple[str, bool, Fault]] = []

    def file(self, path: Path, *, shipped: bool, home: Path | None = None) -> None:
        try:
            if home is not None:
                _owned(path.parent, home)
                _owned(path, home)
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._fault(str(path), 0, "", f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}")
        except ConfigError as error:
            self._fault(str(path), 0, "", str(error))
        else:
            self.text(text, str(path), shipped=shipped)

    def text(self, text: str, path: str, *, shipped: bool) -> None:
        try:
            tree, data = parsed(text)
        except Broken as error:
            self._fault(path, error.line, "", str(error))
            return
        above: list[Any] = []
        if isinstance(data, dict):
            above = ["rules"]
            self._others(data, tree, path, shipped=shipped)
            data = data.get("rules")
        if data is None:
            return
        if not isinstance(data, list):
            self._fault(path, line(tree, above), "", "want a list of rules, or rules:, enable: and disable:")
            return
        for number, body in enumerate(data):
            self._rule(body, tree, [*above, number], path, shipped=shipped)

    def _rule(self, body: Any, tree: Any, place: list[Any], path: str, *, shipped: bool) -> None:
        known = self._shipped if shipped else self._own
        at = line(tree, place)
        name = str(body.get("name", ""))[:80] if isinstance(body, dict) else ""
        try:
            rule = Rule.model_validate(body)
        except ValidationError as error:
            for told in error.errors(include_url=False, include_input=False):
                self._fault(path, line(tree, [*place, *told["loc"]]), *_told(name or f"rule {place[-1] + 1}", told))
            return
        except RecursionError:
            self._fault(path, at, name, "cannot be used: it holds itself")
            return
        for where, message in wrong(rule):
            self._fault(path, line(tree, [*place, *where]), f"{rule.name}: {'.'.join(map(str, where))}", message)
        if rule.name in known:
            other = known[rule.name][1]
            self._fault(path, at, rule.name, f"a rule of this name is in {other.path}, line {other.line}, too")
            return
        known[rule.name] = (rule, Origin(path, at, shipped))

    def _others(self, data: dict[Any, Any], tree: Any, path: str, *, shipped: bool) -> None:
        """What a file has besides rules."""
        for key in data:
            if key not in File.model_fields or (shipped and key != "rules"):
                why = f"unknown key{suggest(str(key), File.model_fields)}" if not shipped else "is for files of rules.d"
                self._fault(path, line(tree, [key]), str(key), why)
        for key in ("enable", "disable"):
            names = [data[key]] if isinstance(data.get(key), str) else data.get(key) or []
            if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
                self._fault(path, line(tree, [key]), key, "want names of shipped rules")
            elif not shipped:
                for number, name in enumerate(names):
                    fault = Fault(path, line(tree, [key, number]), key, name)
                    self._switches.append((name, key == "enable", fault))

    def book(self) -> Book:
        """All, with own rules in the place of shipped ones."""
        chosen = {name: self._settled(rule, origin) for name, (rule, origin) in self._shipped.items()}
        for pattern, _on, fault in self._switches:
            if not any(fnmatchcase(name, pattern) for name in self._shipped):
                known = suggest(pattern, self._shipped)
                self.faults.append(replace(fault, message=f"there is no shipped rule {pattern}{known}"))
        for name, (rule, origin) in self._own.items():
            before = self._shipped.get(name)
            chosen[name] = (rule, replace(origin, replaces=before[1].path if before else ""))
        return Book(
            ordered(rule for rule, _origin in chosen.values()),
            {name: origin for name, (_rule, origin) in chosen.items()},
        )

    def _settled(self, rule: Rule, origin: Origin) -> tuple[Rule, Origin]:
        """A shipped rule proposes until somebody switches it on or off; the last word counts."""
        mode: Mode = "propose" if rule.mode == "active" else rule.mode
        enabled = False
        for pattern, on, _fault in self._switches:
            if fnmatchcase(rule.name, pattern):
                mode, enabled = ("active", True) if on else ("off", False)
        return rule.model_copy(update={"mode": mode}), replace(origin, enabled=enabled)

    def _fault(self, path: str, number: int, where: str, message: str) -> None:
        self.faults.append(Fault(path, number, where, message))


def _told(name: str, error: Any) -> tuple[str, str]:
    """Where in the rule, and what."""
    location = error["loc"]
    message = " ".join(error["msg"].removeprefix("Value error, ").split())
    if error["type"] == "extra_forbidden":
        above = next((str(part) for part in reversed(location[:-1]) if isinstance(part, str)), "")
        model = _PARTS.get(above, Rule)
        known = {field.alias or key for key, field in model.model_fields.items()}
        message = f"unknown key{suggest(str(location[-1]), known)}"
    key = ".".join(str(part) for part in location)
    return f"{name}: {key}" if key else name, f"{message[:1].lower()}{message[1:]}"


def _owned(path: Path, home: Path) -> None:
    """What others can write is no rule: rules start runs."""
    found = path.stat()
    if found.st_uid not in (0, home.stat().st_uid):
        raise ConfigError(
            f"{path.name} belongs to uid {found.st_uid}, not to the owner of {home.name}; that one must write it"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path.name} can be written by others than its owner; run chmod go-w on it")
