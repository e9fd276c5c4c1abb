# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source: the alerts that ``opsctl alert serve`` on this machine has taken in, from all of its sources."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
---
short_description: Alerts that opsctl has taken in
description:
  - Tells the alerts in the inbox of C(opsctl alert serve) on this machine, whatever source they came from, each when
    it comes and when it has gone. The inbox is only read.
  - An event has one key, C(alert), which holds C(id), C(source), C(kind), C(key), C(state) (V(firing) or V(resolved)),
    C(name), C(trigger), C(host), C(address), C(groups), C(stack), C(tags) (a mapping), C(severity)
    (V(not_classified), V(information), V(warning), V(average), V(high) or V(disaster)), C(started), C(received),
    C(resolved), C(acknowledged), C(suppressed), C(url) and C(count).
options:
  home:
    description: The directory of opsctl's state. E(OPSCTL_HOME) counts where it is not set.
    type: path
  interval:
    description: Seconds between two looks.
    type: float
    default: 0.5
  begin:
    description:
      - Where to begin. V(firing) tells what is wrong when the source starts, V(now) only what changes afterwards.
    type: str
    choices: [firing, now]
    default: firing
  sources:
    description: Alerts of these sources only, by the names they are configured with.
    type: list
    elements: str
  suppressed:
    description: Also alerts that their source keeps quiet about, as in a maintenance.
    type: bool
    default: false
"""

EXAMPLES = r"""
- opsctl.cloud.opsctl_alerts:
    sources: [zabbix]
"""

SCHEMA = 1
"""The version of the inbox that is understood."""
MOST = 500
"""Alerts of one look."""
KEPT = 50_000
"""Alerts whose last state is remembered."""
WAIT = 5.0
"""Seconds until a busy database is given up for this look."""
_OUT = ("data", "change")

log = logging.getLogger("opsctl.cloud.opsctl_alerts")


class Wrong(ValueError):
    """What is set cannot work, and will not by itself."""


def place(args: Mapping[str, Any]) -> Path:
    """The file of the inbox."""
    named = args.get("home") or os.environ.get("OPSCTL_HOME")
    if named:
        return Path(str(named)).expanduser() / "alerts.db"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "opsctl" / "alerts.db"


class Inbox:
    """What has changed in an inbox since the last look."""

    def __init__(self, path: Path, args: Mapping[str, Any]) -> None:
        self.path = path
        self.sources = [str(name) for name in args.get("sources") or ()]
        self.suppressed = str(args.get("suppressed", False)).lower() in {"true", "yes", "1", "on"}
        self.begin = str(args.get("begin") or "firing")
        if self.begin not in {"firing", "now"}:
            raise Wrong("opsctl.cloud.opsctl_alerts: begin must be firing or now")
        self.cursor: int | None = None
        self.told: dict[str, str] = {}
        """The states that were told last, of the newest alerts."""

    def look(self) -> list[dict[str, Any]]:
        """Rows of alerts that may have to be told, in the order of their changes."""
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT)) as base:
            base.row_factory = sqlite3.Row
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA:
                raise Wrong(f"{self.path} has schema {version}, not {SCHEMA}; use the collection of that opsctl")
            last = base.execute("SELECT coalesce(max(change), 0) FROM alerts").fetchone()[0]
            if self.cursor is None or last < self.cursor:  # the second: somebody began a new inbox
                return self._first(base, last)
            rows = base.execute("SELECT * FROM alerts WHERE change > ? ORDER BY change LIMIT ?", (self.cursor, MOST))
            return [dict(row) for row in rows]

    def _first(self, base: sqlite3.Connection, last: int) -> list[dict[str, Any]]:
        rows = []
        if self.begin == "firing":
            rows = [dict(row) for row in base.execute("SELECT * FROM alerts WHERE state = 'firing' ORDER BY change")]
        self.cursor = last
        return rows

    def event(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The event of a row; none if its state was told already, or nobody wants it."""
        self.cursor = max(self.cursor or 0, row["change"])
        key, state = row["id"], row["state"]
        wanted = not self.sources or row["source"] in self.sources
        if not wanted or self.told.get(key) == state or (row["suppressed"] and not self.suppressed):
            return None
        self.told.pop(key, None)
        self.told[key] = state
        if len(self.told) > KEPT:
            del self.told[next(iter(self.told))]
        alert = {name: value for name, value in row.items() if name not in _OUT}
        alert["groups"], alert["tags"] = json.loads(row["groups"]), json.loads(row["tags"])
        alert["acknowledged"], alert["suppressed"] = bool(row["acknowledged"]), bool(row["suppressed"])
        return {"alert": alert}


def pause(args: Mapping[str, Any]) -> float:
    """Seconds between two looks."""
    try:
        found = float(args.get("interval", 0.5))
    except (TypeError, ValueError):
        found = 0
    if not 0.05 <= found <= 3600:
        raise Wrong("opsctl.cloud.opsctl_alerts: interval must be a number from 0.05 to 3600")
    return found


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """What ansible-rulebook starts."""
    known = {"home", "interval", "begin", "sources", "suppressed", "eda_feedback_queue"}
    if unknown := sorted(set(args) - known):
        raise Wrong(f"opsctl.cloud.opsctl_alerts: unknown option {unknown[0]}")
    inbox = Inbox(place(args), args)
    interval = pause(args)
    trouble = "" if inbox.path.exists() else "it is not there yet"
    if trouble:
        log.warning("The inbox %s cannot be read: %s; start `opsctl alert serve`", inbox.path, trouble)
    while True:
        try:
            rows = await asyncio.to_thread(inbox.look)
            for row in rows:
                if event := inbox.event(row):
                    await queue.put(event)
            if trouble and inbox.path.exists():
                log.warning("The inbox %s can be read", inbox.path)
                trouble = ""
        except sqlite3.Error as error:
            if not trouble:
                log.warning("The inbox %s cannot be read: %s", inbox.path, error)
            trouble, rows = str(error), []
        if len(rows) < MOST:
            await asyncio.sleep(interval)
