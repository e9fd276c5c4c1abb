"""Groups, roles, grants, freezes and windows that are kept in the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from opsctl.clock import now
from opsctl.db.engine import Database, opened
from opsctl.db.schema import policy
from opsctl.policy.read import gathered

Named = tuple[str, str, Any]
"""Kind, name, body."""


def data(home: Path) -> dict[str, Any]:
    """All of them in the shape of the file; nothing when the home has no database yet.

    Raises:
        StoreError: it cannot be read.
    """
    if not (home / "opsctl.db").exists():
        return {}
    return gathered([(row["kind"], row["name"], row["body"]) for row in rows(opened(home))])


def rows(database: Database) -> list[dict[str, Any]]:
    """All of them in their order: kind, name, body, author, time."""
    query = select(policy.c.kind, policy.c.name, policy.c.body, policy.c.author, policy.c.time)
    with database.read() as connection:
        found = connection.execute(query.order_by(policy.c.position)).all()
    return [{**row._mapping, "body": json.loads(row.body), "author": json.loads(row.author)} for row in found]


def add(connection: Connection, named: Named, author: dict[str, Any]) -> None:
    """Keep one more; there must be none of this kind and name."""
    kind, name, body = named
    position = connection.execute(select(func.coalesce(func.max(policy.c.position), 0))).scalar_one()
    connection.execute(
        insert(policy).values(
            kind=kind,
            name=name,
            body=json.dumps(body, ensure_ascii=False),
            position=position + 1,
            author=json.dumps(author, ensure_ascii=False),
            time=now(),
        )
    )


def remove(connection: Connection, kind: str, name: str) -> bool:
    """Take one away; whether there was one."""
    return connection.execute(delete(policy).where(policy.c.kind == kind, policy.c.name == name)).rowcount > 0
