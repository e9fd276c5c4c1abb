"""What is wrong with rules beyond their shape: what they name does not exist, or would not do what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opsctl.alerts.rules.book import Book, Places
from opsctl.alerts.rules.read import gathered
from opsctl.alerts.rules.rule import Do, Rule
from opsctl.alerts.rules.yaml import Fault
from opsctl.errors import OpsctlError, suggest
from opsctl.settings import Settings

Told = tuple[str, str, bool]
"""Where in the rule, what, and whether it is a warning only."""


def lint(places: Places, settings: Settings) -> tuple[Book, list[Fault]]:
    """The rules that can be used, and all that is wrong or doubtful, in the order of files and lines."""
    book, faults = gathered(places)
    for rule in book.rules:
        origin = book.origin(rule.name)
        for where, message, warning in _rule(rule, settings):
            if warning and origin.shipped:
                # Whoever wrote it knew, and whoever reads this cannot change it.
                continue
            name = f"{rule.name}: {where}" if where else rule.name
            faults.append(Fault(origin.path, origin.line, name, message, warning))
    return book, sorted(faults, key=lambda fault: (fault.path, fault.line, fault.warning))


def _rule(rule: Rule, settings: Settings) -> Iterator[Told]:
    if rule.mode == "off":
        return
    yield from _do(rule.do, "do", set(rule.parameters), settings)
    undo = rule.on_failure.undo
    if undo is not None:
        yield from _do(undo, "on_failure.undo", set(undo.parameters), settings)
    if rule.verify.playbook:
        yield from _playbook(rule.verify.playbook, "verify.playbook")
    yield from _channels(rule.on_failure.escalate.notify, "on_failure.escalate.notify", settings)
    yield from _sources(rule, settings)
    yield from _doubts(rule)


def _do(do: Do, where: str, given: set[str], settings: Settings) -> Iterator[Told]:
    if do.cloud:
        try:
            settings.chosen(do.cloud)
        except OpsctlError as error:
            yield f"{where}.cloud", str(error), False
    for name in do.inventory:
        if not Path(name).expanduser().exists():
            yield f"{where}.inventory", f"{name} does not exist", False
        elif not Path(name).expanduser().is_absolute():
            yield f"{where}.inventory", f"{name} means another file in another directory; give a whole path", False
    if do.kind == "scenario":
        yield from _scenario(do, where, given, settings)
    elif do.kind == "playbook":
        yield from _playbook(do.playbook, f"{where}.playbook")
    elif do.kind == "notify":
        yield from _channels(do.notify, f"{where}.notify", settings)


def _scenario(do: Do, where: str, given: set[str], settings: Settings) -> Iterator[Told]:
    from opsctl.scenarios import get

    try:
        scenario = get(do.scenario, settings.scenario_path)
        scenario.playbook(do.action)
        known = scenario.parameters()
    except OpsctlError as error:
        yield where, str(error), False
        return
    for name in sorted(given - known.keys()):
        if not name.startswith("ansible_"):
            yield "parameters", f"{do.scenario} {do.action} takes no {name}{suggest(name, known)}", False


def _playbook(name: str, where: str) -> Iterator[Told]:
    from opsctl.orders.content import located

    try:
        _path, file = located(name)
    except OpsctlError as error:
        yield where, str(error), False
        return
    if file is None:
        yield where, f"{name} is in no collection that is installed", False
    elif str(file) != name and Path(name).expanduser().exists() and not Path(name).expanduser().is_absolute():
        yield where, f"{name} means another file in another directory; give a whole path", False


def _channels(names: tuple[str, ...], where: str, settings: Settings) -> Iterator[Told]:
    known = [channel.name for channel in settings.notify.channels]
    for name in names:
        if name not in known:
            yield where, f"there is no channel {name}{suggest(name, known)} in the settings", False


def _sources(rule: Rule, settings: Settings) -> Iterator[Told]:
    known = [source.name for source in settings.alerts.sources]
    for name in rule.match.source:
        plain = not any(sign in name for sign in "*?[") and not name.startswith("/")
        if plain and known and name not in known:
            yield "match.source", f"there is no source {name}{suggest(name, known)} in the settings", True


def _doubts(rule: Rule) -> Iterator[Told]:
    guards = rule.guards
    changes = rule.do.kind != "notify"
    if changes and not rule.limit:
        yield (
            "limit",
            "it is empty: all hosts of the stack count as changed, and guards.budget is asked about all",
            True,
        )
    if changes and rule.verify.problem == "ignore" and not rule.verify.playbook:
        yield "verify", "nothing checks that it helped; the run's own success is taken for it", True
    if rule.on_failure.retry >= guards.tries.most:
        yield "on_failure.retry", f"guards.tries stops it after {guards.tries.most} tries", True
    if guards.tries.within and guards.cooldown * (guards.tries.most - 1) >= guards.tries.within:
        yield "guards.tries", "with this cooldown so many tries never come within this time: it never escalates", True
    if not changes and (guards.budget or guards.silence):
        yield "guards", "a notice changes no host: budget and silence mean nothing", True
