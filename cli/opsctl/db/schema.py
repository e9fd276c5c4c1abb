"""Tables of opsctl.db as the code sees them; `migrations/` makes them."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, Text

HEAD = "0001"
"""The migration this code needs; the newest file in `migrations/versions/`."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("cloud", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("targets", Text, nullable=False),
    Column("options", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("started", Text),
    Column("finished", Text),
    Column("exit_code", Integer),
    Column("message", Text),
    Column("recap", Text),
    Column("result", Text),
    Column("owner", Text, nullable=False),
)
"""One row a run. JSON: requester, parameters (secrets masked), targets, options, recap, result, owner."""

ledger = Table(
    "ledger",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""The audit records. `body` is what is hashed; the columns before it repeat parts of it for look-ups."""
