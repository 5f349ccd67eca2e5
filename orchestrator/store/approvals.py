"""Requests for approval, decisions on them, and each fleet's roster of approvers. Callers: orchestrator.approvals.flow.

Every change is told in the audit chain in the same transaction. Non-goals: deciding what asks for an approval, and
proving who somebody is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from model.codec import canonical
from orchestrator.store.audit import Audit
from orchestrator.store.database import Database
from orchestrator.store.tables import approval_decision, approval_request, roster
from orchestrator.store.values import ApprovalRequest, Decision, Scope


class Approvals:
    def __init__(self, db: Database, audit: Audit) -> None:
        self._db, self._audit = db, audit

    # -- requests --------------------------------------------------------------------------------------------------

    def ask(self, request: ApprovalRequest, *, actor: str) -> None:
        """Records a request; one of the same hash is begun anew, and what was decided on it counts no more."""
        scope = request.scope
        with self._db.write() as conn:
            conn.execute(sa.delete(approval_request).where(*_is(approval_request, scope, request.hash)))
            conn.execute(sa.delete(approval_decision).where(*_is(approval_decision, scope, request.hash)))
            conn.execute(
                sa.insert(approval_request).values(
                    fleet=scope.fleet,
                    application=scope.application,
                    hash=request.hash,
                    plan_sha256=request.plan_sha256,
                    requester=request.requester,
                    asked_at_s=request.asked_at_s,
                    until_s=request.until_s,
                    reasons=canonical(list(request.reasons)),
                )
            )
            data = {
                "hash": request.hash,
                "plan": request.plan_sha256,
                "requester": request.requester,
                "until_s": request.until_s,
                "reasons": list(request.reasons),
            }
            self._audit.append(
                conn, str(scope), at_s=request.asked_at_s, actor=actor, kind="approval_requested", data=data
            )

    def get(self, scope: Scope, subject_hash: str) -> ApprovalRequest | None:
        with self._db.read() as conn:
            row = conn.execute(
                sa.select(approval_request).where(*_is(approval_request, scope, subject_hash))
            ).one_or_none()
        return None if row is None else _request(row)

    def list(self, scope: Scope, *, limit: int = 50) -> tuple[ApprovalRequest, ...]:
        """Newest first."""
        with self._db.read() as conn:
            rows = conn.execute(
                sa.select(approval_request)
                .where(approval_request.c.fleet == scope.fleet, approval_request.c.application == scope.application)
                .order_by(approval_request.c.asked_at_s.desc())
                .limit(limit)
            ).all()
        return tuple(map(_request, rows))

    # -- decisions -------------------------------------------------------------------------------------------------

    def decide(self, scope: Scope, subject_hash: str, decision: Decision) -> None:
        """Records one person's word; an earlier one of theirs counts no more."""
        with self._db.write() as conn:
            conn.execute(
                sa.delete(approval_decision).where(
                    *_is(approval_decision, scope, subject_hash), approval_decision.c.person == decision.person
                )
            )
            conn.execute(
                sa.insert(approval_decision).values(
                    fleet=scope.fleet,
                    application=scope.application,
                    hash=subject_hash,
                    person=decision.person,
                    approved=decision.approved,
                    at_s=decision.at_s,
                    reason=decision.reason,
                    evidence=canonical(dict(decision.evidence)),
                )
            )
            kind = "approval_given" if decision.approved else "approval_rejected"
            data = {"hash": subject_hash, "reason": decision.reason, "evidence": dict(decision.evidence)}
            self._audit.append(conn, str(scope), at_s=decision.at_s, actor=decision.person, kind=kind, data=data)

    def decisions(self, scope: Scope, subject_hash: str) -> tuple[Decision, ...]:
        """In the order in which they were made."""
        with self._db.read() as conn:
            rows = conn.execute(
                sa.select(approval_decision)
                .where(*_is(approval_decision, scope, subject_hash))
                .order_by(approval_decision.c.at_s, approval_decision.c.person)
            ).all()
        return tuple(
            Decision(
                person=row.person,
                approved=bool(row.approved),
                at_s=row.at_s,
                reason=row.reason,
                evidence=json.loads(row.evidence),
            )
            for row in rows
        )

    def token_used(self, token_sha256: str) -> bool:
        """Whether a decision was already made with that token. A token proves one decision."""
        with self._db.read() as conn:
            texts = conn.execute(
                sa.select(approval_decision.c.evidence).where(approval_decision.c.evidence.contains(token_sha256))
            ).scalars()
            return any(json.loads(t).get("token_sha256") == token_sha256 for t in texts)

    # -- who may approve -------------------------------------------------------------------------------------------

    def roster(self, fleet: str) -> Mapping[str, Any] | None:
        """The people and terms that are in force, as plain data; None before the first."""
        with self._db.read() as conn:
            body = conn.execute(sa.select(roster.c.body).where(roster.c.fleet == fleet)).scalar_one_or_none()
        found: Mapping[str, Any] | None = None if body is None else json.loads(body)
        return found

    def set_roster(self, scope: Scope, body: Mapping[str, Any], *, actor: str, subject_hash: str) -> None:
        """Puts other people and terms in force. subject_hash: the plan under which that was agreed."""
        now_s = self._db.clock.now_s()
        with self._db.write() as conn:
            conn.execute(sa.delete(roster).where(roster.c.fleet == scope.fleet))
            conn.execute(sa.insert(roster).values(fleet=scope.fleet, body=canonical(dict(body)), since_s=now_s))
            data = {"hash": subject_hash, "roster": dict(body)}
            self._audit.append(conn, str(scope), at_s=now_s, actor=actor, kind="approvers_changed", data=data)


def _is(table: sa.Table, scope: Scope, subject_hash: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.fleet == scope.fleet, table.c.application == scope.application, table.c.hash == subject_hash)


def _request(row: sa.Row[Any]) -> ApprovalRequest:
    return ApprovalRequest(
        scope=Scope(row.fleet, row.application),
        hash=row.hash,
        plan_sha256=row.plan_sha256,
        requester=row.requester,
        asked_at_s=row.asked_at_s,
        until_s=row.until_s,
        reasons=tuple(json.loads(row.reasons)),
    )
