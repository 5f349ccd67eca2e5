"""Fenced leases: at most one holder per scope, and every holder has a larger token than all before it.

Callers: commands that change something; the keeper renews. A write under an old token is refused by `fence`, inside
the transaction that it would belong to (fencing: M. Kleppmann, "How to do distributed locking", 2016). Time is the
database's (Database.now_s), so hosts with different clocks agree.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from model.errors import LeaseHeld, LeaseLost
from orchestrator.store.audit import Audit
from orchestrator.store.database import Database
from orchestrator.store.tables import lease as table
from orchestrator.store.values import Lease, Scope

# Built once: every write of a release asks it, and building a statement costs more than running it.
_FENCE: Final[sa.Select[tuple[int, str | None, float, float]]] = (
    sa.select(table.c.token, table.c.holder, table.c.since_s, table.c.until_s)
    .where(table.c.fleet == sa.bindparam("of_fleet"), table.c.application == sa.bindparam("of_application"))
    .with_for_update(read=True)
)


class Leases:
    def __init__(self, db: Database, audit: Audit) -> None:
        self._db = db
        self._audit = audit

    def acquire(self, scope: Scope, holder: str, ttl_s: float) -> Lease:
        """The lease, with a token above all earlier ones. holder: who, for people (user@host, pid).

        Raises LeaseHeld, naming holder, since when and until when, while another holder's lease is valid. An expired
        one is taken over.
        """
        asked_at_s = self._db.clock.monotonic_s()
        with self._db.write() as conn:
            conn.execute(
                self._db.insert(table)
                .values(
                    fleet=scope.fleet, application=scope.application, token=0, holder=None, since_s=0.0, until_s=0.0
                )
                .on_conflict_do_nothing(index_elements=[table.c.fleet, table.c.application])
            )
            row = conn.execute(_row(scope).with_for_update()).one()
            now_s = self._db.now_s(conn)
            if row.holder is not None and row.until_s > now_s:
                raise _held(scope, row)
            lease = Lease(scope, int(row.token) + 1, holder, now_s, now_s + ttl_s, ttl_s, asked_at_s)
            self._set(conn, scope, token=lease.token, holder=holder, since_s=now_s, until_s=lease.until_s)
            data = {"token": lease.token, "taken_over_from": row.holder or ""}
            self._audit.append(conn, str(scope), at_s=now_s, actor=holder, kind="lease_acquired", data=data)
        return lease

    def renew(self, lease: Lease) -> Lease:
        """The same lease until ttl_s from now. Raises LeaseLost where it expired or was taken."""
        asked_at_s = self._db.clock.monotonic_s()
        with self._db.write() as conn:
            row = conn.execute(_row(lease.scope).with_for_update()).one_or_none()
            now_s = self._db.now_s(conn)
            if row is None or row.token != lease.token or row.holder is None:
                raise _lost(lease, row)
            if row.until_s <= now_s:
                raise _lost(lease, row)
            self._set(conn, lease.scope, until_s=now_s + lease.ttl_s)
        return replace(lease, until_s=now_s + lease.ttl_s, asked_at_s=asked_at_s)

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost where the lease expired or was taken. Reads only."""
        with self._db.read() as conn:
            row = conn.execute(_row(lease.scope)).one_or_none()
            if row is None or row.token != lease.token or row.holder is None or row.until_s <= self._db.now_s(conn):
                raise _lost(lease, row)

    def release(self, lease: Lease) -> None:
        """Gives it back. Nothing happens where it is no longer ours."""
        with self._db.write() as conn:
            row = conn.execute(_row(lease.scope).with_for_update()).one_or_none()
            if row is None or row.token != lease.token or row.holder is None:
                return
            now_s = self._db.now_s(conn)
            self._set(conn, lease.scope, holder=None, until_s=now_s)
            data = {"token": lease.token}
            self._audit.append(conn, str(lease.scope), at_s=now_s, actor=lease.holder, kind="lease_released", data=data)

    def unlock(self, scope: Scope, actor: str, *, token: int | None = None) -> Lease | None:
        """Takes the lease away from whoever holds it, and returns what it was; None where nobody held it.

        token: only from the holder with that token. Who saw a dead holder may come second, after another one who saw
        it too and works under a lease of its own by now.

        The old holder's token is void from now on: its next write is refused.
        """
        with self._db.write() as conn:
            row = conn.execute(_row(scope).with_for_update()).one_or_none()
            if row is None or row.holder is None or token not in (None, row.token):
                return None
            now_s = self._db.now_s(conn)
            self._set(conn, scope, token=int(row.token) + 1, holder=None, until_s=now_s)
            data = {"token": int(row.token), "holder": row.holder, "until_s": row.until_s}
            self._audit.append(conn, str(scope), at_s=now_s, actor=actor, kind="lease_unlocked", data=data)
            return Lease(scope, int(row.token), row.holder, row.since_s, row.until_s, 0.0)

    def current(self, scope: Scope) -> Lease | None:
        """Who holds it now; None where nobody does, or the lease has expired."""
        with self._db.read() as conn:
            row = conn.execute(_row(scope)).one_or_none()
            if row is None or row.holder is None or row.until_s <= self._db.now_s(conn):
                return None
            return Lease(scope, int(row.token), row.holder, row.since_s, row.until_s, 0.0)

    def fence(self, conn: sa.Connection, scope: Scope, token: int) -> str:
        """Inside a write's transaction: raises LeaseLost unless token is the newest and not given back.

        Returns the holder. An expired lease that nobody took is still good here: recording what was done harms nobody.
        The row stays share-locked until the commit, so a takeover waits for the write, never overtakes it.
        """
        row = conn.execute(_FENCE, {"of_fleet": scope.fleet, "of_application": scope.application}).one_or_none()
        if row is None or row.token != token or row.holder is None:
            raise _lost(Lease(scope, token, "", 0.0, 0.0, 0.0), row)
        return str(row.holder)

    def _set(self, conn: sa.Connection, scope: Scope, **values: object) -> None:
        conn.execute(
            sa.update(table)
            .where(table.c.fleet == scope.fleet, table.c.application == scope.application)
            .values(**values)
        )


def _row(scope: Scope) -> sa.Select[tuple[int, str | None, float, float]]:
    return sa.select(table.c.token, table.c.holder, table.c.since_s, table.c.until_s).where(
        table.c.fleet == scope.fleet, table.c.application == scope.application
    )


def _held(scope: Scope, row: sa.Row[tuple[int, str | None, float, float]]) -> LeaseHeld:
    return LeaseHeld(
        f"{scope.application} on {scope.fleet} is being changed by {row.holder}, "
        f"since {_utc(row.since_s)}, until {_utc(row.until_s)} or later",
        detail=f"holder {row.holder}; token {row.token}; since {_utc(row.since_s)}; lease ends {_utc(row.until_s)} "
        "unless it is renewed",
        mend="wait for it; if that process is gone, its lease ends by itself, or `duoyun unlock` ends it now",
        address=str(scope),
    )


def _lost(lease: Lease, row: sa.Row[tuple[int, str | None, float, float]] | None) -> LeaseLost:
    if row is None or row.holder is None:
        what = "it was given back or unlocked"
    elif row.token != lease.token:
        what = f"{row.holder} took it at {_utc(row.since_s)} (token {row.token}, ours was {lease.token})"
    else:
        what = f"it ended at {_utc(row.until_s)} without being renewed in time"
    return LeaseLost(
        f"{lease.scope.application} on {lease.scope.fleet}: this process no longer holds the lease: {what}",
        mend="nothing more was changed; `duoyun status` shows who goes on, `duoyun resume` takes it up again",
        address=str(lease.scope),
    )


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
