"""Tables of alerts.db, and how it is opened. One version number for all of them."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

from opsctl.db.engine import Database
from opsctl.errors import StoreError

VERSION = 1
"""Of the tables below."""

metadata = MetaData()

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("stack", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("resolved", Text, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("suppressed", Boolean, nullable=False),
    Column("url", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Column("change", Integer, nullable=False, unique=True),
    UniqueConstraint("source", "key"),
    Index("alerts_state", "state", "source"),
    Index("alerts_host", "host", "received"),
    Index("alerts_received", "received"),
)
"""One row a problem. JSON: groups, tags, data. `change` grows with every change of any row."""

remediations = Table(
    "remediations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("parent", Text),
    Column("state", Text, nullable=False),
    Column("run_id", Text),
    Column("verdict", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("updated", Text, nullable=False),
    Column("until", Text),
    Column("result", Text),
    UniqueConstraint("alert_id", "rule", "attempt"),
    Index("remediations_state", "state"),
    Index("remediations_created", "created"),
)
"""One row an attempt of a rule at an alert: the unique index is the claim. JSON: verdict, result."""

steps = Table(
    "steps",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("remediation_id", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("steps_remediation", "remediation_id", "seq"),
    sqlite_autoincrement=True,
)
"""The story of each remediation; only added to. JSON: data."""

silences = Table(
    "silences",
    metadata,
    Column("name", Text, primary_key=True),
    Column("hosts", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("remediation_id", Text, nullable=False),
)
"""What monitoring was told to keep quiet about, so that it can be given back. JSON: hosts."""

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""How far each reader of something got; `change` is the last number given to an alert."""

signatures = Table(
    "signatures",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("until", Integer, nullable=False),
    Index("signatures_until", "until"),
)
"""Signed messages that were taken and are not taken again, until (seconds since the epoch) they are too old anyway."""


def opened(home: Path) -> Database:
    """The alerts.db of this home, made when missing.

    Raises:
        StoreError: it cannot be opened, or a newer opsctl wrote it.
    """
    database = Database(home / "alerts.db", lasting=True)
    if database.path.exists() and _version(database) == VERSION:
        return database
    with database.write() as connection:
        # Another process may have made it since.
        if connection.exec_driver_sql("PRAGMA user_version").scalar() != VERSION:
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
    os.chmod(database.path, 0o600)  # noqa: PTH101
    return database


def _version(database: Database) -> int:
    with database.read() as connection:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)
    if version > VERSION:
        raise StoreError(f"Cannot use {database.path}: a newer opsctl wrote it (schema {version}); update this one")
    return version
