"""A connection in; tables of the newest version behind it out. The steps lie beside this file and ship with it."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from caesura.errors import UsageError

_LOCK = 0x0CAE_5074
"""The number of PostgreSQL's advisory lock that one who migrates holds."""


def upgrade(connection: Connection, where: str, *, to: str = "head") -> bool:
    """Bring the tables up to version `to` within the transaction that `connection` is in; whether anything changed.

    The transaction must be one that writes: SQLite's lock is that transaction, PostgreSQL's is asked for here.

    Raises:
        UsageError: They are of a version that this Caesura does not know.
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
