# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What events have been told already, so that nobody tells them twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import dialect
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import NotFound
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import MESSAGE, SEVERITIES, update


@dataclass(frozen=True)
class Story:
    """An event as people left it."""

    event_id: str
    acknowledged: bool
    severity: int
    open: bool
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What shall be so. ``severity`` ``None`` = as it is."""

    message: str = ""
    acknowledge: bool = False
    close: bool = False
    severity: int | None = None

    def __post_init__(self) -> None:
        if len(self.message) > MESSAGE:
            raise Invalid(f"The message has {len(self.message)} characters; Zabbix takes {MESSAGE}")


def stories(zabbix: Zabbix, event_ids: Iterable[str]) -> list[Story]:
    """These events. Raises :class:`~.errors.NotFound`, naming those that Zabbix does not show."""
    wanted = list(dict.fromkeys(event_ids))
    if not wanted:
        return []
    asked = {
        "output": ["eventid", "acknowledged", "severity", "r_eventid"],
        "eventids": wanted,
        dialect.acknowledges(zabbix.version): ["message"],
    }
    rows = {str(row["eventid"]): row for row in zabbix.call("event.get", asked)}
    missing = [one for one in wanted if one not in rows]
    if missing:
        raise NotFound(f"Zabbix has no event {', '.join(missing)}, or does not show it to us")
    return [
        Story(
            event_id=one,
            acknowledged=str(rows[one]["acknowledged"]) == "1",
            severity=int(rows[one]["severity"]),
            open=str(rows[one].get("r_eventid") or "0") == "0",
            messages=tuple(str(said["message"]) for said in rows[one].get("acknowledges") or [] if said["message"]),
        )
        for one in wanted
    ]


def left(story: Story, wish: Wish) -> Wish:
    """What of the wish is not so yet: of an event that ended, neither end nor severity can be changed."""
    return Wish(
        message="" if wish.message in story.messages else wish.message,
        acknowledge=wish.acknowledge and not story.acknowledged,
        close=wish.close and story.open,
        severity=None if wish.severity == story.severity or not story.open else wish.severity,
    )


def fulfil(zabbix: Zabbix, found: Iterable[Story], wish: Wish, check: bool) -> Change:
    """Do what is left of the wish for each event, in one call for all that need the same."""
    groups: dict[Wish, list[Story]] = {}
    for story in found:
        groups.setdefault(left(story, wish), []).append(story)
    groups.pop(Wish(), None)
    if not check:
        for todo, members in groups.items():
            ids = [story.event_id for story in members]
            update(
                zabbix,
                ids,
                message=todo.message,
                acknowledge=todo.acknowledge,
                close=todo.close,
                severity=todo.severity,
            )
    changed = [(story, todo) for todo, members in groups.items() for story in members]
    return Change(
        before={story.event_id: _before(story, todo) for story, todo in changed},
        after={story.event_id: _after(todo) for story, todo in changed},
    )


def _before(story: Story, todo: Wish) -> dict[str, object]:
    full = {"acknowledged": story.acknowledged, "open": story.open, "severity": SEVERITIES[story.severity]}
    return {key: value for key, value in full.items() if key in _after(todo)}


def _after(todo: Wish) -> dict[str, object]:
    shown: dict[str, object] = {}
    if todo.acknowledge:
        shown["acknowledged"] = True
    if todo.close:
        shown["open"] = False
    if todo.severity is not None:
        shown["severity"] = SEVERITIES[todo.severity]
    if todo.message:
        shown["message"] = todo.message
    return shown
