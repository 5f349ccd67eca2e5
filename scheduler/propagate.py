"""Shows in milliseconds that a problem cannot hold, where that follows service by service.

Each service keeps the set of sites that it could be in, as the bits of a number. Sites fall out of it where nothing
that the service calls could answer them (arc consistency: Mackworth 1977), where not one machine of the right kind may
be had, or where a service that must be apart has to be; what is left must hold the pins, the users, the spread and all
replicas. What passes may still be impossible: sums over several services are the linear relaxation's. Callers:
conflicts. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from scheduler.eligibility import Eligibility
from scheduler.problem import LEVELS, Apart, Edge, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.sizes import DIMENSIONS, domain_cap, domain_of, holds, loose_size, node_cap, room
from scheduler.traffic import hops_to_service

Limits = tuple[float | None, str]  # of an edge: round trip, affinity


def hopeless(problem: Problem, eligibility: Eligibility) -> bool:
    """True only where no placement exists. False says nothing."""
    return Domains(problem, eligibility).emptied() or _teams_want_more(problem)


class Domains:
    """Where each service could still be."""

    def __init__(self, problem: Problem, eligibility: Eligibility) -> None:
        self.problem = problem
        self.sites = sorted(problem.sites, key=lambda s: s.id)
        self.bit = {site.id: 1 << i for i, site in enumerate(self.sites)}
        self.members = {level: self._members(level) for level in LEVELS}
        self.may = {name: self._bits(ids) for name, ids in eligibility.allowed.items()}
        # Equal zones sell the same machines, which are looked at once: per site, which of the lists it sells.
        lists: dict[tuple[InstanceOffer, ...], int] = {}
        self._which = [lists.setdefault(s.types, len(lists)) for s in self.sites]
        self._sold = tuple(lists)
        self._near: dict[Limits, list[int]] = {}
        self._kept: dict[tuple[Limits, int, int], int] = {}
        self._of_machines: dict[tuple[object, ...], tuple[dict[str, float], dict[str, float]]] = {}

    def emptied(self) -> bool:
        """Whether some service could be nowhere, or in too few places."""
        room = {s.name: self._site_room(s) for s in self.problem.services}
        for name, most in room.items():
            self.may[name] &= sum(self.bit[site_id] for site_id, n in most.items() if n >= 1)
        self._until_stable()
        return any(not self._holds(s, room[s.name]) for s in self.problem.services) or self._crowded()

    # -- sites that fall out ---------------------------------------------------------------------------------

    def _until_stable(self) -> None:
        changed = True
        while changed:
            changed = False
            for service in self.problem.services:
                for edge in service.edges:
                    if edge.callee in self.may:
                        changed |= self._keep(service.name, self._answered(service.name, edge))
                for rule in service.apart:
                    if rule.over in LEVELS:
                        changed |= self._apart(service.name, rule) | self._apart(
                            rule.service, Apart(service=service.name, over=rule.over)
                        )

    def _keep(self, name: str, bits: int) -> bool:
        before = self.may[name]
        self.may[name] = before & bits
        return self.may[name] != before

    def _answered(self, name: str, edge: Edge) -> int:
        """The caller's sites from which some site of the callee's can be called."""
        limits: Limits = (edge.max_rtt_ms, edge.within)
        key = (limits, self.may[name], self.may[edge.callee])
        if key not in self._kept:
            near = self._reach(limits, edge)
            _, mine, theirs = key
            self._kept[key] = sum(1 << i for i in range(len(self.sites)) if mine >> i & 1 and near[i] & theirs)
        return self._kept[key]

    def _reach(self, limits: Limits, edge: Edge) -> list[int]:
        """Per site, the sites that may answer a call from there."""
        if limits not in self._near:
            regions = self.members["region"]
            self._near[limits] = [
                self.bit[s.id] | _any(regions[h.place] for h in hops_to_service(self.problem, s.region, edge))
                for s in self.sites
            ]
        return self._near[limits]

    def _apart(self, name: str, rule: Apart) -> bool:
        """The other one must be in a single zone, region or cloud: then this one is not there."""
        theirs = self.may[rule.service]
        whole = [bits for bits in self.members[rule.over].values() if bits & theirs]
        return len(whole) == 1 and self._keep(name, ~whole[0])

    def _crowded(self) -> bool:
        """Services that are all apart from one another, and fewer places than services (the pigeonhole principle).

        Such sets are grown one by one from each service, in order of the names: not all are found.
        """
        for level in LEVELS:
            foes: defaultdict[str, set[str]] = defaultdict(set)
            for service in self.problem.services:
                for rule in service.apart:
                    if rule.over == level:
                        foes[service.name].add(rule.service)
                        foes[rule.service].add(service.name)
            for first in sorted(foes):
                group = [first]
                for other in sorted(foes[first]):
                    if all(other in foes[name] for name in group):
                        group.append(other)
                everywhere = _any(self.may[name] for name in group)
                if sum(1 for bits in self.members[level].values() if bits & everywhere) < len(group):
                    return True
        return False

    # -- what the rest must hold -----------------------------------------------------------------------------

    def _holds(self, service: ServiceDemand, most: Mapping[str, float]) -> bool:
        mine = self.may[service.name]
        if any(n and not mine & self.bit[site_id] for site_id, n in service.pinned.items()):
            return False
        for rule in service.users:
            rtt = self.problem.population_by_name[rule.population].rtt_ms
            near = (r for r, ms in rtt.items() if ms <= rule.max_rtt_ms)
            if not mine & _any(self.members["region"].get(r, 0) for r in near):
                return False
        rooms = self._rooms(service, most)
        if sum(rooms["cloud"].values()) < service.replicas:
            return False
        spread = service.spread
        if spread is None:
            return True
        enough = sum(1 for n in rooms[spread.over].values() if n >= spread.min_each)
        return enough >= spread.min_domains and spread.min_domains * spread.min_each <= service.replicas

    def _rooms(self, service: ServiceDemand, most: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Level -> zone, region or cloud -> replicas that it may carry, for the caps of all levels within."""
        inner = {s.id: most[s.id] for s in self.sites if self.may[service.name] & self.bit[s.id]}
        outer = {s.id: s for s in self.sites}
        found: dict[str, dict[str, float]] = {}
        for level in LEVELS:
            sums: defaultdict[str, float] = defaultdict(float)
            for name, n in inner.items():
                sums[domain_of(outer[name], level)] += n
            cap = domain_cap(service, level)
            quotas = self._room_of(service)[1] if level == "region" else {}
            inner = {d: min(n, math.inf if cap is None else cap, quotas.get(d, math.inf)) for d, n in sums.items()}
            found[level] = inner
            outer = {domain_of(s, level): s for s in self.sites}
        return found

    def _site_room(self, service: ServiceDemand) -> dict[str, float]:
        """Site -> replicas that its machines could carry if they carried nothing else."""
        sites, regions = self._room_of(service)
        return {
            s.id: min(sites[s.id], regions.get(s.region, math.inf))
            for s in self.sites
            if self.may[service.name] & self.bit[s.id]
        }

    def _room_of(self, service: ServiceDemand) -> tuple[dict[str, float], dict[str, float]]:
        """Replicas that a site's machines and that a region's quota could carry; equal services share the answers."""
        size = (service.dedicated, service.max_spot_share > 0, service.max_spot_share >= 1, loose_size(service))
        key = (*size, node_cap(self.problem, service))
        if key not in self._of_machines:
            fits = [tuple(t for t in some if holds(self.problem, t, service)) for some in self._sold]
            each = {t: _replicas_on(self.problem, service, t) for t in {t for some in fits for t in some}}
            by_site = {s.id: _on_machines(s, fits[i], each) for s, i in zip(self.sites, self._which, strict=True)}
            self._of_machines[key] = by_site, self._by_quota(fits, each)
        return self._of_machines[key]

    def _by_quota(
        self, fits: Sequence[tuple[InstanceOffer, ...]], each: Mapping[InstanceOffer, int]
    ) -> dict[str, float]:
        """Region -> replicas; not those regions where a machine counts nothing against the quota."""
        found: dict[str, float] = {}
        for region, quota in self.problem.region_quota_vcpu.items():
            mine = {i for s, i in zip(self.sites, self._which, strict=True) if s.region == region}
            here = [t for i in sorted(mine) for t in fits[i] if t.vcpu <= quota]
            if all(t.vcpu > 0 for t in here):
                found[region] = math.floor(max((each[t] * quota / t.vcpu for t in here), default=0.0) + 1e-9)
        return found

    # -- bits ------------------------------------------------------------------------------------------------

    def _bits(self, ids: Iterable[str]) -> int:
        return sum(self.bit[i] for i in ids)

    def _members(self, level: str) -> dict[str, int]:
        found: defaultdict[str, int] = defaultdict(int)
        for site in self.sites:
            found[domain_of(site, level)] |= self.bit[site.id]
        return dict(found)


def _any(bits: Iterable[int]) -> int:
    found = 0
    for some in bits:
        found |= some
    return found


def _on_machines(site: SiteOffer, types: tuple[InstanceOffer, ...], each: Mapping[InstanceOffer, int]) -> float:
    """Replicas on as many machines as the site may have, of those that hold one at all."""
    limited = all(t.max_count is not None for t in types)
    by_count = sum(each[t] * (t.max_count or 0) for t in types) if limited else math.inf
    most = max((each[t] for t in types), default=0)
    return min(by_count, math.inf if site.max_machines is None else site.max_machines * most)


def _replicas_on(problem: Problem, service: ServiceDemand, offer: InstanceOffer) -> int:
    """How many replicas one machine of that type carries at most."""
    if service.dedicated:
        return 1
    have, need = room(problem, offer), loose_size(service)
    fit = min((have[a] // need[a] for a in range(DIMENSIONS) if need[a] > 0), default=service.replicas)
    return int(min(fit, node_cap(problem, service)))


def _teams_want_more(problem: Problem) -> bool:
    """A team's quota for everywhere, and what its services request wherever they are."""
    for quota in problem.team_quotas:
        mine = [s for s in problem.services if s.team == quota.team and not quota.region]
        cpu = sum(s.replicas * s.cpu_millicores for s in mine)
        memory = sum(s.replicas * s.memory_mib for s in mine)
        if cpu > (quota.cpu_millicores if quota.cpu_millicores is not None else math.inf):
            return True
        if memory > (quota.memory_mib if quota.memory_mib is not None else math.inf):
            return True
    return False
