"""Approvals, the votes on them, and the notices that still have to be delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Three tables."""
    op.create_table(
        "approvals",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("plan_hash", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("needed", sa.Integer, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("expires", sa.Text, nullable=False),
        sa.Column("decided", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("approvals_plan", "approvals", ["plan_hash"])
    op.create_table(
        "votes",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("uid", sa.Integer, primary_key=True),
        sa.Column("login", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index("notices_status", "notices", ["status", "due"])


def downgrade() -> None:
    """An audit ledger is not undone."""
    raise NotImplementedError("The ledger cannot be migrated back; restore a backup of OPSCTL_HOME instead")
