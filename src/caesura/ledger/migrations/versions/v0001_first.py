"""Migration 1: creates the tables of projects, keys, servers and requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(24)


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "meta",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "revision",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_revision"),
    )
    op.create_table(
        "projects",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("deleted", MOMENT),
        sa.Column("concurrency_limit", sa.Integer),
        sa.PrimaryKeyConstraint("project_id", name="pk_projects"),
    )
    _keys()
    op.create_table(
        "servers",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("process_started", sa.BigInteger),
        sa.Column("started", MOMENT, nullable=False),
        sa.Column("seen", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("server_id", name="pk_servers"),
    )
    _requests()


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("api_key_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT),
        sa.Column("revoked", MOMENT),
        sa.PrimaryKeyConstraint("api_key_id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"], name="fk_keys_project_id"),
    )
    op.create_index("ix_keys_project_id", "keys", ["project_id"])


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("api_key_id", ID),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("model_uuid", ID, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("completed", MOMENT),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("endpoint", sa.String(16), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("deployment", sa.String(16), nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("audio_seconds", sa.Float(53), nullable=False),
        sa.Column("channels", sa.Integer, nullable=False),
        sa.Column("billed_seconds", sa.Float(53), nullable=False),
        sa.Column("connection_seconds", sa.Float(53), nullable=False),
        sa.Column("paused_seconds", sa.Float(53), nullable=False),
        sa.Column("keepalive_count", sa.Integer, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("close_code", sa.Integer),
        sa.Column("close_reason", sa.Text, nullable=False),
        sa.Column("features", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("callback", sa.Text),
        sa.Column("usd", sa.BigInteger, nullable=False),
        sa.Column("saved_usd", sa.BigInteger, nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_requests"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"], name="fk_requests_project_id"),
    )
    op.create_index("ix_requests_project_id_created", "requests", ["project_id", "created"])
    op.create_index("ix_requests_outcome_server_id", "requests", ["outcome", "server_id"])
