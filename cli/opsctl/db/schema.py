"""Tables of opsctl.db as the code sees them; `migrations/` makes them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, MetaData, Table, Text

HEAD = "0004"
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
    Column("spec", Text),
    Column("parent", Text),
)
"""One row a run. JSON: requester, parameters (secrets masked), targets, options, recap, result, owner, spec."""

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

locks = Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("shared", Boolean, nullable=False),
    Column("since", Text, nullable=False),
)
"""What runs hold while they change it: `host:ADDRESS`, `stack:CLOUD/NAME`."""

policy = Table(
    "policy",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("time", Text, nullable=False),
)
"""Entries of kind `group`, `role`, `grant`, `freeze`, `window`; the body is JSON of what would stand in policy.yml."""

approvals = Table(
    "approvals",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("plan_hash", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("expires", Text, nullable=False),
    Column("decided", Text),
    Column("body", Text, nullable=False),
)
"""One row for each run that waits or waited."""

votes = Table(
    "votes",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("uid", Integer, primary_key=True),
    Column("login", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("time", Text, nullable=False),
)
"""What each approver said; one vote a person. `login`: who uses the account, where that is somebody else."""

notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Text, nullable=False),
    Column("error", Text),
)
"""Messages to people that wait for delivery, were delivered, or could not be."""
