"""Groups, roles, grants, freezes and windows that are kept in the database, as they are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from opsctl.db.engine import opened
from opsctl.db.schema import policy
from opsctl.policy.read import gathered


def data(home: Path) -> dict[str, Any]:
    """All of them in the shape of the file; nothing when the home has no database yet.

    Raises:
        StoreError: it cannot be read.
    """
    return gathered([(row["kind"], row["name"], row["body"]) for row in listed(home)])


def listed(home: Path) -> list[dict[str, Any]]:
    """All of them in their order: kind, name, body, author, time."""
    if not (home / "opsctl.db").exists():
        return []
    with opened(home).read() as connection:
        return rows(connection)


def rows(connection: Connection) -> list[dict[str, Any]]:
    """As `listed`, within a transaction."""
    columns = (policy.c.kind, policy.c.name, policy.c.body, policy.c.author, policy.c.time)
    found = connection.execute(select(*columns).order_by(policy.c.position)).all()
    return [{**row._mapping, "body": json.loads(row.body), "author": json.loads(row.author)} for row in found]


def shape(connection: Connection) -> dict[str, Any]:
    """As `data`, within a transaction."""
    return gathered([(row["kind"], row["name"], row["body"]) for row in rows(connection)])
