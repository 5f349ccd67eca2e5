"""The audit trail: append-only hash chains, one per scope, each entry written with the change that it tells of.

Callers: the store's other modules (append, inside their transaction), history and audit commands (entries, verify).
An entry's hash is SHA-256 over its canonical JSON, which holds the previous entry's hash (a linked time stamp after
Haber and Stornetta, "How to Time-Stamp a Digital Document", 1991). A separate head row makes a cut-off end visible.
Non-goals: resisting somebody who rewrites the whole database, for which the head's hash has to be kept elsewhere too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from model.codec import canonical
from orchestrator.store.database import Database
from orchestrator.store.tables import audit, audit_head
from orchestrator.store.values import AuditEntry

GENESIS = "0" * 64

# Built once: a release appends hundreds of entries, and building a statement costs more than running it.
_HEAD = (
    sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.chain == sa.bindparam("chain")).with_for_update()
)
_ADD = sa.insert(audit)
_MOVE_HEAD = (
    sa.update(audit_head)
    .where(audit_head.c.chain == sa.bindparam("of_chain"))
    .values(seq=sa.bindparam("to_seq"), hash=sa.bindparam("to_hash"))
)


@dataclass(frozen=True, slots=True)
class AuditBreak:
    """The first place where a chain does not hold. seq: that entry's number."""

    chain: str
    seq: int
    why: str


class Audit:
    """Chains by name; a scope's chain is str(scope)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def append(
        self, conn: sa.Connection, chain: str, *, at_s: float, actor: str, kind: str, data: Mapping[str, Any]
    ) -> AuditEntry:
        """Adds one entry inside the caller's transaction; concurrent writers of a chain wait for one another.

        data: plain values, never secrets. Call it last in a transaction: it locks the chain until the commit.
        """
        last, previous = self._locked_head(conn, chain)
        seq = last + 1
        text = canonical(
            {"chain": chain, "seq": seq, "at_s": at_s, "actor": actor, "kind": kind, "data": data, "previous": previous}
        )
        hashed = _hash(text)
        conn.execute(_ADD, {"chain": chain, "seq": seq, "entry": text, "hash": hashed})
        conn.execute(_MOVE_HEAD, {"of_chain": chain, "to_seq": seq, "to_hash": hashed})
        return AuditEntry(chain, seq, at_s, actor, kind, data, previous, hashed)

    def _locked_head(self, conn: sa.Connection, chain: str) -> tuple[int, str]:
        """Number and hash of the chain's last entry, locked until the commit."""
        head = conn.execute(_HEAD, {"chain": chain}).one_or_none()
        if head is None:
            first = self._db.insert(audit_head).values(chain=chain, seq=0, hash=GENESIS)
            conn.execute(first.on_conflict_do_nothing(index_elements=[audit_head.c.chain]))
            head = conn.execute(_HEAD, {"chain": chain}).one()
        return int(head.seq), str(head.hash)

    def entries(self, chain: str, *, after_seq: int = 0, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """In order, after_seq excluded."""
        with self._db.read() as conn:
            rows = conn.execute(
                sa.select(audit.c.entry, audit.c.hash)
                .where(audit.c.chain == chain, audit.c.seq > after_seq)
                .order_by(audit.c.seq)
                .limit(limit)
            ).all()
        return tuple(AuditEntry(**json.loads(row.entry), hash=row.hash) for row in rows)

    def verify(self, chain: str) -> AuditBreak | None:
        """None where the chain holds from its first entry to its head, else its first broken place."""
        expected, previous = 1, GENESIS
        with self._db.read() as conn:
            head = conn.execute(
                sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.chain == chain)
            ).one_or_none()
            links = sa.select(audit.c.seq, audit.c.entry, audit.c.hash).where(audit.c.chain == chain)
            if head is not None:
                # On PostgreSQL, entries may be added between the two statements; they are for the next run.
                links = links.where(audit.c.seq <= head.seq)
            for row in conn.execute(links.order_by(audit.c.seq)):
                why = _broken(chain, row, expected, previous)
                if why:
                    return AuditBreak(chain, expected, why)
                expected, previous = expected + 1, row.hash
        if head is None:
            return AuditBreak(chain, 1, "the chain has lost its head") if expected > 1 else None
        if (head.seq, head.hash) != (expected - 1, previous):
            return AuditBreak(chain, expected, f"the chain ends at {expected - 1}, its head says {head.seq}")
        return None


def _broken(chain: str, row: Any, expected: int, previous: str) -> str:
    """Why this row is not the next link; empty where it is."""
    if row.seq != expected:
        return f"entry {expected} is missing"
    if _hash(row.entry) != row.hash:
        return "the entry was changed after it was written"
    told = json.loads(row.entry)
    if (told["chain"], told["seq"], told["previous"]) != (chain, expected, previous):
        return "the entry does not follow the one before it"
    return ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
