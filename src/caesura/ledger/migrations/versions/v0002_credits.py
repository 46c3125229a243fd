"""Migration 2: adds the credits of projects, and how much each project has spent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add table and columns, and sum what was spent so far."""
    op.create_table(
        "credits",
        sa.Column("balance_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("balance_id", name="pk_credits"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"], name="fk_credits_project_id"),
    )
    op.create_index("ix_credits_project_id", "credits", ["project_id"])
    op.add_column("projects", sa.Column("spent", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("projects", sa.Column("obeys_credits", sa.Integer, nullable=False, server_default="0"))
    op.execute(
        "UPDATE projects SET spent = "
        "(SELECT COALESCE(SUM(usd), 0) FROM requests WHERE requests.project_id = projects.project_id)"
    )
