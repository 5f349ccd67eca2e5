"""Placement, plan, finding and revision: the values that pass between planning, gate, engine and record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from model.resources import Address, AnyResource, FieldDiff, Ownership

SCHEMA_VERSION = 1


# -- placement -------------------------------------------------------------------------------------------------


class Terms(StrEnum):
    """How a machine is come by. RESERVED: paid for already; EXISTING: a node that is there and not ours to make; SPOT:
    cheaper, and may be taken back at any time."""

    ON_DEMAND = "on_demand"
    RESERVED = "reserved"
    EXISTING = "existing"
    SPOT = "spot"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChoice:
    """count nodes of one type in a site. price_per_hour is for one node, in Cost.currency.

    node_pools: as so many node pools they are made: each has one node, the last has the rest.
    """

    site: str
    instance_type: str
    count: int
    price_per_hour: float
    assumed_price: bool
    vcpu: float
    allocatable_cpu_millicores: int
    allocatable_memory_mib: int
    dedicated_to: str = ""  # the VM service whose replicas these instances are; "" for a Kubernetes pool
    terms: Terms = Terms.ON_DEMAND
    node_pools: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """List price per hour, without discounts. assumed_share: the part of total that rests on assumptions."""

    compute_per_hour: float
    egress_per_hour: float
    assumed_share: float
    currency: str
    price_date: str

    @property
    def total_per_hour(self) -> float:
        return self.compute_per_hour + self.egress_per_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a service does not run in a site. rule: data_residency, icp, capacity, latency, cost, external, ...

    extra_cost_per_hour: of one replica there, with its parts: a machine more, and egress. caller, callee: of the call
    that would not reach.
    """

    site: str
    rule: str
    reason: str
    extra_cost_per_hour: float | None = None
    machine_per_hour: float | None = None
    egress_per_hour: float | None = None
    caller: str = ""
    callee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlacement:
    """replicas per site id, for one service, with the reasons in words.

    on_spot: those of them, per site, that the certificate puts on spot machines; sites with none are left out. nodes:
    site id -> node pool of that site (`<instance type>#<index>`) -> replicas that its nodes are to carry.
    """

    service: str
    replicas: Mapping[str, int]
    reasons: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    on_spot: Mapping[str, int] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where everything runs. lower_bound: no placement that holds all constraints costs less, per hour. warnings: what
    holds and should be known, such as pods that may find no room at run time."""

    services: tuple[ServicePlacement, ...]
    pools: tuple[PoolChoice, ...]
    cost: Cost
    lower_bound_per_hour: float
    proven_optimal: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """(cost - lower bound) / lower bound; infinite where there is no bound."""
        if self.lower_bound_per_hour <= 0:
            return float("inf") if self.cost.total_per_hour > 0 else 0.0
        return (self.cost.total_per_hour - self.lower_bound_per_hour) / self.lower_bound_per_hour


# -- actions ---------------------------------------------------------------------------------------------------


class Op(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One desired thing. depends_on: addresses that must be ready before it is created.

    service and site are set for what belongs to one service (workloads, its instances). wave: 0 for
    infrastructure, then the service's depth in the call graph (callees first). public: it answers strangers.
    """

    address: Address
    resource: AnyResource
    ownership: Ownership = Ownership.OWN
    depends_on: tuple[Address, ...] = ()
    service: str = ""
    site: str = ""
    wave: int = 0
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step of a plan. id is stable for equal content; it is also the idempotency key of the cloud call.

    desired is None for DELETE; before is what was observed, None for CREATE. depends_on names action ids.
    """

    id: str
    op: Op
    address: Address
    desired: AnyResource | None
    before: AnyResource | None
    diffs: tuple[FieldDiff, ...] = ()
    depends_on: tuple[str, ...] = ()
    service: str = ""
    site: str = ""
    wave: int = 0
    reason: str = ""


# -- policy ----------------------------------------------------------------------------------------------------


class Severity(IntEnum):
    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule at one place. position: file:line:column or an address. waived_by: a waiver's id.

    unknown: a value that the rule reads is known only after apply. fault: the rule could not be evaluated, which denies
    whatever its severity. approval: it does not deny, and asks for somebody's approval.
    """

    rule_id: str
    title: str
    severity: Severity
    address: str
    message: str
    mend: str = ""
    position: str = ""
    waived_by: str = ""
    unknown: bool = False
    fault: bool = False
    approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """Verdict of the gate. stage -> passed; findings of all stages; rules_checked over how many documents."""

    stages: Mapping[str, bool]
    findings: tuple[Finding, ...]
    rules_checked: int
    documents_checked: int

    @property
    def passed(self) -> bool:
        """Whether nothing denies. An approval that is asked for is another matter: `asks_approval`."""
        return all(passed for stage, passed in self.stages.items() if stage != "approval")

    @property
    def asks_approval(self) -> bool:
        return not self.stages.get("approval", True)


# -- plan and revision -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a release that is watched before the next part begins.

    canaries: ids of the actions that bring the new version to a share of a service's replicas. actions: ids of all that
    is done when the stage is, with all that they depend on; each stage holds those before it. watch_s: how long.
    """

    canaries: tuple[str, ...]
    actions: tuple[str, ...]
    watch_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a deploy will do, resolved: hashed, saved, gated, approved and executed as this one value.

    base_revision: the revision number the plan was made against (0: none); executing against another is stale.
    app: the application document as plain data (the validated spec), kept for the record.
    items: the whole desired state; actions: how to get there from what was observed.
    """

    schema_version: int = SCHEMA_VERSION
    application: str
    fleet: str
    base_revision: int
    created_at_s: float
    app_sha256: str
    fleet_sha256: str
    app: Mapping[str, Any]
    placement: Placement
    items: tuple[Item, ...]
    actions: tuple[Action, ...]
    unobserved: tuple[str, ...] = ()  # accounts or clusters that could not be read: unknown, never absent
    cost_before: Cost | None = None
    gate: GateReport | None = None
    warnings: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()  # canaries, in this order; what is in none of them comes after the last
    # Of an executor that works for some of the fleet's partitions (orchestrator.parts); () where it works for all:
    partitions: tuple[str, ...] = ()  # those it works for; what is elsewhere stands in items as it was deployed
    held: tuple[str, ...] = ()  # what waits for another partition's release, in words
    elsewhere: tuple[str, ...] = ()  # partitions that have something to do after this one

    @property
    def empty(self) -> bool:
        return not self.actions

    @property
    def own_items(self) -> tuple[Item, ...]:
        """Those in the partitions that it is made for; all of them where it is made for all."""
        return tuple(i for i in self.items if not self.partitions or i.address.partition in self.partitions)


class RevisionState(StrEnum):
    """Outcome of a release."""

    RUNNING = "running"
    DEPLOYED = "deployed"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An immutable record of one release. number counts from 1 per application."""

    application: str
    number: int
    state: RevisionState
    plan_sha256: str
    started_at_s: float
    ended_at_s: float | None
    actor: str
    message: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    rollback_of: int | None = None
