"""Nothing in; the tables of the newest ledger out. A change here needs a migration, which a test demands."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

from caesura.ledger.columns import Dollars, Facts, Moment, Plain, Short, Strings

ID = Short(36)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the ledger itself: the secret that tokens are signed with."""

revision = Table(
    "revision",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""Counts up whenever keys or projects change; who caches them asks this row only."""

projects = Table(
    "projects",
    metadata,
    Column("project_id", ID, primary_key=True),
    Column("name", Plain, nullable=False),
    Column("created", Moment, nullable=False),
    Column("deleted", Moment),
    Column("concurrency_limit", Integer),
    Column("spent", Dollars, nullable=False, server_default="0"),
    Column("obeys_credits", Integer, nullable=False, server_default="0"),
)
"""`spent` is the sum of `usd` over the project's requests, kept in the transaction that writes them."""

credits_table = Table(
    "credits",
    metadata,
    Column("balance_id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.project_id"), nullable=False, index=True),
    Column("amount", Dollars, nullable=False),
    Column("note", Plain, nullable=False),
    Column("created", Moment, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("api_key_id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.project_id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("comment", Plain, nullable=False),
    Column("scopes", Strings, nullable=False),
    Column("tags", Strings, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked", Moment),
)

servers = Table(
    "servers",
    metadata,
    Column("server_id", ID, primary_key=True),
    Column("place", Plain, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", BigInteger),
    Column("started", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
)
"""Who writes here, and when they were last alive."""

requests = Table(
    "requests",
    metadata,
    Column("request_id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.project_id"), nullable=False),
    # A key given by flag is in no table, so this refers to none.
    Column("api_key_id", ID),
    Column("tags", Strings, nullable=False),
    Column("model_uuid", ID, nullable=False),
    Column("model_name", Plain, nullable=False),
    Column("created", Moment, nullable=False),
    Column("completed", Moment),
    Column("path", Plain, nullable=False),
    Column("endpoint", Short(16), nullable=False),
    Column("method", Short(16), nullable=False),
    Column("deployment", Short(16), nullable=False),
    Column("code", Integer, nullable=False),
    Column("outcome", Short(16), nullable=False),
    Column("audio_seconds", Float(53), nullable=False),
    Column("channels", Integer, nullable=False),
    Column("billed_seconds", Float(53), nullable=False),
    Column("connection_seconds", Float(53), nullable=False),
    Column("paused_seconds", Float(53), nullable=False),
    Column("keepalive_count", Integer, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("close_code", Integer),
    Column("close_reason", Plain, nullable=False),
    Column("features", Strings, nullable=False),
    Column("config", Facts, nullable=False),
    Column("callback", Plain),
    Column("usd", Dollars, nullable=False),
    Column("saved_usd", Dollars, nullable=False),
    Column("server_id", ID, nullable=False),
    Index(None, "project_id", "created"),
    Index(None, "outcome", "server_id"),
)
"""One row for each request: what it used, never what was said."""
