"""Leaves out regions whose whole content could as well be in another one: at no higher price, with nothing farther.

The relaxation with equal zones merged (formulation) needs only one of two such regions: whatever placement there is,
with everything of the worse region in the better one it is a solution of that relaxation, and costs no more. So the
bound without the worse regions is a bound on the whole problem, and the model is much smaller. (Zones and single nodes
are another matter: two zones' rooms for updates may not fit on one node. So a placement found without them is only very
likely the best.) And the other way round: services kept within some regions. Callers: search, rounded. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from scheduler.eligibility import Eligibility
from scheduler.problem import NODE, Edge, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import dedicated_types, pool_types, site_classes
from scheduler.sizes import room
from scheduler.traffic import Assignment, hop_to_external, hops_to_service

LOCAL = ("zone", "region")
Limit = tuple[float | None, str]  # of an edge: max_rtt_ms, within
Prices = dict[str, dict[str, float]]  # region of a caller -> region that can answer -> price per GB


def without_dominated(problem: Problem, eligibility: Eligibility) -> tuple[Problem, Eligibility]:
    """The problem whose merged relaxation bounds this one, and where its services may be: in fewer regions.

    A region that takes another one's content has the quota of both; it is for the relaxation, not for a placement.
    """
    regions = _Regions(problem, eligibility)
    quotas = dict(problem.region_quota_vcpu)
    alive = [r for r in problem.regions if regions.tenants(r)]
    for worse in reversed(alive.copy()):
        better = next((b for b in alive if b != worse and regions.dominates(b, worse, alive)), None)
        if better is None:
            continue
        alive.remove(worse)
        if worse in quotas and better in quotas:
            quotas[better] += quotas[worse]
        else:
            quotas.pop(better, None)
    keep = {s.id for s in problem.sites if s.region in alive}
    allowed = {name: tuple(s for s in sites if s in keep) for name, sites in eligibility.allowed.items()}
    return replace(problem, region_quota_vcpu=quotas), Eligibility(allowed, eligibility.rejections)


@dataclass
class _Regions:
    """What is asked about pairs of regions."""

    problem: Problem
    eligibility: Eligibility
    _tenants: dict[str, list[ServiceDemand]] = field(default_factory=dict)

    def tenants(self, region: str) -> list[ServiceDemand]:
        """Services that may be somewhere in it."""
        if region not in self._tenants:
            sites = {s.id for s in self.problem.sites if s.region == region}
            allowed = self.eligibility.allowed
            self._tenants[region] = [s for s in self.problem.services if not sites.isdisjoint(allowed[s.name])]
        return self._tenants[region]

    def dominates(self, better: str, worse: str, alive: list[str]) -> bool:
        """Whether everything that is in the worse region can be in the better one instead."""
        services = self.tenants(worse)
        return (
            not self._bound_to_places(better, worse, services)
            and all(self._takes(here, better) for here in self._classes[worse])
            and self._as_near_to_users(better, worse, services)
            and self._externals_as_cheap(better, worse, services)
            and all(_as_cheap(prices, better, worse, alive) for prices in self._prices)
        )

    def _bound_to_places(self, better: str, worse: str, services: list[ServiceDemand]) -> bool:
        """Whether a rule speaks of single zones or regions, or of two clouds that these two are in, or names a site."""
        same_cloud = self.problem.cloud_of[better] == self.problem.cloud_of[worse]
        levels = LOCAL if same_cloud else (*LOCAL, "cloud")
        names = {s.name for s in services}
        teams = {s.team for s in services}
        named = {i for s in self.problem.services for i in (*s.pinned, *s.dearer, *s.current)}
        if any(self.problem.site_by_id[i].region in (better, worse) for i in named):
            return True
        if any(q.region == better and q.team in teams for q in self.problem.team_quotas):
            return True
        for s in self.problem.services:
            if not same_cloud and any(e.within == "cloud" for e in s.edges):
                return True
            if any(a.over != NODE and names & {s.name, a.service} for a in s.apart):
                return True
        return any(
            (s.spread is not None and s.spread.over in levels[1:])
            or any(level in s.max_per or level in s.survives for level in levels)
            for s in services
        )

    @cached_property
    def _classes(self) -> dict[str, list[list[SiteOffer]]]:
        found: dict[str, list[list[SiteOffer]]] = defaultdict(list)
        for group in site_classes(self.problem, self.eligibility):
            found[group[0].region].append(group)
        return found

    def _takes(self, group: list[SiteOffer], better: str) -> bool:
        """Whether some kind of zone there can have all that may be in these zones, on machines that cost no more."""
        site = group[0]
        here = [s for s in self.problem.services if site.id in self.eligibility.allowed[s.name]]
        spreads = [s.spread for s in here if s.spread is not None and s.spread.over == "zone"]
        zones = max((r.min_domains for r in spreads), default=1)
        return any(self._is_as_good(other, site, here, zones) for other in self._classes[better])

    def _is_as_good(self, group: list[SiteOffer], site: SiteOffer, here: list[ServiceDemand], zones: int) -> bool:
        there = group[0]
        if len(group) < zones or there.max_machines is not None:
            return False
        if any(there.id not in self.eligibility.allowed[s.name] for s in here):
            return False
        for s in here:
            if s.dedicated:  # all of a group of instances are of one type, so that must be the best in all respects
                own = dedicated_types(self.problem, there, s)
                if len(own) != 1 or own[0].max_count is not None:
                    return False
        pods = [s for s in here if not s.dedicated]
        worth = {*pool_types(self.problem, site, pods)}
        worth |= {t for s in here if s.dedicated for t in dedicated_types(self.problem, site, s)}
        return all(any(self._replaces(t, old) for t in there.types) for old in worth)

    def _replaces(self, new: InstanceOffer, old: InstanceOffer) -> bool:
        if new.bare or new.max_count is not None or new.price_per_hour > old.price_per_hour or new.vcpu > old.vcpu:
            return False
        return all(
            a >= b
            for own in (False, True)
            for a, b in zip(room(self.problem, new, own), room(self.problem, old, own), strict=True)
        )

    def _as_near_to_users(self, better: str, worse: str, services: list[ServiceDemand]) -> bool:
        for s in services:
            for rule in s.users:
                rtt = self.problem.population_by_name[rule.population].rtt_ms
                near = {region for region, ms in rtt.items() if ms <= rule.max_rtt_ms}
                if worse in near and better not in near:
                    return False
        return True

    def _externals_as_cheap(self, better: str, worse: str, services: list[ServiceDemand]) -> bool:
        for s in services:
            for edge in s.edges:
                if edge.callee in self.problem.external_by_name:
                    old = hop_to_external(self.problem, worse, edge)
                    new = hop_to_external(self.problem, better, edge)
                    if old is not None and (new is None or new.price_per_gb > old.price_per_gb):
                        return False
        return True

    @cached_property
    def _prices(self) -> list[Prices]:
        """For each limit that calls between services have."""
        externals = self.problem.external_by_name
        limits = {(e.max_rtt_ms, e.within) for s in self.problem.services for e in s.edges if e.callee not in externals}
        return [self._prices_within(limit) for limit in sorted(limits, key=str)]

    def _prices_within(self, limit: Limit) -> Prices:
        probe = Edge(callee="", max_rtt_ms=limit[0], within=limit[1])
        return {
            r: {h.place: h.price_per_gb for h in hops_to_service(self.problem, r, probe)} for r in self.problem.regions
        }


def _as_cheap(prices: Prices, better: str, worse: str, alive: list[str]) -> bool:
    """Whether callers and callees of the worse region reach from the better one whatever they reach, as cheaply."""
    inside = [(worse, worse), (worse, better), (better, worse)]
    moved = [((a, b), (better, better)) for a, b in inside]
    for other in alive:
        if other not in (better, worse):
            moved += [((worse, other), (better, other)), ((other, worse), (other, better))]
    never = float("inf")
    return all(prices[a].get(b, never) >= prices[c].get(d, never) for (a, b), (c, d) in moved)


def regions_of(problem: Problem, assignment: Assignment) -> set[str]:
    """The regions in which that assignment has replicas."""
    return {problem.site_by_id[s].region for sites in assignment.values() for s in sites}


def only_in(
    problem: Problem, eligibility: Eligibility, regions: Collection[str], *, pods_in_first: bool = False
) -> Eligibility:
    """Services in those regions, unless they may be in none of them: in each group of equal zones in as many as any
    spread asks for; pods_in_first: pods in the first one alone."""
    spreads = [s.spread for s in problem.services if s.spread and s.spread.over == "zone"]
    most = max((s.min_domains for s in spreads), default=1)
    groups = [group for group in site_classes(problem, eligibility) if group[0].region in regions]
    first = {group[0].id for group in groups}
    several = {site.id for group in groups for site in group[:most]}
    allowed = {}
    for s in problem.services:
        keep = first if pods_in_first and not s.dedicated else several
        sites = eligibility.allowed[s.name]
        allowed[s.name] = tuple(i for i in sites if i in keep) or sites
    return Eligibility(allowed, eligibility.rejections)


def with_regions(problem: Problem, fewer: Eligibility, all_sites: Eligibility, regions: Collection[str]) -> Eligibility:
    """The first, and of the second what is in those regions."""
    allowed = {
        name: tuple(i for i in sites if i in fewer.allowed[name] or problem.site_by_id[i].region in regions)
        for name, sites in all_sites.allowed.items()
    }
    return Eligibility(allowed, all_sites.rejections)
