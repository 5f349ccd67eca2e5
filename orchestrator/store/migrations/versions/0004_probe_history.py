"""What probes learned of targets, from each vantage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duoyun_probe_history",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("vantage", sa.Text(), nullable=False),
        sa.Column("times_us", sa.Text(), nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("target", "vantage", name="pk_duoyun_probe_history"),
    )
    op.create_index("ix_duoyun_probe_history_at_s", "duoyun_probe_history", ["at_s"])
