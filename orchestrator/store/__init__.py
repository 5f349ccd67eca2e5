"""What outlives a process: plans, revisions, inventory, leases and the audit chain, on SQLite or PostgreSQL.

Callers: release flow, engine, drift, status and history commands (never at start-up: SQLAlchemy is imported here).
Non-goals: deciding anything; reading clouds; the journal of running work, which DBOS keeps in tables of its own in
the same database.
"""

from orchestrator.store.audit import AuditBreak
from orchestrator.store.clock import SystemClock
from orchestrator.store.keeper import LeaseKeeper
from orchestrator.store.open import open_store
from orchestrator.store.store import Store
from orchestrator.store.values import AuditEntry, Lease, Record, RecordState, Scope

__all__ = [
    "AuditBreak",
    "AuditEntry",
    "Lease",
    "LeaseKeeper",
    "Record",
    "RecordState",
    "Scope",
    "Store",
    "SystemClock",
    "open_store",
]
