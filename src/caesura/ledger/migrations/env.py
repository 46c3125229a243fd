"""Alembic's environment: runs the migrations on the connection, and in the transaction, of the caller."""

from __future__ import annotations

from alembic import context

from caesura.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # On SQLite too: our connections begin their transactions themselves, so each migration is atomic.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
