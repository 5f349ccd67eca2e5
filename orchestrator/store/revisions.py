"""Releases, numbered from 1 per scope. Callers: release flow (under its lease), history, status, rollback.

Number, plan, actor and start never change; the state does, under the lease, and the audit chain tells each change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from model.codec import canonical
from model.errors import InvalidInput, PlanStale
from model.plan import Revision, RevisionState
from orchestrator.store.audit import Audit
from orchestrator.store.database import Database
from orchestrator.store.leases import Leases
from orchestrator.store.tables import revision as table
from orchestrator.store.values import Scope

UNFINISHED = (RevisionState.RUNNING, RevisionState.INTERRUPTED)


class Revisions:
    def __init__(self, db: Database, audit: Audit, leases: Leases) -> None:
        self._db, self._audit, self._leases = db, audit, leases

    def start(
        self,
        scope: Scope,
        token: int,
        *,
        plan_sha256: str,
        actor: str,
        message: str = "",
        images: Mapping[str, str] | None = None,
        rollback_of: int | None = None,
        expected_latest: int | None = None,
    ) -> Revision:
        """The next revision, RUNNING. plan_sha256: of a saved plan. images: service -> image with digest.

        Whatever a dead process left RUNNING gets its verdict in the same transaction, since nobody will resume it any
        more: INTERRUPTED, or FAILED where this is the roll-back of it. Raises LeaseLost; PlanStale where
        expected_latest (Plan.base_revision) is given and no longer the newest.
        """
        now_s = self._db.clock.now_s()
        with self._db.write() as conn:
            self._leases.fence(conn, scope, token)
            latest = conn.execute(_of(scope, sa.func.max(table.c.number))).scalar() or 0
            if expected_latest is not None and expected_latest != latest:
                raise PlanStale(
                    f"the plan was made against revision {expected_latest}; meanwhile there is revision {latest}",
                    mend="plan again",
                    address=str(scope),
                )
            running = _of(scope, table.c.number).where(table.c.state == str(RevisionState.RUNNING))
            for left in conn.execute(running).scalars().all():
                verdict = RevisionState.FAILED if left == rollback_of else RevisionState.INTERRUPTED
                self._move(conn, scope, token, left, verdict, now_s=now_s, actor=actor)
            conn.execute(
                sa.insert(table).values(
                    fleet=scope.fleet,
                    application=scope.application,
                    number=latest + 1,
                    state=str(RevisionState.RUNNING),
                    plan_sha256=plan_sha256,
                    started_at_s=now_s,
                    ended_at_s=None,
                    actor=actor,
                    message=message,
                    images=canonical(dict(images or {})),
                    rollback_of=rollback_of,
                    token=token,
                )
            )
            data = {"revision": latest + 1, "plan": plan_sha256, "token": token, "rollback_of": rollback_of}
            self._audit.append(conn, str(scope), at_s=now_s, actor=actor, kind="revision_started", data=data)
        return self.get(scope, latest + 1)

    def set_state(
        self,
        scope: Scope,
        token: int,
        number: int,
        state: RevisionState,
        *,
        actor: str,
        message: str | None = None,
        rolled_back: int | None = None,
    ) -> Revision:
        """Moves a revision on. DEPLOYED and DESTROYED turn the one deployed before into SUPERSEDED, in one transaction.

        rolled_back: the revision that this one has undone; it becomes ROLLED_BACK in the same transaction. Raises
        LeaseLost (token is not the newest), InvalidInput (no such revision).
        """
        now_s = self._db.clock.now_s()
        with self._db.write() as conn:
            self._leases.fence(conn, scope, token)
            if state in (RevisionState.DEPLOYED, RevisionState.DESTROYED):
                conn.execute(
                    _change(scope)
                    .where(table.c.state == str(RevisionState.DEPLOYED), table.c.number != number)
                    .values(state=str(RevisionState.SUPERSEDED))
                )
            more = {} if message is None else {"message": message}
            self._move(conn, scope, token, number, state, now_s=now_s, actor=actor, **more)
            if rolled_back is not None:
                self._move(conn, scope, token, rolled_back, RevisionState.ROLLED_BACK, now_s=now_s, actor=actor)
        return self.get(scope, number)

    def _move(
        self,
        conn: sa.Connection,
        scope: Scope,
        token: int,
        number: int,
        state: RevisionState,
        *,
        now_s: float,
        actor: str,
        **more: str,
    ) -> None:
        before = conn.execute(_of(scope, table.c.state).where(table.c.number == number)).scalar_one_or_none()
        if before is None:
            raise _unknown(scope, number)
        ended_at_s = None if state is RevisionState.RUNNING else now_s
        values: dict[str, Any] = {"state": str(state), "ended_at_s": ended_at_s, "token": token, **more}
        conn.execute(_change(scope).where(table.c.number == number).values(**values))
        data = {"revision": number, "before": before, "after": str(state), "token": token}
        self._audit.append(conn, str(scope), at_s=now_s, actor=actor, kind="revision_state", data=data)

    def get(self, scope: Scope, number: int) -> Revision:
        """Raises InvalidInput where there is none of that number."""
        found = self._first(_of(scope, *table.c).where(table.c.number == number))
        if found is None:
            raise _unknown(scope, number)
        return found

    def list(self, scope: Scope, *, limit: int = 50) -> tuple[Revision, ...]:
        """Newest first."""
        with self._db.read() as conn:
            rows = conn.execute(_of(scope, *table.c).order_by(table.c.number.desc()).limit(limit)).all()
        return tuple(map(_revision, rows))

    def latest(self, scope: Scope) -> Revision | None:
        """The newest, whatever became of it; None before the first."""
        return self._first(_of(scope, *table.c).order_by(table.c.number.desc()))

    def latest_number(self, scope: Scope) -> int:
        """0 before the first: Plan.base_revision of a plan that is made now."""
        newest = self.latest(scope)
        return newest.number if newest else 0

    def latest_deployed(self, scope: Scope) -> Revision | None:
        """What runs now, as far as releases decide it."""
        return self._first(
            _of(scope, *table.c).where(table.c.state == str(RevisionState.DEPLOYED)).order_by(table.c.number.desc())
        )

    def unfinished(self, scope: Scope) -> Revision | None:
        """The newest revision where it is RUNNING or INTERRUPTED: what `resume` goes on with."""
        newest = self.latest(scope)
        return newest if newest is not None and newest.state in UNFINISHED else None

    def scopes(self) -> tuple[Scope, ...]:
        """Every fleet and application that ever had a release."""
        with self._db.read() as conn:
            rows = conn.execute(sa.select(table.c.fleet, table.c.application).distinct()).all()
        return tuple(sorted(Scope(r.fleet, r.application) for r in rows))

    def _first(self, query: sa.Select[Any]) -> Revision | None:
        with self._db.read() as conn:
            row = conn.execute(query.limit(1)).one_or_none()
        return _revision(row) if row is not None else None


def _of(scope: Scope, *columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).where(table.c.fleet == scope.fleet, table.c.application == scope.application)


def _change(scope: Scope) -> sa.Update:
    return sa.update(table).where(table.c.fleet == scope.fleet, table.c.application == scope.application)


def _unknown(scope: Scope, number: int) -> InvalidInput:
    return InvalidInput((), summary=f"{scope} has no revision {number}; `duoyun history` lists those it has")


def _revision(row: sa.Row[Any]) -> Revision:
    return Revision(
        application=row.application,
        number=row.number,
        state=RevisionState(row.state),
        plan_sha256=row.plan_sha256,
        started_at_s=row.started_at_s,
        ended_at_s=row.ended_at_s,
        actor=row.actor,
        message=row.message,
        images=json.loads(row.images),
        rollback_of=row.rollback_of,
    )
