"""Which sites each service may use at all, and for each other site the rule that forbids it, in words.

Callers: formulation, infeasible, explain, check. Pure. Only what can be judged for one service at one site alone is
judged here; spread, quotas and calls between services are the formulation's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from model.plan import Rejection
from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.sizes import holds, loose_size
from scheduler.traffic import hop_to_external


@dataclass(frozen=True, slots=True)
class Eligibility:
    """allowed: service -> site ids, sorted. rejections: service -> why each other site is out, first rule only."""

    allowed: dict[str, tuple[str, ...]]
    rejections: dict[str, tuple[Rejection, ...]]


def usable_types(problem: Problem, service: ServiceDemand, site: SiteOffer) -> tuple[InstanceOffer, ...]:
    """Types of that site which hold one replica."""
    return tuple(t for t in site.types if holds(problem, t, service))


def eligible_sites(problem: Problem) -> Eligibility:
    """Judge every service at every site. Services that ask the same questions share the answers."""
    allowed: dict[str, tuple[str, ...]] = {}
    rejections: dict[str, tuple[Rejection, ...]] = {}
    sites = sorted(problem.sites, key=lambda s: s.id)
    known: dict[tuple[object, ...], tuple[tuple[str, ...], tuple[Rejection, ...]]] = {}
    roomy: dict[tuple[object, ...], tuple[str, ...]] = {}
    numbers: dict[tuple[object, ...], int] = {}
    alike = [numbers.setdefault((s.region, s.types, s.kubernetes), len(numbers)) for s in sites]
    for service in problem.services:
        size = (service.dedicated, service.max_spot_share > 0, service.max_spot_share >= 1, loose_size(service))
        if size not in roomy:
            words = [_capacity(problem, service, sites[alike.index(number)]) for number in range(len(numbers))]
            roomy[size] = tuple(words[number] for number in alike)
        key = (*_questions(problem, service), roomy[size])
        if key not in known:
            verdicts = _verdicts(problem, service, sites, roomy[size])
            yes = tuple(site.id for site, no in zip(sites, verdicts, strict=True) if no is None)
            known[key] = yes, tuple(no for no in verdicts if no is not None)
        allowed[service.name], rejections[service.name] = known[key]
    return Eligibility(allowed, rejections)


def _verdicts(
    problem: Problem, service: ServiceDemand, sites: list[SiteOffer], capacity: tuple[str, ...]
) -> list[Rejection | None]:
    """One a site. Zones of a region get one answer, unless the service names sites."""
    named = service.allowed_sites is not None or bool(service.avoided_sites)
    known: dict[tuple[object, ...], Rejection | None] = {}
    found: list[Rejection | None] = []
    for site, no in zip(sites, capacity, strict=True):
        key = (site.region, site.country, site.icp, no, site.id if named else "")
        if key not in known:
            known[key] = _judge(problem, service, site, no)
        told = known[key]
        found.append(told if told is None or told.site == site.id else replace(told, site=site.id))
    return found


def _questions(problem: Problem, service: ServiceDemand) -> tuple[object, ...]:
    """All of a service that `reject` looks at, but its size."""
    calls = tuple((e.callee, e.max_rtt_ms) for e in service.edges if e.callee in problem.external_by_name)
    return (
        service.allowed_countries,
        service.data_class,
        service.icp_required,
        service.allowed_sites,
        service.avoided_sites,
        calls,
    )


def reject(problem: Problem, service: ServiceDemand, site: SiteOffer) -> Rejection | None:
    """The first rule that keeps the service out of the site, or None."""
    return _judge(problem, service, site, _capacity(problem, service, site))


def _judge(problem: Problem, service: ServiceDemand, site: SiteOffer, capacity: str) -> Rejection | None:
    if why := _residency(service, site):
        return Rejection(site=site.id, rule="data_residency", reason=why)
    if why := _icp(service, site):
        return Rejection(site=site.id, rule="icp", reason=why)
    if why := _site_rule(service, site):
        return Rejection(site=site.id, rule="site_rule", reason=why)
    if capacity:
        return Rejection(site=site.id, rule="capacity", reason=capacity)
    callee, why = _external(problem, service, site)
    if why:
        return Rejection(site=site.id, rule="external", reason=why, caller=service.name, callee=callee)
    return None


def _residency(service: ServiceDemand, site: SiteOffer) -> str:
    if service.allowed_countries is None or site.country in service.allowed_countries:
        return ""
    kind = f"its {service.data_class} data" if service.data_class else "its data"
    return f"{kind} must stay in {', '.join(service.allowed_countries)}; this site is in {site.country}"


def _icp(service: ServiceDemand, site: SiteOffer) -> str:
    if not service.icp_required or site.icp:
        return ""
    return f"it needs an ICP filing for its public entry, and {site.region} has none"


def _site_rule(service: ServiceDemand, site: SiteOffer) -> str:
    if service.allowed_sites is not None and site.id not in service.allowed_sites:
        return "its placement.sites does not name this site"
    return "its placement.avoid_sites names this site" if site.id in service.avoided_sites else ""


def _capacity(problem: Problem, service: ServiceDemand, site: SiteOffer) -> str:
    if not service.dedicated and not site.kubernetes:
        return f"{site.region} has no cluster"
    if any(holds(problem, t, service) for t in site.types):
        return ""
    more = f", {service.disk_gib} GiB of local disk" if service.disk_gib else ""
    more += f" and {service.gpu} GPU" if service.gpu else ""
    if service.architectures != ("amd64",):
        more += f" for {', '.join(service.architectures)}"
    if any(t.spot for t in site.types) and service.max_spot_share <= 0:
        more += " without being spot"
    return f"no machine type sold here holds {service.cpu_millicores}m cpu, {service.memory_mib} MiB{more}"


def _external(problem: Problem, service: ServiceDemand, site: SiteOffer) -> tuple[str, str]:
    """The external that it calls and cannot reach from there, and why; two empty texts where it reaches all."""
    for edge in service.edges:
        if edge.callee in problem.external_by_name and hop_to_external(problem, site.region, edge) is None:
            known = problem.external_by_name[edge.callee].callers_from
            if known is not None and site.region not in known:
                why = f"it calls {edge.callee}, which wants a fixed egress address, and {site.region} has none"
                return edge.callee, why
            limit = f" within {edge.max_rtt_ms:g} ms" if edge.max_rtt_ms is not None else ""
            return edge.callee, f"it calls {edge.callee}, which cannot be reached from {site.region}{limit}"
    return "", ""
