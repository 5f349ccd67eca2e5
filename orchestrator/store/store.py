"""The store as one value with its parts. Callers: commands, through open_store."""

from __future__ import annotations

from types import TracebackType

from orchestrator.store.approvals import Approvals
from orchestrator.store.audit import Audit
from orchestrator.store.database import Database
from orchestrator.store.inventory import Inventory
from orchestrator.store.leases import Leases
from orchestrator.store.plans import Plans
from orchestrator.store.probe_history import ProbeHistory
from orchestrator.store.revisions import Revisions


class Store:
    """plans, revisions, approvals, inventory, leases, audit and what probes learned, over one database.

    Thread-safe; close() when done.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self.audit = Audit(db)
        self.leases = Leases(db, self.audit)
        self.plans = Plans(db)
        self.revisions = Revisions(db, self.audit, self.leases)
        self.approvals = Approvals(db, self.audit)
        self.inventory = Inventory(db, self.audit, self.leases)
        self.probes = ProbeHistory(db)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()
