"""Tables of the ledger in their newest version; a change here needs a migration, which a test checks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

from caesura.ledger.columns import Dollars, JsonObject, SafeText, ShortText, StringList, Timestamp

ID = ShortText(36)

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
"""Settings of the ledger itself, such as the secret that tokens are signed with."""

revision = Table(
    "revision",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""One row whose number is incremented whenever keys or projects change; caches of them poll only this row."""

projects = Table(
    "projects",
    metadata,
    Column("project_id", ID, primary_key=True),
    Column("name", SafeText, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("deleted", Timestamp),
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
    Column("note", SafeText, nullable=False),
    Column("created", Timestamp, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("api_key_id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.project_id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("comment", SafeText, nullable=False),
    Column("scopes", StringList, nullable=False),
    Column("tags", StringList, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("expires", Timestamp),
    Column("revoked", Timestamp),
)

servers = Table(
    "servers",
    metadata,
    Column("server_id", ID, primary_key=True),
    Column("place", SafeText, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", BigInteger),
    Column("started", Timestamp, nullable=False),
    Column("seen", Timestamp, nullable=False),
)
"""Servers that write this ledger, with the time of their last heartbeat."""

places = Table(
    "places",
    metadata,
    Column("project_id", ID, ForeignKey("projects.project_id"), primary_key=True),
    # Not a foreign key: a server that was removed as dead by mistake takes its places before it registers again.
    Column("server_id", ID, primary_key=True),
    Column("live", Integer, nullable=False),
)
"""How many requests of a project with a concurrency limit each server has open or has just admitted, if any."""

requests = Table(
    "requests",
    metadata,
    Column("request_id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.project_id"), nullable=False),
    # Not a foreign key, since keys given by flag are in no table.
    Column("api_key_id", ID),
    Column("tags", StringList, nullable=False),
    Column("model_uuid", ID, nullable=False),
    Column("model_name", SafeText, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("completed", Timestamp),
    Column("path", SafeText, nullable=False),
    Column("endpoint", ShortText(16), nullable=False),
    Column("method", ShortText(16), nullable=False),
    Column("deployment", ShortText(16), nullable=False),
    Column("code", Integer, nullable=False),
    Column("outcome", ShortText(16), nullable=False),
    Column("audio_seconds", Float(53), nullable=False),
    Column("channels", Integer, nullable=False),
    Column("billed_seconds", Float(53), nullable=False),
    Column("connection_seconds", Float(53), nullable=False),
    Column("paused_seconds", Float(53), nullable=False),
    Column("keepalive_count", Integer, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("close_code", Integer),
    Column("close_reason", SafeText, nullable=False),
    Column("features", StringList, nullable=False),
    Column("config", JsonObject, nullable=False),
    Column("callback", SafeText),
    Column("usd", Dollars, nullable=False),
    Column("saved_usd", Dollars, nullable=False),
    Column("server_id", ID, nullable=False),
    Index(None, "project_id", "created"),
    Index(None, "outcome", "server_id"),
)
"""One row for each request: its usage, but never its transcript."""
