"""Alembic's entry: run the wanted migrations on the connection the caller opened."""

from __future__ import annotations

from alembic import context

from opsctl.db.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
