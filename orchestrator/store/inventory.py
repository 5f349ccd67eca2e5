"""What of the clouds is ours, as last applied, and how it was last seen. Callers: engine (under its lease), observe,
reconcile's caller, status, drift.

Writes that a release makes need its lease's token and are audited; observations need neither, as they change nothing
that a release relies on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from model.codec import canonical, resource_from_data
from model.resources import Address, Ownership
from orchestrator.store.audit import Audit
from orchestrator.store.database import Database
from orchestrator.store.leases import Leases
from orchestrator.store.tables import inventory as table
from orchestrator.store.together import Together
from orchestrator.store.values import Record, RecordState, Scope

_KEY = ("fleet", "application", "address")
_GET = sa.select(table).where(*(table.c[name] == sa.bindparam(f"of_{name}") for name in _KEY))


class Inventory:
    def __init__(self, db: Database, audit: Audit, leases: Leases) -> None:
        self._db, self._audit, self._leases = db, audit, leases
        self._together = Together(db)
        self._upserts: dict[frozenset[str], Any] = {}

    def put(self, scope: Scope, token: int, record: Record) -> None:
        """Writes the record over what was there, and what changed into the audit chain. Raises LeaseLost.

        created_at_s and updated_at_s are set here; LIVE also sets last_sync_at_s and clears the failures.
        """
        now_s = self._db.clock.now_s()
        values = _values(record) | {"updated_at_s": now_s}
        if record.state is RecordState.LIVE:
            values |= {"last_sync_at_s": now_s, "consecutive_failures": 0}

        def write(conn: sa.Connection) -> None:
            holder = self._leases.fence(conn, scope, token)
            row = {"fleet": scope.fleet, "application": scope.application, "created_at_s": now_s, **values}
            conn.execute(self._upsert(frozenset(values)), row)
            self._tell(conn, scope, holder, f"resource_{record.state}", now_s, record, token)

        self._together.run(write)

    def _upsert(self, names: frozenset[str]) -> Any:
        """INSERT ... ON CONFLICT DO UPDATE of those columns, built once: that costs more than running it."""
        if (found := self._upserts.get(names)) is None:
            insert = self._db.insert(table)
            changed = {name: insert.excluded[name] for name in sorted(names) if name not in _KEY}
            found = insert.on_conflict_do_update(index_elements=[table.c[name] for name in _KEY], set_=changed)
            self._upserts[names] = found
        return found

    def remove(self, scope: Scope, token: int, address: Address, *, revision: int, action_id: str = "") -> None:
        """Forgets a resource that is gone, or that we no longer own. Raises LeaseLost."""
        now_s = self._db.clock.now_s()
        with self._db.write() as conn:
            holder = self._leases.fence(conn, scope, token)
            found = conn.execute(
                sa.delete(table).where(*_at(scope, address)).returning(table.c.provider_id)
            ).one_or_none()
            if found is None:
                return
            data = {
                "address": str(address), "provider_id": found.provider_id, "revision": revision, "action": action_id,
                "token": token,
            }  # fmt: skip
            self._audit.append(conn, str(scope), at_s=now_s, actor=holder, kind="resource_removed", data=data)

    def get(self, scope: Scope, address: Address) -> Record | None:
        with self._db.read() as conn:
            row = conn.execute(_GET, _place(scope, address)).one_or_none()
        return _record(row) if row is not None else None

    def list(self, scope: Scope, *, service: str | None = None) -> tuple[Record, ...]:
        """Sorted by address; of one service where one is given."""
        query = sa.select(table).where(table.c.fleet == scope.fleet, table.c.application == scope.application)
        if service is not None:
            query = query.where(table.c.service == service)
        with self._db.read() as conn:
            rows = conn.execute(query.order_by(table.c.address)).all()
        return tuple(map(_record, rows))

    def private_ips(self, scope: Scope) -> dict[Address, tuple[str, str]]:
        """What has a private address: address -> (service, private IP). Cheap: reads no desired state."""
        query = sa.select(table.c.address, table.c.service, table.c.private_ip).where(
            table.c.fleet == scope.fleet, table.c.application == scope.application, table.c.private_ip != ""
        )
        with self._db.read() as conn:
            return {Address.parse(r.address): (r.service, r.private_ip) for r in conn.execute(query)}

    def owners(self, address: Address) -> tuple[Scope, ...]:
        """Which applications' inventories hold the address: more than one is shared, none is not ours."""
        with self._db.read() as conn:
            rows = conn.execute(sa.select(table.c.fleet, table.c.application).where(table.c.address == str(address)))
            return tuple(sorted(Scope(r.fleet, r.application) for r in rows))

    def observed(self, scope: Scope, address: Address, observed_hash: str, *, at_s: float) -> None:
        """The resource was seen; observed_hash is of what was seen, in the words of config_hash."""
        self.observed_all(scope, {address: observed_hash}, at_s=at_s)

    def not_observed(self, scope: Scope, address: Address) -> None:
        """It could not be looked at, or applying it failed: one more failure in a row."""
        self.observed_all(scope, {address: None}, at_s=0.0)

    def observed_all(self, scope: Scope, seen: Mapping[Address, str | None], *, at_s: float) -> None:
        """What a whole scan saw, in one transaction: hash by address, None for what could not be looked at."""
        with self._db.write() as conn:
            for address, observed_hash in seen.items():
                values: dict[str, Any] = {"consecutive_failures": table.c.consecutive_failures + 1}
                if observed_hash is not None:
                    values = {"observed_hash": observed_hash, "last_sync_at_s": at_s, "consecutive_failures": 0}
                conn.execute(sa.update(table).where(*_at(scope, address)).values(**values))

    def _tell(
        self, conn: sa.Connection, scope: Scope, holder: str, kind: str, now_s: float, record: Record, token: int
    ) -> None:
        data = {
            "address": str(record.address), "provider_id": record.provider_id, "config_hash": record.config_hash,
            "ownership": str(record.ownership), "revision": record.revision, "action": record.action_id,
            "token": token,
        }  # fmt: skip
        self._audit.append(conn, str(scope), at_s=now_s, actor=holder, kind=kind, data=data)


def _at(scope: Scope, address: Address) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.fleet == scope.fleet,
        table.c.application == scope.application,
        table.c.address == str(address),
    )


def _place(scope: Scope, address: Address) -> dict[str, str]:
    """Parameters of _GET."""
    return {"of_fleet": scope.fleet, "of_application": scope.application, "of_address": str(address)}


def _values(record: Record) -> dict[str, Any]:
    return {
        "address": str(record.address),
        "state": str(record.state),
        "ownership": str(record.ownership),
        "desired": canonical(record.desired),
        "config_hash": record.config_hash,
        "observed_hash": record.observed_hash,
        "provider_id": record.provider_id,
        "endpoints": canonical(list(record.endpoints)),
        "private_ip": record.private_ip,
        "public_ip": record.public_ip,
        "service": record.service,
        "site": record.site,
        "revision": record.revision,
        "action_id": record.action_id,
        "last_sync_at_s": record.last_sync_at_s,
        "consecutive_failures": record.consecutive_failures,
    }


def _record(row: sa.Row[Any]) -> Record:
    return Record(
        address=Address.parse(row.address),
        desired=resource_from_data(json.loads(row.desired)),
        state=RecordState(row.state),
        revision=row.revision,
        ownership=Ownership(row.ownership),
        action_id=row.action_id,
        provider_id=row.provider_id,
        config_hash=row.config_hash,
        observed_hash=row.observed_hash,
        service=row.service,
        site=row.site,
        endpoints=tuple(json.loads(row.endpoints)),
        private_ip=row.private_ip,
        public_ip=row.public_ip,
        created_at_s=row.created_at_s,
        updated_at_s=row.updated_at_s,
        last_sync_at_s=row.last_sync_at_s,
        consecutive_failures=row.consecutive_failures,
    )
