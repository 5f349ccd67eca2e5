"""Alembic's entry: runs the migrations on the connection that open.py hands in, in its transaction.

Non-goals: connecting by itself; tables that are not ours (DBOS lives in the same database).
"""

from __future__ import annotations

from typing import Any

from alembic import context

from orchestrator.store.tables import PREFIX, VERSION_TABLE, metadata


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether autogenerate may look at it."""
    return kind != "table" or (name or "").startswith(PREFIX)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=ours,
    compare_type=True,
)
context.run_migrations()
