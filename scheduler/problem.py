"""The Problem that the scheduler solves, as frozen values. `scheduler.document` reads and writes it as JSON.

Callers: orchestrator.placing builds one; scheduler.solve consumes it. All quantities carry their unit in the name;
money is list price in `Problem.currency` per hour.

How calls travel (the egress model, on which the printed cost rests): a replica sends its calls to the first of these
where the callee has replicas within the edge's latency limit: its own zone, its own region (whatever calls between its
zones cost), else the region with the lowest price, then the lowest round trip, then the first by name. That is what
Kubernetes' `trafficDistribution: PreferClose` and a region-wise gateway do. A caller's calls are shared equally by its
replicas. Half of the bytes of a call travel each way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

INTERNET: Final = "internet"
SECONDS_PER_HOUR: Final = 3600.0
BYTES_PER_GB: Final = 1e9  # clouds bill decimal gigabytes
LEVELS: Final = ("zone", "region", "cloud")
NODE: Final = "node"
ARCHITECTURES: Final = ("amd64", "arm64")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceOffer:
    """One machine type that a site sells. cpu, memory, disk and pods are allocatable (after the kubelet's share).

    vcpu: what a quota counts. price_per_hour: for one machine; assumed where no public list gives it. disk_gib: local
    disk. spot: may be taken back at any time. max_count: at most so many of it per site; None for no limit. A reserved
    instance that is paid for already is an offer at price 0 with a max_count; a node that exists is one with its free
    room, and bare: the daemons have had their share of it. headroom: share of its cpu and memory that is kept free as
    a Kubernetes node; None: the problem's node_headroom.
    """

    name: str
    vcpu: float
    cpu_millicores: int
    memory_mib: int
    gpu: int = 0
    pods: int = 110
    price_per_hour: float
    assumed: bool = False
    disk_gib: int = 0
    arch: str = "amd64"
    spot: bool = False
    max_count: int | None = None
    bare: bool = False
    headroom: float | None = None

    def __lt__(self, other: InstanceOffer) -> bool:
        return offer_order(self) < offer_order(other)


def offer_order(offer: InstanceOffer) -> tuple[object, ...]:
    """By name, then by everything else."""
    most = math.inf if offer.max_count is None else offer.max_count
    return (
        offer.name,
        offer.vcpu,
        offer.cpu_millicores,
        offer.memory_mib,
        offer.gpu,
        offer.pods,
        offer.price_per_hour,
        offer.assumed,
        offer.disk_gib,
        offer.arch,
        offer.spot,
        most,
        offer.bare,
        -1.0 if offer.headroom is None else offer.headroom,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOffer:
    """A zone. region is `partition/region`, so that equal region names of two partitions stay apart.

    max_machines: at most so many nodes and instances together; None for no limit. kubernetes: its region has a
    cluster; without one only dedicated (VM) services can run here.
    """

    id: str
    region: str
    cloud: str
    partition: str
    country: str
    icp: bool = False
    max_machines: int | None = None
    kubernetes: bool = True
    types: tuple[InstanceOffer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """From one region to another (or to `internet`): one cell of the RTT and of the egress price matrix.

    src == dst speaks of two zones of that region. rtt_ms None: not known (then it keeps every limit, which is allowed
    towards `internet` only). reachable False: no gateway leads there.
    """

    src: str
    dst: str
    rtt_ms: float | None = None
    price_per_gb: float = 0.0
    reachable: bool = True
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Calls to another service or to an external; calls_per_s is the sum over all replicas of the caller.

    within: zone, region or cloud: the callee must have a replica in the caller's own one (affinity); "" for anywhere.
    """

    callee: str
    calls_per_s: float = 0.0
    bytes_per_call: float = 0.0
    max_rtt_ms: float | None = None
    within: str = ""

    @property
    def gb_per_hour(self) -> float:
        return self.calls_per_s * self.bytes_per_call * SECONDS_PER_HOUR / BYTES_PER_GB


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """At least min_each replicas in each of at least min_domains domains; over: zone, region or cloud."""

    over: str
    min_domains: int = 2
    min_each: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """No node, zone, region or cloud (over) carries replicas of both this and the other service (anti-affinity)."""

    service: str
    over: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLatency:
    """At least one replica answers that population within max_rtt_ms: its calls go to the nearest one."""

    population: str
    max_rtt_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Users somewhere, with the round trip from them to each region; regions that are not named are too far."""

    name: str
    rtt_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamQuota:
    """What the services of a team may request together, in that region (or, where it is "", everywhere)."""

    team: str
    cpu_millicores: int | None = None
    memory_mib: int | None = None
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDemand:
    """One service. Resources are one replica's requests.

    dedicated: each replica is a machine of its own (a VM service). allowed_countries, allowed_sites: None for any.
    surge: its rollout starts a new replica before it ends an old one. current: replicas per site now, if any.
    architectures: for which its image exists. max_spot_share: at most this share of its replicas in each site may run
    on spot machines. survives: level (zone, region, cloud) -> share of the replicas that must be left when any one of
    them is lost. max_per: level (node, zone, region, cloud) -> at most so many replicas in one of them (anti-affinity
    with itself). max_node_share: the largest share of its replicas that one node may carry. pinned: site -> at least
    so many replicas. dearer: site -> what being somewhere else is worth, per replica and hour: a preference, weighed
    against the bill and not part of it. priority: where not everything fits, lower ones are offered to be given up.
    """

    name: str
    replicas: int
    cpu_millicores: int
    memory_mib: int
    gpu: int = 0
    pods: int = 1
    dedicated: bool = False
    allowed_countries: tuple[str, ...] | None = None
    data_class: str = ""
    icp_required: bool = False
    allowed_sites: tuple[str, ...] | None = None
    avoided_sites: tuple[str, ...] = ()
    spread: Spread | None = None
    edges: tuple[Edge, ...] = ()
    surge: bool = True
    current: Mapping[str, int] = field(default_factory=dict)
    disk_gib: int = 0
    architectures: tuple[str, ...] = ("amd64",)
    max_spot_share: float = 0.0
    survives: Mapping[str, float] = field(default_factory=dict)
    max_per: Mapping[str, int] = field(default_factory=dict)
    max_node_share: float = 1.0
    apart: tuple[Apart, ...] = ()
    users: tuple[UserLatency, ...] = ()
    pinned: Mapping[str, int] = field(default_factory=dict)
    dearer: Mapping[str, float] = field(default_factory=dict)
    team: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """What nobody deploys here. regions: where it answers; internet: it answers from anywhere, over the internet.

    callers_from: it lets in only callers in those regions (where they have a known egress address); None: any.
    """

    name: str
    regions: tuple[str, ...] = ()
    internet: bool = False
    callers_from: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentPool:
    """Machines that exist now; keeping them counts as no move."""

    site: str
    instance_type: str
    count: int
    dedicated_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoad:
    """What one node of a site's pools carries: service -> replicas."""

    site: str
    instance_type: str
    pods: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything that decides a placement.

    region_quota_vcpu: vCPUs per region; a region that is not named has no limit.
    node_overhead_*: what daemons take from each Kubernetes node on top of the kubelet's share.
    rollout_headroom: every site keeps room for one more replica of its largest (surging) service.
    survive_node_loss: no single Kubernetes node carries all replicas of a service that has several.
    migration_cost_per_replica: what moving one replica, or starting one machine, must save per hour to be worth it;
    counts only where a current placement is given, and is never part of the cost shown.
    current_nodes: what each node of the current pools carries, of services that are gone, too, as the certificate of
    the placement that runs said it, and in its order: pods keep their nodes, and nodes of one type in a site their node
    pools. Sites of which it is not known are packed anew.
    current_gap: the gap of the placement that runs, as its answer said. Where keeping what need not move leaves a gap
    that is not much larger, it is kept and nothing is searched (scheduler.replan); None: always search.
    max_moves: at most so many replicas arrive where none of their service was; None for no limit.
    budget_per_hour: a placement that costs more is none; warn_per_hour: one that costs more is warned of.
    node_headroom: share of each Kubernetes node's cpu and memory that is kept free.
    spare_node_per_pool: each pool has one node more than its pods need (N+1), beside the room for updates.
    node_pools: region -> how many node pools its cluster may have; 100 where it is not named.
    room_at_run_time: machines are bought where a replay of kube-scheduler leaves pods pending (else a warning says so).
    """

    services: tuple[ServiceDemand, ...]
    sites: tuple[SiteOffer, ...]
    externals: tuple[External, ...] = ()
    routes: tuple[Route, ...] = ()
    region_quota_vcpu: Mapping[str, float] = field(default_factory=dict)
    currency: str = "USD"
    price_date: str = ""
    node_overhead_cpu_millicores: int = 0
    node_overhead_memory_mib: int = 0
    node_overhead_pods: int = 0
    rollout_headroom: bool = True
    survive_node_loss: bool = True
    migration_cost_per_replica: float = 0.002
    current_pools: tuple[CurrentPool, ...] = ()
    current_nodes: tuple[NodeLoad, ...] = ()
    current_gap: float | None = None
    populations: tuple[Population, ...] = ()
    team_quotas: tuple[TeamQuota, ...] = ()
    max_moves: int | None = None
    budget_per_hour: float | None = None
    warn_per_hour: float | None = None
    node_headroom: float = 0.0
    spare_node_per_pool: bool = False
    node_pools: Mapping[str, int] = field(default_factory=dict)
    room_at_run_time: bool = False

    @cached_property
    def service_by_name(self) -> dict[str, ServiceDemand]:
        return {s.name: s for s in self.services}

    @cached_property
    def site_by_id(self) -> dict[str, SiteOffer]:
        return {s.id: s for s in self.sites}

    @cached_property
    def external_by_name(self) -> dict[str, External]:
        return {e.name: e for e in self.externals}

    @cached_property
    def route_by_pair(self) -> dict[tuple[str, str], Route]:
        return {(r.src, r.dst): r for r in self.routes}

    @cached_property
    def population_by_name(self) -> dict[str, Population]:
        return {p.name: p for p in self.populations}

    @cached_property
    def cloud_of(self) -> dict[str, str]:
        """Region -> cloud."""
        return {s.region: s.cloud for s in self.sites}

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """The sites' regions, sorted, each once."""
        return tuple(sorted({s.region for s in self.sites}))

    @cached_property
    def known_hops(self) -> dict[tuple[object, ...], list[Any]]:
        """Answers that scheduler.traffic has worked out already: what was asked -> hops."""
        return {}

    def route(self, src: str, dst: str) -> Route:
        """The matrix cell; within a region, where none is given: 1 ms and no charge (most clouds bill nothing)."""
        found = self.route_by_pair.get((src, dst))
        if found is None:
            return Route(src=src, dst=dst, rtt_ms=1.0 if src == dst else None, reachable=src == dst)
        return found
