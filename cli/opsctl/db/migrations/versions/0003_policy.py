"""Grants, groups and roles that are kept here rather than in policy.yml."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """One table; an entry's body is what would stand in the file."""
    op.create_table(
        "policy",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """An audit ledger is not undone."""
    raise NotImplementedError("The ledger cannot be migrated back; restore a backup of OPSCTL_HOME instead")
