"""The values that the store takes and gives. Callers: everything that uses the store; imports no SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from model.codec import digest
from model.plan import Plan
from model.resources import Address, AnyResource, Observed, Ownership


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One application on one fleet: what a lease covers, and what revisions are counted in."""

    fleet: str
    application: str

    def __str__(self) -> str:
        return f"{self.fleet}/{self.application}"

    @classmethod
    def of(cls, plan: Plan) -> Scope:
        return cls(plan.fleet, plan.application)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change a scope. token grows with every holder; a write under a smaller one is refused.

    since_s, until_s: seconds since the epoch by the database's clock (SQLite: this machine's). asked_at_s: monotonic
    second just before it was asked for; local validity counts from there, so it never outlasts the database's.
    """

    scope: Scope
    token: int
    holder: str
    since_s: float
    until_s: float
    ttl_s: float
    asked_at_s: float = 0.0


class RecordState(StrEnum):
    """creating is written before the cloud call, so that whatever it leaves behind can always be found.

    updating: what was asked for may be there already, and was not seen to become ready; whoever goes on waits for it.
    """

    CREATING = "creating"
    UPDATING = "updating"
    LIVE = "live"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What we know of one resource of ours.

    desired: as last asked for. revision and action_id: which release last touched it. endpoints, private_ip and
    public_ip: as the cloud answered when it became ready. observed_hash: of the last observation, None before one.
    last_sync_at_s: when it was last seen to be as recorded or was applied; consecutive_failures: observations or
    applications that failed since then.
    """

    address: Address
    desired: AnyResource
    state: RecordState
    revision: int
    ownership: Ownership = Ownership.OWN
    action_id: str = ""
    provider_id: str = ""
    config_hash: str = ""
    observed_hash: str | None = None
    service: str = ""
    site: str = ""
    endpoints: tuple[str, ...] = ()
    private_ip: str = ""
    public_ip: str = ""
    created_at_s: float = 0.0
    updated_at_s: float = 0.0
    last_sync_at_s: float | None = None
    consecutive_failures: int = 0

    @classmethod
    def live(cls, address: Address, observed: Observed, desired: AnyResource, *, revision: int, **known: Any) -> Record:
        """The record of a resource that the cloud says is ready. known: action_id, ownership, service, site."""
        return cls(
            address=address,
            desired=desired,
            state=RecordState.LIVE,
            revision=revision,
            provider_id=observed.provider_id,
            config_hash=digest(desired),
            endpoints=observed.endpoints,
            private_ip=observed.private_ip,
            public_ip=observed.public_ip,
            **known,
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One link of a chain. hash covers everything else in it, the previous link's hash included."""

    chain: str
    seq: int
    at_s: float
    actor: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    previous: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """Somebody wants to carry a plan out. hash: of what it will do (approvals.subject). requester: as proven, or as
    claimed (`user@host`). until_s: when it, and every approval given to it, lapses."""

    scope: Scope
    hash: str
    plan_sha256: str
    requester: str
    asked_at_s: float
    until_s: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One person's word on a request; the last one counts. evidence: the proof of who it was, to verify it again."""

    person: str
    approved: bool
    at_s: float
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
