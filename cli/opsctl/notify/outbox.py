"""The notices table: put in together with what they tell of, kept until delivered or given up."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from opsctl.clock import now, seconds, stamp, uuid7
from opsctl.db.engine import Database
from opsctl.db.schema import notices
from opsctl.notify.config import Notify
from opsctl.notify.message import Message, written

LEASE = 60
"""Seconds after which another process takes over a notice that was being sent."""

_WAITS = (2, 5, 15, 60, 300, 900, 1800)
"""Seconds between attempts."""

_KEPT = 30 * 86400
"""Seconds for which delivered notices are remembered."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message on one channel."""

    id: str
    created: str
    channel: str
    event: str
    message: Message
    status: str
    """`pending`, `sending`, `delivered` or `failed`."""
    attempts: int
    due: str
    error: str | None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "created": self.created,
            "channel": self.channel,
            "event": self.event,
            "run": self.message.data.get("run"),
            "title": self.message.title,
            "status": self.status,
            "attempts": self.attempts,
            "due": self.due if self.status in ("pending", "sending") else None,
            "error": self.error,
        }


def enqueue(connection: Connection, notify: Notify, event: str, data: Mapping[str, Any]) -> int:
    """Put a notice for each channel that gets this event into the transaction; how many."""
    time = now()
    rows = []
    for channel in notify.meant(event):
        message = written(uuid7(), event, time, data, channel.language or notify.language)
        body = json.dumps(message.plain(), ensure_ascii=True, default=str)
        rows.append(
            {
                "id": message.id,
                "created": time,
                "channel": channel.name,
                "event": event,
                "body": body,
                "status": "pending",
                "attempts": 0,
                "due": time,
                "error": None,
            }
        )
    if rows:
        connection.execute(insert(notices), rows)
    return len(rows)


def wait(attempts: int, asked: float = 0) -> float:
    """Seconds until the next attempt after so many, spread so that not all come at once."""
    base = _WAITS[min(attempts, len(_WAITS)) - 1]
    return max(asked, base * random.uniform(0.8, 1.2))  # noqa: S311 - no secret hangs on it


class Outbox:
    """The table, for the one who delivers."""

    def __init__(self, database: Database) -> None:
        """Of this database."""
        self._database = database

    def take(self, most: int = 20) -> list[Notice]:
        """Notices that are due, the oldest first; they are this process's for `LEASE` seconds."""
        due = or_(notices.c.status == "pending", notices.c.status == "sending") & (notices.c.due <= now())
        with self._database.read() as connection:
            if connection.execute(select(notices.c.id).where(due).limit(1)).first() is None:
                return []
        lease = stamp(time.time() + LEASE)
        with self._database.write() as connection:
            rows = connection.execute(select(notices).where(due).order_by(notices.c.id).limit(most)).mappings().all()
            taken = [_notice({**row, "attempts": row["attempts"] + 1, "status": "sending"}) for row in rows]
            for notice in taken:
                values = {"status": "sending", "attempts": notice.attempts, "due": lease}
                connection.execute(update(notices).where(notices.c.id == notice.id).values(**values))
            old = stamp(time.time() - _KEPT)
            connection.execute(delete(notices).where(notices.c.status == "delivered", notices.c.created < old))
        return taken

    def settle(self, results: Mapping[str, tuple[Notice, str, str, float]]) -> None:
        """Write down how deliveries went: notice, new status, error, seconds to wait. By the notice's id."""
        if not results:
            return
        with self._database.write() as connection:
            for notice, status, error, delay in results.values():
                # Another process may have taken it over meanwhile: then its word counts.
                mine = (notices.c.id == notice.id) & (notices.c.status == "sending")
                connection.execute(
                    update(notices)
                    .where(mine & (notices.c.attempts == notice.attempts))
                    .values(status=status, error=error or None, due=stamp(time.time() + delay))
                )

    def next_due(self) -> float | None:
        """Seconds until there is something to deliver; None when there never will be."""
        query = select(func.min(notices.c.due)).where(notices.c.status.in_(("pending", "sending")))
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        if found is None:
            return None
        return max(0.0, seconds(found) - time.time())

    def again(self, part: str = "") -> int:
        """Make failed and waiting notices due now, with all their attempts before them; how many."""
        open_ = notices.c.status.in_(("failed", "pending"))
        chosen = open_ & or_(notices.c.id.startswith(part, autoescape=True), notices.c.channel == part)
        with self._database.write() as connection:
            query = update(notices).where(chosen if part else open_)
            return connection.execute(query.values(status="pending", attempts=0, due=now())).rowcount

    def counts(self) -> dict[str, dict[str, int]]:
        """Channel -> status -> how many."""
        query = select(notices.c.channel, notices.c.status, func.count()).group_by(notices.c.channel, notices.c.status)
        found: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            for channel, status, count in connection.execute(query):
                found.setdefault(channel, {})[status] = count
        return found

    def last(self, count: int, run: str = "") -> list[Notice]:
        """The newest first; those of one run when asked."""
        query = select(notices).order_by(notices.c.id.desc())
        if run:
            query = query.where(func.json_extract(notices.c.body, "$.data.run") == run)
        with self._database.read() as connection:
            return [_notice(row) for row in connection.execute(query.limit(count)).mappings()]


def _notice(row: Mapping[Any, Any]) -> Notice:
    values = dict(row)
    values["message"] = Message.of(json.loads(values.pop("body")))
    return Notice(**values)
