"""Says, per service, why it runs where it runs and why not elsewhere.

Callers: solve. Pure. The price difference of a site is what moving one replica there would add per hour with every
other replica and machine left as it is: egress by the rule of scheduler.problem, and one more machine where the site's
nodes have no room. It is an upper bound of the true difference, since nothing is given back at the old site.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from model.plan import Rejection, ServicePlacement
from scheduler.check import apart_broken, shares_broken, spare_pod, team_requests
from scheduler.eligibility import Eligibility, usable_types
from scheduler.grid import Ints
from scheduler.nodes import Complete
from scheduler.problem import Problem, ServiceDemand, SiteOffer
from scheduler.sizes import ON_DEMAND, room, size_of
from scheduler.traffic import Assignment, edge_costs, hops_to_service


def service_placements(
    problem: Problem, eligibility: Eligibility, done: Complete, *, prices: bool = True
) -> tuple[ServicePlacement, ...]:
    """One row per service, by name. prices False: sites that rules allow are not priced (thousands of services)."""
    callers: dict[str, list[ServiceDemand]] = {}
    for service in problem.services:
        for edge in service.edges:
            callers.setdefault(edge.callee, []).append(service)
    free = _free_rooms(problem, done) if prices else {}
    rows = []
    for service in sorted(problem.services, key=lambda s: s.name):
        rejections = list(eligibility.rejections[service.name])
        if prices:
            rejections += _elsewhere(problem, eligibility, done, service, callers, free)
        rows.append(
            ServicePlacement(
                service=service.name,
                replicas=done.assignment[service.name],
                reasons=_reasons(problem, eligibility, done, service),
                rejections=tuple(sorted(rejections, key=lambda r: r.site)),
            )
        )
    return tuple(rows)


def _reasons(problem: Problem, eligibility: Eligibility, done: Complete, service: ServiceDemand) -> tuple[str, ...]:
    allowed = len(eligibility.allowed[service.name])
    words = [f"{allowed} of {len(problem.sites)} sites hold all its rules"]
    if service.spread is not None:
        s = service.spread
        words.append(f"spread: at least {s.min_each} in each of {s.min_domains} {s.over}s")
    paid = [(r.callee, r.per_hour) for r in edge_costs(problem, service, done.assignment) if r.per_hour > 0]
    if paid:
        total = sum(cost for _, cost in paid)
        callees = ", ".join(sorted({callee for callee, _ in paid}))
        words.append(f"its calls to {callees} cost {total:.4f} {problem.currency}/h of egress")
    elif any(e.gb_per_hour > 0 for e in service.edges):
        words.append("everything it calls is near enough to cost no egress")
    if service.current:
        kept = sum(min(n, service.current.get(site, 0)) for site, n in done.assignment[service.name].items())
        words.append(f"{kept} of {service.replicas} replicas stay where they are")
    return tuple(words)


def _elsewhere(
    problem: Problem,
    eligibility: Eligibility,
    done: Complete,
    service: ServiceDemand,
    callers: Mapping[str, list[ServiceDemand]],
    free: Mapping[str, Ints],
) -> list[Rejection]:
    """Sites that would be allowed: what one replica there would add, or which call it would break."""
    mine = done.assignment[service.name]
    donor = max(mine, key=lambda site: (mine[site], site))
    affected = [service, *callers.get(service.name, [])]
    before = sum(row.per_hour for s in affected for row in edge_costs(problem, s, done.assignment))
    found: list[Rejection] = []
    for site_id in eligibility.allowed[service.name]:
        if site_id in mine:
            continue
        moved = {k: v for k, v in mine.items() if k != donor} | {site_id: 1}
        if mine[donor] > 1:
            moved[donor] = mine[donor] - 1
        assignment = {**done.assignment, service.name: moved}
        rows = [row for s in affected for row in edge_costs(problem, s, assignment)]
        out_of_reach = next((row for row in rows if row.hop is None), None)
        if out_of_reach is not None:
            reason = f"{out_of_reach.service} in {out_of_reach.site} could not reach {out_of_reach.callee} from there"
            limited = _limited_by_latency(problem, out_of_reach.service, out_of_reach.callee, out_of_reach.site)
            found.append(
                Rejection(
                    site=site_id,
                    rule="latency" if limited else "reach",
                    reason=reason,
                    caller=out_of_reach.service,
                    callee=out_of_reach.callee,
                )
            )
            continue
        if forbidden := _forbidden(problem, service, done.assignment, assignment):
            found.append(Rejection(site=site_id, rule="wish", reason=forbidden))
            continue
        egress = sum(row.per_hour for row in rows) - before
        machine = _machine_cost(problem, done, service, site_id, free.get(site_id))
        if machine is None:
            what = "no machine more may be had here: its quota, its machines or their number are used up"
            found.append(Rejection(site=site_id, rule="full", reason=what))
        else:
            found.append(_by_cost(problem, site_id, egress, machine))
    return found


def _forbidden(problem: Problem, service: ServiceDemand, now: Assignment, then: Assignment) -> str:
    """What one replica there would break that holds now: anti-affinity, a cap, a team's quota; "" for nothing."""
    before = {*shares_broken(problem, service, now), *team_requests(problem, now)}
    after = [*shares_broken(problem, service, then), *team_requests(problem, then)]
    for other in (s for s in problem.services if s.apart):
        before |= set(apart_broken(problem, other, now))
        after += apart_broken(problem, other, then)
    return next((words for words in after if words not in before), "")


def _limited_by_latency(problem: Problem, caller: str, callee: str, site_id: str) -> bool:
    edge = next(e for e in problem.service_by_name[caller].edges if e.callee == callee)
    region = problem.site_by_id[site_id].region
    return edge.max_rtt_ms is not None and len(hops_to_service(problem, region, edge)) < len(problem.regions)


def _by_cost(problem: Problem, site_id: str, egress: float, machine: float) -> Rejection:
    extra = egress + machine
    parts = f"machine {machine:+.4f}, egress {egress:+.4f}"
    words = f"one replica here instead would change the bill by {extra:+.4f} {problem.currency}/h ({parts})"
    return Rejection(
        site=site_id,
        rule="cost",
        reason=words,
        extra_cost_per_hour=extra,
        machine_per_hour=machine,
        egress_per_hour=egress,
    )


def _machine_cost(
    problem: Problem, done: Complete, service: ServiceDemand, site_id: str, free: Ints | None
) -> float | None:
    """Price of one more machine there; 0 where a node has room for the replica beside the spare pod; None where no
    machine more may be had. free: what the site's nodes have free (nodes x resources)."""
    cheapest = _next_machine(problem, done, service, problem.site_by_id[site_id])
    if service.dedicated or free is None:
        return cheapest
    need, spare = np.array(size_of(service)), np.array(spare_pod(problem, site_id, done.assignment))
    keeps = (free >= spare).all(axis=1)  # nodes that have room for the spare pod as they are
    able = (free >= need).all(axis=1) & ((keeps.sum() > keeps) | (free - need >= spare).all(axis=1))
    return 0.0 if able.any() else cheapest


def _next_machine(problem: Problem, done: Complete, service: ServiceDemand, site: SiteOffer) -> float | None:
    """The cheapest machine that it could have there beside those that are there; None for none."""
    here = [p for p in done.pools if p.site == site.id]
    if site.max_machines is not None and sum(p.count for p in here) >= site.max_machines:
        return None
    region = [p for p in done.pools if problem.site_by_id[p.site].region == site.region]
    left = problem.region_quota_vcpu.get(site.region, math.inf) - sum(p.vcpu * p.count for p in region)
    had = Counter({t.name: 0 for t in site.types})
    for pool in here:
        had[pool.instance_type] += pool.count
    prices = [
        t.price_per_hour
        for t in usable_types(problem, service, site)
        if t.vcpu <= left and (t.max_count is None or had[t.name] < t.max_count)
    ]
    return min(prices, default=None)


def _free_rooms(problem: Problem, done: Complete) -> dict[str, Ints]:
    """Site -> nodes x resources: what is free on each of its nodes."""
    rooms = {(site.id, t.name): room(problem, t) for site in problem.sites for t in site.types}
    found: dict[str, list[list[int]]] = {}
    for load in done.packing:
        free = list(rooms[load.site, load.instance_type])
        for name, count in load.pods.items():
            for axis, need in enumerate(size_of(problem.service_by_name[name])):
                free[axis] -= need * count if axis != ON_DEMAND else 0
        found.setdefault(load.site, []).append(free)
    return {site: np.array(rows, np.int64) for site, rows in found.items()}
