"""Migration 3: adds the places that each server has taken of the limits of projects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; servers fill it as they admit requests."""
    op.create_table(
        "places",
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("server_id", sa.String(36), nullable=False),
        sa.Column("live", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "server_id", name="pk_places"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"], name="fk_places_project_id"),
    )
