"""Migration of the ledger's tables by Alembic; the steps are in `migrations/` and ship with the package."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from caesura.errors import UsageError

_LOCK = 0x0CAE_5074
"""Id of the PostgreSQL advisory lock that is held during a migration."""


def upgrade(connection: Connection, where: str, *, to: str = "head") -> bool:
    """Migrate the tables to version `to` in the current transaction; returns whether anything changed.

    It must be a write transaction, which in SQLite is the lock; in PostgreSQL an advisory lock is taken here.

    Raises:
        UsageError: The tables have a version that this version of Caesura does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config(connection)
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise UsageError(
            f"the ledger at {where} was written by a newer Caesura (version {present} of its tables; "
            f"this one knows {known[0]}): upgrade Caesura, or name another by --database"
        )
    if present == (known[0] if to == "head" else to):
        return False
    command.upgrade(config, to)
    return True


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "caesura.ledger:migrations")
    config.attributes["connection"] = connection
    return config
