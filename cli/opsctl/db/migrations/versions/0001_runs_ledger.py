"""Runs and the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the two tables and the indexes that look-ups need."""
    text = [
        (name, False)
        for name in (
            "kind",
            "content",
            "action",
            "cloud",
            "requester",
            "reason",
            "parameters",
            "targets",
            "options",
            "digest",
            "plan_hash",
            "status",
            "created",
        )
    ]
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=nullable) for name, nullable in text),
        sa.Column("started", sa.Text),
        sa.Column("finished", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.Column("message", sa.Text),
        sa.Column("recap", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("owner", sa.Text, nullable=False),
    )
    op.create_index("runs_status", "runs", ["status"])
    op.create_table(
        "ledger",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("ledger_run", "ledger", ["run_id"])


def downgrade() -> None:
    """An audit ledger is not undone."""
    raise NotImplementedError("The ledger cannot be migrated back; restore a backup of OPSCTL_HOME instead")
