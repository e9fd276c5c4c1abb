"""What the record of a run says that its journal does not: who, what, of which kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import select

from opsctl.db.engine import Database
from opsctl.db.schema import runs

_AT_ONCE = 500


def about(database: Database) -> Callable[[Iterable[str]], Mapping[str, Mapping[str, str]]]:
    """Looks up user, kind and content of runs by their ids; runs nobody knows are left out."""

    def found(ids: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        wanted = sorted(set(ids))
        rows: dict[str, Mapping[str, str]] = {}
        with database.read() as connection:
            for first in range(0, len(wanted), _AT_ONCE):
                part = wanted[first : first + _AT_ONCE]
                query = select(runs.c.id, runs.c.requester, runs.c.kind, runs.c.content).where(runs.c.id.in_(part))
                for run, requester, kind, content in connection.execute(query):
                    rows[run] = {"user": json.loads(requester).get("name", ""), "kind": kind, "content": content}
        return rows

    return found
