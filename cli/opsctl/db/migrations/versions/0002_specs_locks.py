"""What a run is built from again, which run it repeats, and which hosts are being changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Two columns and a table."""
    op.add_column("runs", sa.Column("spec", sa.Text))
    op.add_column("runs", sa.Column("parent", sa.Text))
    op.create_table(
        "locks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
    )
    op.create_index("locks_run", "locks", ["run_id"])


def downgrade() -> None:
    """An audit ledger is not undone."""
    raise NotImplementedError("The ledger cannot be migrated back; restore a backup of OPSCTL_HOME instead")
