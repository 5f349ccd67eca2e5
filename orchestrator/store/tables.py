"""The store's own tables. DBOS keeps its tables beside them (PostgreSQL: schema `dbos`); migrations leave those alone.

Times are seconds since the epoch; JSON is canonical text, so that what was hashed is what is read back.
"""

from __future__ import annotations

import sqlalchemy as sa

PREFIX = "duoyun_"
VERSION_TABLE = f"{PREFIX}schema_version"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_SECONDS: sa.Double[float] = sa.Double()

meta = sa.Table(
    f"{PREFIX}meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

plan = sa.Table(
    f"{PREFIX}plan",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("fleet", sa.Text, nullable=False),
    sa.Column("application", sa.Text, nullable=False),
    sa.Column("saved_at_s", _SECONDS, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

revision = sa.Table(
    f"{PREFIX}revision",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("application", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("plan_sha256", sa.String(64), sa.ForeignKey(plan.c.sha256), nullable=False),
    sa.Column("started_at_s", _SECONDS, nullable=False),
    sa.Column("ended_at_s", _SECONDS),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("images", sa.Text, nullable=False),
    sa.Column("rollback_of", sa.Integer),
    sa.Column("token", sa.BigInteger, nullable=False),
)

inventory = sa.Table(
    f"{PREFIX}inventory",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("application", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("ownership", sa.String(16), nullable=False),
    sa.Column("desired", sa.Text, nullable=False),
    sa.Column("config_hash", sa.String(64), nullable=False),
    sa.Column("observed_hash", sa.String(64)),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("endpoints", sa.Text, nullable=False),
    sa.Column("private_ip", sa.Text, nullable=False),
    sa.Column("public_ip", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("site", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("action_id", sa.Text, nullable=False),
    sa.Column("created_at_s", _SECONDS, nullable=False),
    sa.Column("updated_at_s", _SECONDS, nullable=False),
    sa.Column("last_sync_at_s", _SECONDS),
    sa.Column("consecutive_failures", sa.Integer, nullable=False),
)

lease = sa.Table(
    f"{PREFIX}lease",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("application", sa.Text, primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text),  # null: nobody holds it
    sa.Column("since_s", _SECONDS, nullable=False),
    sa.Column("until_s", _SECONDS, nullable=False),
)

audit = sa.Table(
    f"{PREFIX}audit",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

audit_head = sa.Table(
    f"{PREFIX}audit_head",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

approval_request = sa.Table(
    f"{PREFIX}approval_request",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("application", sa.Text, primary_key=True),
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("plan_sha256", sa.String(64), sa.ForeignKey(plan.c.sha256), nullable=False),
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("asked_at_s", _SECONDS, nullable=False),
    sa.Column("until_s", _SECONDS, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
)

approval_decision = sa.Table(
    f"{PREFIX}approval_decision",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("application", sa.Text, primary_key=True),
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("at_s", _SECONDS, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
)

roster = sa.Table(
    f"{PREFIX}roster",
    metadata,
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("since_s", _SECONDS, nullable=False),
)

probe_history = sa.Table(
    f"{PREFIX}probe_history",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("vantage", sa.Text, primary_key=True),
    sa.Column("times_us", sa.Text, nullable=False),  # whole microseconds, oldest first, a space between
    sa.Column("outcomes", sa.Text, nullable=False),
    sa.Column("at_s", _SECONDS, nullable=False, index=True),
)
