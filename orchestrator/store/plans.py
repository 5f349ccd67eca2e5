"""Plans by the SHA-256 of their canonical JSON: saved once, never changed. Callers: release flow, engine, history."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa

from model.codec import canonical, from_data
from model.errors import InvalidInput, StoreTooNew
from model.plan import SCHEMA_VERSION, Plan
from orchestrator.store.database import Database
from orchestrator.store.errors import StoreDamaged
from orchestrator.store.tables import plan as table


class Plans:
    def __init__(self, db: Database) -> None:
        self._db = db

    def save(self, plan: Plan) -> str:
        """Its hash (model.codec.digest). Saving the same plan again changes nothing."""
        body = canonical(plan)
        sha256 = hashlib.sha256(body.encode()).hexdigest()
        with self._db.write() as conn:
            conn.execute(
                self._db.insert(table)
                .values(
                    sha256=sha256,
                    fleet=plan.fleet,
                    application=plan.application,
                    saved_at_s=self._db.clock.now_s(),
                    body=body,
                )
                .on_conflict_do_nothing(index_elements=[table.c.sha256])
            )
        return sha256

    def load(self, sha256: str) -> Plan:
        """Raises InvalidInput (no such plan), StoreTooNew (a newer duoyun's plan), StoreDamaged (it was changed)."""
        with self._db.read() as conn:
            body = conn.execute(sa.select(table.c.body).where(table.c.sha256 == sha256)).scalar_one_or_none()
        if body is None:
            raise InvalidInput(
                (), summary=f"the state holds no plan {sha256[:12]}; `duoyun history` lists those it has"
            )
        if hashlib.sha256(body.encode()).hexdigest() != sha256:
            raise StoreDamaged(
                f"{self._db.where}: plan {sha256[:12]} is not what was saved", mend="restore the state from a backup"
            )
        data = json.loads(body)
        if data.get("schema_version", 0) > SCHEMA_VERSION:
            raise StoreTooNew(
                f"plan {sha256[:12]} has schema version {data['schema_version']}; "
                f"this program knows up to {SCHEMA_VERSION}",
                mend="use the duoyun version that made it, or a later one",
            )
        return from_data(data, Plan)
