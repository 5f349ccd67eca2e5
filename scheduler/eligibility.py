"""Which sites each service may use at all, and for each other site the rule that forbids it, in words.

Callers: formulation, infeasible, explain, check. Pure. Only what can be judged for one service at one site alone is
judged here; spread, quotas and calls between services are the formulation's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.plan import Rejection
from scheduler.problem import Edge, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.sizes import DIMENSIONS, PODS, Vector, holds, least_size, loose_size, room
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
    sites = sorted(problem.sites, key=lambda s: s.id)
    numbers: dict[tuple[object, ...], int] = {}
    alike = [numbers.setdefault((s.region, s.types, s.kubernetes), len(numbers)) for s in sites]
    kinds = [sites[alike.index(number)] for number in range(len(numbers))]
    asked = [_asks(s) for s in problem.services]
    capacities = _capacities(problem, kinds, dict(zip(asked, problem.services, strict=True)))
    judged = _Judged(problem, sites, alike)
    allowed: dict[str, tuple[str, ...]] = {}
    rejections: dict[str, tuple[Rejection, ...]] = {}
    for service, asks in zip(problem.services, asked, strict=True):
        allowed[service.name], rejections[service.name] = judged.of(service, capacities[asks])
    return Eligibility(allowed, rejections)


Capacities = tuple[str, ...]  # per kind of site: why no machine there holds the service, or ""


def _asks(service: ServiceDemand) -> tuple[object, ...]:
    """All of a service that `_capacity` looks at."""
    spot = service.max_spot_share
    return service.dedicated, spot > 0, spot >= 1, service.architectures, loose_size(service)


def _capacities(
    problem: Problem, kinds: list[SiteOffer], asked: dict[tuple[object, ...], ServiceDemand]
) -> dict[tuple[object, ...], Capacities]:
    """For each size that is asked for: what `_capacity` says at each kind of site; words are made only where it is
    not enough. asked: with one service that asks for it."""
    askers = list(asked.items())
    enough = np.zeros((len(askers), len(kinds)), bool)
    for dedicated in (False, True):
        rows = [i for i, (_, s) in enumerate(askers) if s.dedicated is dedicated]
        needs = np.array([least_size(s) for _, s in askers if s.dedicated is dedicated]).reshape(-1, DIMENSIONS)
        if dedicated:
            needs[:, PODS] = 0
        for k, site in enumerate(kinds):
            for have in _largest(problem, site, dedicated) if rows else ():
                enough[rows, k] |= (needs <= np.array(have)).all(axis=1)
            if not (dedicated or site.kubernetes):
                enough[rows, k] = False
    none: Capacities = ("",) * len(kinds)
    found: dict[tuple[object, ...], Capacities] = {}
    for (key, service), row in zip(askers, enough, strict=True):
        words = (
            "" if yes else _capacity(problem, service, site) for yes, site in zip(row.tolist(), kinds, strict=True)
        )
        found[key] = none if row.all() else tuple(words)
    return found


def _largest(problem: Problem, site: SiteOffer, dedicated: bool) -> list[Vector]:
    """The rooms of its machines, without those than which another one is larger in everything."""
    kept: list[Vector] = []
    for have in sorted({room(problem, t, dedicated) for t in site.types if not (dedicated and t.bare)}, reverse=True):
        if not any(all(a >= b for a, b in zip(other, have, strict=True)) for other in kept):
            kept.append(have)
    return kept


class _Judged:
    """Answers that were given already, in their parts: what a service says of sites, and whom it calls."""

    def __init__(self, problem: Problem, sites: list[SiteOffer], alike: list[int]) -> None:
        self.problem, self.sites, self.alike = problem, sites, alike
        self.verdicts: dict[tuple[object, ...], list[Rejection | None]] = {}
        self.answers: dict[tuple[object, ...], tuple[tuple[str, ...], tuple[Rejection, ...]]] = {}
        self.cut_off: dict[tuple[object, ...], dict[str, str]] = {}
        self.regions = problem.regions

    def of(self, service: ServiceDemand, capacities: Capacities) -> tuple[tuple[str, ...], tuple[Rejection, ...]]:
        """Its sites, and why it may not be in each other one."""
        rules = (service.allowed_countries, service.data_class, service.icp_required)
        own = (*rules, service.allowed_sites, service.avoided_sites, capacities)
        known = self.problem.external_by_name
        beyond = [(e, self._unreached(e)) for e in service.edges if e.callee in known]
        beyond = [(e, regions) for e, regions in beyond if regions]
        if beyond:
            verdicts = self._with_calls(service, own, beyond)
            return _split(self.sites, verdicts)
        if own not in self.answers:
            self.answers[own] = _split(self.sites, self._without_calls(service, own))
        return self.answers[own]

    def _without_calls(self, service: ServiceDemand, own: tuple[object, ...]) -> list[Rejection | None]:
        capacities = own[-1]
        assert isinstance(capacities, tuple)
        if own not in self.verdicts:
            words = (capacities[number] for number in self.alike)
            self.verdicts[own] = [_by_itself(service, site, no) for site, no in zip(self.sites, words, strict=True)]
        return self.verdicts[own]

    def _with_calls(
        self, service: ServiceDemand, own: tuple[object, ...], beyond: list[tuple[Edge, dict[str, str]]]
    ) -> list[Rejection | None]:
        found: list[Rejection | None] = []
        for site, told in zip(self.sites, self._without_calls(service, own), strict=True):
            region = site.region
            edge, why = next((row for row in beyond if region in row[1]), (None, {}))
            found.append(_out_of_reach(service, site, edge, why[region]) if told is None and edge else told)
        return found

    def _unreached(self, edge: Edge) -> dict[str, str]:
        """Region -> why that external cannot be called from there."""
        key = (edge.callee, edge.max_rtt_ms, edge.within)
        if key not in self.cut_off:
            words = ((region, _external(self.problem, edge, region)) for region in self.regions)
            self.cut_off[key] = {region: why for region, why in words if why}
        return self.cut_off[key]


def _split(sites: list[SiteOffer], verdicts: list[Rejection | None]) -> tuple[tuple[str, ...], tuple[Rejection, ...]]:
    yes = tuple(site.id for site, no in zip(sites, verdicts, strict=True) if no is None)
    return yes, tuple(no for no in verdicts if no is not None)


def reject(problem: Problem, service: ServiceDemand, site: SiteOffer) -> Rejection | None:
    """The first rule that keeps the service out of the site, or None."""
    no = _by_itself(service, site, _capacity(problem, service, site))
    return no if no is not None else _cut_off(problem, service, site)


def forbidden(problem: Problem, service: ServiceDemand, site: SiteOffer) -> Rejection | None:
    """As reject, but of the site's machines it is only asked whether there may be nodes at all."""
    no = _by_itself(service, site, _clusterless(service, site))
    return no if no is not None else _cut_off(problem, service, site)


def _cut_off(problem: Problem, service: ServiceDemand, site: SiteOffer) -> Rejection | None:
    for edge in service.edges:
        if edge.callee in problem.external_by_name and (why := _external(problem, edge, site.region)):
            return _out_of_reach(service, site, edge, why)
    return None


def _by_itself(service: ServiceDemand, site: SiteOffer, capacity: str) -> Rejection | None:
    """The first rule but those of its calls. capacity: as `_capacity` says."""
    if why := _residency(service, site):
        return Rejection(site=site.id, rule="data_residency", reason=why)
    if why := _icp(service, site):
        return Rejection(site=site.id, rule="icp", reason=why)
    if why := _site_rule(service, site):
        return Rejection(site=site.id, rule="site_rule", reason=why)
    return Rejection(site=site.id, rule="capacity", reason=capacity) if capacity else None


def _out_of_reach(service: ServiceDemand, site: SiteOffer, edge: Edge, why: str) -> Rejection:
    return Rejection(site=site.id, rule="external", reason=why, caller=service.name, callee=edge.callee)


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


def _clusterless(service: ServiceDemand, site: SiteOffer) -> str:
    return "" if service.dedicated or site.kubernetes else f"{site.region} has no cluster"


def _capacity(problem: Problem, service: ServiceDemand, site: SiteOffer) -> str:
    if why := _clusterless(service, site):
        return why
    if any(holds(problem, t, service) for t in site.types):
        return ""
    more = f", {service.disk_gib} GiB of local disk" if service.disk_gib else ""
    more += f" and {service.gpu} GPU" if service.gpu else ""
    if service.architectures != ("amd64",):
        more += f" for {', '.join(service.architectures)}"
    if any(t.spot for t in site.types) and service.max_spot_share <= 0:
        more += " without being spot"
    return f"no machine type sold here holds {service.cpu_millicores}m cpu, {service.memory_mib} MiB{more}"


def _external(problem: Problem, edge: Edge, region: str) -> str:
    """Why that external cannot be called from the region; empty where it can."""
    if hop_to_external(problem, region, edge) is not None:
        return ""
    known = problem.external_by_name[edge.callee].callers_from
    if known is not None and region not in known:
        return f"it calls {edge.callee}, which wants a fixed egress address, and {region} has none"
    limit = f" within {edge.max_rtt_ms:g} ms" if edge.max_rtt_ms is not None else ""
    return f"it calls {edge.callee}, which cannot be reached from {region}{limit}"
