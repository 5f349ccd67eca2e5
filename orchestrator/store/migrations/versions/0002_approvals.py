"""Approvals asked for and given, and the people who may give them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duoyun_approval_request",
        sa.Column("fleet", sa.Text(), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("plan_sha256", sa.String(64), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("asked_at_s", sa.Double(), nullable=False),
        sa.Column("until_s", sa.Double(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_sha256"], ["duoyun_plan.sha256"], name="fk_duoyun_approval_request_plan_sha256"),
        sa.PrimaryKeyConstraint("fleet", "application", "hash", name="pk_duoyun_approval_request"),
    )
    op.create_table(
        "duoyun_approval_decision",
        sa.Column("fleet", sa.Text(), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fleet", "application", "hash", "person", name="pk_duoyun_approval_decision"),
    )
    op.create_table(
        "duoyun_roster",
        sa.Column("fleet", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("since_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("fleet", name="pk_duoyun_roster"),
    )
