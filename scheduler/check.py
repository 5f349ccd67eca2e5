"""Judges a finished placement against the Problem, on its own: no model, no solver, only the rules as documented.

Callers: solve (nothing leaves it that breaks a rule), the searches, and the tests (where this is the referee). Pure.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from model.plan import Cost, PoolChoice
from scheduler.certificate import wrong_nodes
from scheduler.eligibility import forbidden, reject
from scheduler.problem import LEVELS, NodeLoad, Problem, ServiceDemand
from scheduler.sizes import NOTHING, PODS, Vector, domain_cap, domain_of, holds, least_size, room, size_of
from scheduler.traffic import Assignment, edge_costs


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


def preference_of(problem: Problem, assignment: Assignment) -> float:
    """What the sites that services would rather not be in weigh, per hour; no part of the bill."""
    rows = [s.dearer.get(i, 0.0) * n for s in problem.services if s.dearer for i, n in assignment[s.name].items()]
    return math.fsum(rows)


def weight_of(problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice]) -> float:
    """What is minimised: the bill and the preferences."""
    return cost_of(problem, assignment, pools).total_per_hour + preference_of(problem, assignment)


def broken_rules(
    problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice], packing: Sequence[NodeLoad]
) -> list[str]:
    """Every constraint that the placement breaks, in words; empty where it holds."""
    found: list[str] = []
    tight = _too_small(problem, assignment)
    for service in problem.services:
        found += _service(problem, service, assignment, tight)
    found += team_requests(problem, assignment)
    found += _machines(problem, assignment, pools)
    found += wrong_nodes(problem, assignment, pools, packing)
    return found


def _too_small(problem: Problem, assignment: Assignment) -> set[tuple[str, str]]:
    """(service, site) where no machine that is sold there holds one replica, as `holds` says of each machine."""
    tenants: defaultdict[tuple[str, bool], list[ServiceDemand]] = defaultdict(list)
    for service in problem.services:
        for site_id in assignment.get(service.name, {}):
            tenants[site_id, service.dedicated].append(service)
    found: set[tuple[str, str]] = set()
    for (site_id, own), services in tenants.items():
        needs = np.array([least_size(s) for s in services], float)
        if own:
            needs[:, PODS] = 0.0
        enough = np.zeros(len(services), bool)
        for offer in problem.site_by_id[site_id].types:
            if not (own and offer.bare):
                enough |= (needs <= np.array(room(problem, offer, own), float)).all(axis=1)
        found |= {(services[i].name, site_id) for i in np.flatnonzero(~enough).tolist()}
    return found


def _service(
    problem: Problem, service: ServiceDemand, assignment: Assignment, tight: set[tuple[str, str]]
) -> list[str]:
    found: list[str] = []
    mine = assignment.get(service.name, {})
    if sum(mine.values()) != service.replicas or any(n < 1 for n in mine.values()):
        found.append(f"{service.name}: {sum(mine.values())} replicas placed, {service.replicas} wanted")
    for site_id in mine:
        site = problem.site_by_id[site_id]
        if (service.name, site_id) in tight or forbidden(problem, service, site):
            no = reject(problem, service, site)
            found.append(f"{service.name} in {site_id}: {no.reason if no else 'not allowed'}")
    for row in edge_costs(problem, service, assignment):
        if row.hop is None:
            found.append(f"{service.name} in {row.site} cannot reach {row.callee} within its limit")
    if service.spread is not None:
        domains: Counter[str] = Counter()
        for site_id, count in mine.items():
            site = problem.site_by_id[site_id]
            domains[domain_of(site, service.spread.over)] += count
        enough = sum(1 for n in domains.values() if n >= service.spread.min_each)
        if enough < service.spread.min_domains:
            found.append(f"{service.name}: only {enough} {service.spread.over}s hold {service.spread.min_each} of it")
    return found + shares_broken(problem, service, assignment) + apart_broken(problem, service, assignment)


def shares_broken(problem: Problem, service: ServiceDemand, assignment: Assignment) -> list[str]:
    """Too much of it in one place, or too little where it must be."""
    mine = assignment.get(service.name, {})
    found: list[str] = []
    for level in LEVELS:
        cap = domain_cap(service, level)
        carried: Counter[str] = Counter()
        for site_id, count in mine.items():
            carried[domain_of(problem.site_by_id[site_id], level)] += count
        found += [
            f"{service.name}: {n} replicas in the {level} {domain}, at most {cap}"
            for domain, n in sorted(carried.items())
            if cap is not None and n > cap
        ]
    found += [
        f"{service.name}: {mine.get(site_id, 0)} replicas in {site_id}, pinned to {least}"
        for site_id, least in sorted(service.pinned.items())
        if mine.get(site_id, 0) < least
    ]
    for rule in service.users:
        rtt = problem.population_by_name[rule.population].rtt_ms
        if not any(rtt.get(problem.site_by_id[s].region, math.inf) <= rule.max_rtt_ms for s in mine):
            found.append(f"{service.name}: no replica within {rule.max_rtt_ms:g} ms of the users in {rule.population}")
    return found


def apart_broken(problem: Problem, service: ServiceDemand, assignment: Assignment) -> list[str]:
    """Zones, regions and clouds that it shares with a service that it must be apart from."""
    found: list[str] = []
    for rule in service.apart:
        if rule.over not in LEVELS:
            continue  # of nodes: judged with the certificate
        mine, theirs = (
            {domain_of(problem.site_by_id[s], rule.over) for s in assignment.get(name, {})}
            for name in (service.name, rule.service)
        )
        for domain in sorted(mine & theirs):
            found.append(f"{service.name} and {rule.service} are both in the {rule.over} {domain}")
    return found


def team_requests(problem: Problem, assignment: Assignment) -> list[str]:
    """Quotas of teams that are exceeded, in words."""
    found: list[str] = []
    for quota in problem.team_quotas:
        cpu = memory = 0
        for service in problem.services:
            if service.team == quota.team:
                count = sum(
                    n for site, n in assignment.get(service.name, {}).items()
                    if quota.region in ("", problem.site_by_id[site].region)
                )  # fmt: skip
                cpu += service.cpu_millicores * count
                memory += service.memory_mib * count
        for used, most, unit in ((cpu, quota.cpu_millicores, "m cpu"), (memory, quota.memory_mib, " MiB")):
            if most is not None and used > most:
                where = f" in {quota.region}" if quota.region else ""
                found.append(f"team {quota.team} requests {used}{unit}{where}, its quota is {most}")
    return found


def _machines(problem: Problem, assignment: Assignment, pools: Sequence[PoolChoice]) -> list[str]:
    found: list[str] = []
    per_site: Counter[str] = Counter()
    of_type: Counter[tuple[str, str]] = Counter()
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
        of_type[site.id, offer.name] += pool.count
        if offer.max_count is not None and of_type[site.id, offer.name] > offer.max_count:
            found.append(f"{site.id}: more of {offer.name} than the {offer.max_count} that there are")
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


def spare_pod(problem: Problem, site_id: str, assignment: Assignment) -> Vector:
    """The room that a site keeps for rolling updates: as large as its largest surging service, per resource.

    On a machine that stays and of the right architecture; where images for amd64 only and for arm64 only meet in one
    site, on an amd64 one.
    """
    if not problem.rollout_headroom:
        return NOTHING
    return spare_of([
        size_of(s) for s in problem.services
        if s.surge and not s.dedicated and assignment.get(s.name, {}).get(site_id)
    ])  # fmt: skip


def spare_of(sizes: Sequence[Vector]) -> Vector:
    """The spare pod beside pods of those sizes; GPUs and local disks are too dear to keep idle."""
    if not sizes:
        return NOTHING
    cpu, memory, _, pods, _, amd64, arm64, stays = (max(column) for column in zip(*sizes, strict=True))
    return (cpu, memory, 0, pods, 0, amd64, arm64 if not amd64 else 0, stays)
