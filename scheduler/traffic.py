"""Who can call whom, what a call costs, and the true egress cost of a placement (model: see scheduler.problem).

Callers: eligibility, formulation, explain, check. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.problem import INTERNET, Edge, Problem, ServiceDemand

Assignment = Mapping[str, Mapping[str, int]]  # service -> site -> replicas, only those above zero


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """A place that can answer a call, cheapest first in sort order. place: a site id, a region, or `internet`."""

    price_per_gb: float
    rtt_ms: float
    place: str
    assumed: bool = False


def hop_between(problem: Problem, src: str, dst: str, edge: Edge) -> Hop | None:
    """The hop from region src to region dst (or `internet`) for that edge; None where it cannot or may not go.

    Half of the bytes go each way, so the price is the mean of both directions; nobody bills what comes in from the
    internet, so there it is half the price.
    """
    key = (src, dst, edge.max_rtt_ms)
    if key not in problem.known_hops:
        problem.known_hops[key] = [_hop(problem, src, dst, edge.max_rtt_ms)]
    hops: list[Hop | None] = problem.known_hops[key]
    return hops[0]


def _hop(problem: Problem, src: str, dst: str, max_rtt_ms: float | None) -> Hop | None:
    out = problem.route(src, dst)
    if not out.reachable:
        return None
    rtt = out.rtt_ms if out.rtt_ms is not None else 0.0
    if max_rtt_ms is not None and rtt > max_rtt_ms:
        return None
    if dst == INTERNET:
        return Hop(out.price_per_gb / 2, rtt, INTERNET, out.assumed)
    back = problem.route(dst, src)
    return Hop((out.price_per_gb + back.price_per_gb) / 2, rtt, dst, out.assumed or back.assumed)


def hops_to_service(problem: Problem, src: str, edge: Edge) -> list[Hop]:
    """Every region whose replicas of the callee a caller in region src may use, in the order in which it uses them:
    its own, then by price, round trip and name."""
    key = (src, edge.max_rtt_ms, edge.within, True)
    if key not in problem.known_hops:
        found = (hop_between(problem, src, dst, edge) for dst in _near_enough(problem, src, edge))
        problem.known_hops[key] = sorted((h for h in found if h is not None), key=lambda h: (h.place != src, h))
    hops: list[Hop] = problem.known_hops[key]
    return hops


def rising(places: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """(price, place) in order of use, no price above a later one: what a model that wants rising prices may count.

    Only a region that bills calls between its zones more than some other region's calls is counted too cheap by it.
    """
    least, found = float("inf"), []
    for price, place in reversed(places):
        least = min(least, price)
        found.append((least, place))
    return found[::-1]


def _near_enough(problem: Problem, src: str, edge: Edge) -> tuple[str, ...]:
    """Regions that the edge's affinity leaves; none where it must stay in the zone, which is no region."""
    if edge.within == "zone":
        return ()
    if edge.within == "region":
        return (src,)
    if edge.within == "cloud":
        return tuple(r for r in problem.regions if problem.cloud_of[r] == problem.cloud_of[src])
    return problem.regions


def hop_to_external(problem: Problem, src: str, edge: Edge) -> Hop | None:
    """The cheapest way from region src to an external; None where there is none within the limit."""
    key = (src, edge.max_rtt_ms, edge.callee, edge.within)
    if key not in problem.known_hops:
        external = problem.external_by_name[edge.callee]
        near = external.regions
        if edge.within:  # an external is somewhere in its region, so "the same zone" cannot be told
            cloud = problem.cloud_of[src]
            near = tuple(r for r in near if (problem.cloud_of[r] == cloud if edge.within == "cloud" else r == src))
        places = near + ((INTERNET,) if external.internet and not edge.within else ())
        if external.callers_from is not None and src not in external.callers_from:
            places = ()
        found = [h for h in (hop_between(problem, src, dst, edge) for dst in places) if h is not None]
        problem.known_hops[key] = sorted(found)[:1]
    hops: list[Hop] = problem.known_hops[key]
    return hops[0] if hops else None


@dataclass(frozen=True, slots=True)
class EdgeCost:
    """What one edge costs from one site. hop None: the callee is out of reach, so the placement does not hold."""

    service: str
    callee: str
    site: str
    hop: Hop | None
    per_hour: float


def edge_costs(problem: Problem, service: ServiceDemand, assignment: Assignment) -> list[EdgeCost]:
    """Cost of every edge of one service, per site that it runs in."""
    rows: list[EdgeCost] = []
    if not service.edges:
        return rows
    for site_id, count in sorted(assignment.get(service.name, {}).items()):
        region = problem.site_by_id[site_id].region
        for edge in service.edges:
            hop = best_hop(problem, site_id, region, edge, assignment)
            share = edge.gb_per_hour * count / service.replicas
            rows.append(EdgeCost(service.name, edge.callee, site_id, hop, hop.price_per_gb * share if hop else 0.0))
    return rows


def best_hop(problem: Problem, site_id: str, region: str, edge: Edge, assignment: Assignment) -> Hop | None:
    """Where a caller's calls go under that assignment; None where nothing answers within the limit."""
    if edge.callee in problem.external_by_name:
        return hop_to_external(problem, region, edge)
    callee_sites = assignment.get(edge.callee, {})
    if callee_sites.get(site_id):
        return Hop(0.0, 0.0, site_id)
    present = {problem.site_by_id[s].region for s, n in callee_sites.items() if n}
    return next((h for h in hops_to_service(problem, region, edge) if h.place in present), None)
