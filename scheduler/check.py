"""Judges a finished placement against the Problem, on its own: no model, no solver, only the rules as documented.

Callers: solve (nothing leaves it that breaks a rule) and the tests (where this is the referee). Pure.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.plan import Cost, PoolChoice
from scheduler.eligibility import holds, reject, room
from scheduler.problem import Problem, ServiceDemand
from scheduler.traffic import Assignment, edge_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoad:
    """What the certificate puts on one node of a site's pool: service -> replicas."""

    site: str
    instance_type: str
    pods: Mapping[str, int]


def cost_of(problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice]) -> Cost:
    """The true list price per hour of that placement, egress by the rule of scheduler.problem."""
    compute = [p.price_per_hour * p.count for p in pools]
    assumed = [p.price_per_hour * p.count for p in pools if p.assumed_price]
    egress: list[float] = []
    for service in sorted(problem.services, key=lambda s: s.name):
        for row in edge_costs(problem, service, assignment):
            egress.append(row.per_hour)
            if row.hop is not None and row.hop.assumed:
                assumed.append(row.per_hour)
    total = math.fsum([*compute, *egress])
    return Cost(
        compute_per_hour=math.fsum(compute),
        egress_per_hour=math.fsum(egress),
        assumed_share=min(1.0, math.fsum(assumed) / total) if total > 0 else 0.0,
        currency=problem.currency,
        price_date=problem.price_date,
    )


def broken_rules(
    problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice], packing: Sequence[NodeLoad]
) -> list[str]:
    """Every constraint that the placement breaks, in words; empty where it holds."""
    found: list[str] = []
    for service in problem.services:
        found += _service(problem, service, assignment)
    found += _machines(problem, assignment, pools)
    found += _nodes(problem, assignment, pools, packing)
    return found


def _service(problem: Problem, service: ServiceDemand, assignment: Assignment) -> list[str]:
    found: list[str] = []
    mine = assignment.get(service.name, {})
    if sum(mine.values()) != service.replicas or any(n < 1 for n in mine.values()):
        found.append(f"{service.name}: {sum(mine.values())} replicas placed, {service.replicas} wanted")
    for site_id in mine:
        no = reject(problem, service, problem.site_by_id[site_id])
        if no is not None:
            found.append(f"{service.name} in {site_id}: {no.reason}")
    for row in edge_costs(problem, service, assignment):
        if row.hop is None:
            found.append(f"{service.name} in {row.site} cannot reach {row.callee} within its limit")
    if service.spread is not None:
        domains: Counter[str] = Counter()
        for site_id, count in mine.items():
            site = problem.site_by_id[site_id]
            domains[{"zone": site.id, "region": site.region, "cloud": site.cloud}[service.spread.over]] += count
        enough = sum(1 for n in domains.values() if n >= service.spread.min_each)
        if enough < service.spread.min_domains:
            found.append(f"{service.name}: only {enough} {service.spread.over}s hold {service.spread.min_each} of it")
    return found


def _machines(problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice]) -> list[str]:
    found: list[str] = []
    per_site: Counter[str] = Counter()
    vcpu: defaultdict[str, float] = defaultdict(float)
    own: Counter[tuple[str, str]] = Counter()
    types: Counter[tuple[str, str]] = Counter()
    for pool in pools:
        site = problem.site_by_id[pool.site]
        offer = next((t for t in site.types if t.name == pool.instance_type), None)
        if offer is None or pool.count < 1:
            found.append(f"{pool.site} does not sell {pool.count} x {pool.instance_type}")
            continue
        per_site[site.id] += pool.count
        vcpu[site.region] += offer.vcpu * pool.count
        if pool.dedicated_to:
            service = problem.service_by_name[pool.dedicated_to]
            own[service.name, site.id] += pool.count
            types[service.name, site.id] += 1
            if not holds(problem, offer, service):
                found.append(f"{offer.name} is too small for {service.name}")
    for site_id, count in per_site.items():
        most = problem.site_by_id[site_id].max_machines
        if most is not None and count > most:
            found.append(f"{site_id}: {count} machines, at most {most}")
    for region, used in vcpu.items():
        if used > problem.region_quota_vcpu.get(region, math.inf):
            found.append(f"{region}: {used:g} vCPU, quota {problem.region_quota_vcpu[region]:g}")
    for service in problem.services:
        if service.dedicated:
            for site_id, count in assignment.get(service.name, {}).items():
                if types[service.name, site_id] > 1:
                    found.append(f"{service.name} in {site_id}: machines of several types")
                if own[service.name, site_id] != count:
                    found.append(f"{service.name} in {site_id}: {own[service.name, site_id]} machines of its own")
    return found


def _nodes(
    problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice], packing: Sequence[NodeLoad]
) -> list[str]:
    """The certificate: nodes are the pools' nodes, every pod is on one, no node is overfull, the spare pod fits."""
    found: list[str] = []
    bought = Counter({(p.site, p.instance_type): p.count for p in pools if not p.dedicated_to})
    if bought != Counter((load.site, load.instance_type) for load in packing):
        found.append("the certificate speaks of other nodes than the pools have")
    placed: Counter[tuple[str, str]] = Counter()
    spare: dict[str, bool] = {}
    extras = {site_id: spare_pod(problem, site_id, assignment) for site_id in {load.site for load in packing}}
    types = {(site.id, t.name): t for site in problem.sites for t in site.types}
    for load in packing:
        site = problem.site_by_id[load.site]
        offer = types[load.site, load.instance_type]
        free = list(room(problem, offer))
        for name, count in load.pods.items():
            placed[name, site.id] += count
            service = problem.service_by_name[name]
            for axis, need in enumerate((service.cpu_millicores, service.memory_mib, service.gpu, service.pods)):
                free[axis] -= need * count
            if problem.survive_node_loss and service.replicas > 1 and count == service.replicas:
                found.append(f"{site.id}: one node carries all replicas of {name}")
        if min(free) < 0:
            found.append(f"{site.id}: a node of {offer.name} is overfull")
        extra = extras[site.id]
        spare[site.id] = spare.get(site.id, False) or all(f >= e for f, e in zip(free, extra, strict=True))
    found += [f"{site_id}: no room for a rolling update" for site_id, ok in sorted(spare.items()) if not ok]
    for service in problem.services:
        if not service.dedicated:
            for site_id, count in assignment.get(service.name, {}).items():
                if placed[service.name, site_id] != count:
                    found.append(f"{service.name} in {site_id}: {placed[service.name, site_id]} of {count} on nodes")
    return found


def spare_pod(problem: Problem, site_id: str, assignment: Assignment) -> tuple[int, int, int, int]:
    """The room that a site keeps for rolling updates: as large as its largest surging service, per resource."""
    if not problem.rollout_headroom:
        return (0, 0, 0, 0)
    here = [
        s for s in problem.services
        if s.surge and not s.dedicated and assignment.get(s.name, {}).get(site_id)
    ]  # fmt: skip
    return (
        max((s.cpu_millicores for s in here), default=0),
        max((s.memory_mib for s in here), default=0),
        0,
        max((s.pods for s in here), default=0),
    )
