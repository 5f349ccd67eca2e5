"""Rows of the integer program beyond capacity, calls and spread: what a zone, region or cloud may carry of a service
(survival of its loss, anti-affinity), pins, users, spot machines, machines of which there are only so many, teams'
quotas, preferences. Callers: formulation. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from scheduler.problem import LEVELS, Apart, ServiceDemand, SiteOffer
from scheduler.sizes import CPU, MEMORY, domain_cap, domain_of, room, size_of

if TYPE_CHECKING:
    from scheduler.formulation import Formulation

Terms = list[tuple[int, float]]


class Rules:
    """Adds its rows to a formulation that has its columns already."""

    def __init__(self, formulation: Formulation) -> None:
        self.f = formulation
        self._somewhere: dict[tuple[str, str], int] = {}

    def add(self) -> None:
        for service in self.f.problem.services:
            self._caps(service)
            self._floors(service)
            for rule in service.apart:
                self._apart(service, rule)
            for site, price in sorted(service.dearer.items()):
                if (service.name, site) in self.f.x and self.f.priced:
                    self.f.model.cost[self.f.x[service.name, site]] += price
        self._classes()
        self._counts()
        self._teams()

    def _sites(self, service: str) -> dict[str, int]:
        return {site: x for (name, site), x in self.f.x.items() if name == service}

    def _caps(self, service: ServiceDemand) -> None:
        for level in LEVELS:
            cap = domain_cap(service, level)
            if cap is None:
                continue
            domains: dict[str, Terms] = defaultdict(list)
            zones: dict[str, int] = {}
            for site_id, x in self._sites(service.name).items():
                domain = domain_of(self.f.problem.site_by_id[site_id], level)
                domains[domain].append((x, 1.0))
                zones[domain] = self.f.zones[site_id] if level == "zone" else 1
            for domain, terms in sorted(domains.items()):
                self.f.model.row(terms, upper=cap * zones[domain])

    def _floors(self, service: ServiceDemand) -> None:
        sites = self._sites(service.name)
        for site_id, least in sorted(service.pinned.items()):
            self.f.model.row([(sites[site_id], 1.0)] if site_id in sites else [], lower=least)
        for rule in service.users:
            rtt = self.f.problem.population_by_name[rule.population].rtt_ms
            near = {r for r, ms in rtt.items() if ms <= rule.max_rtt_ms}
            terms = [(x, 1.0) for s, x in sites.items() if self.f.problem.site_by_id[s].region in near]
            self.f.model.row(terms, lower=1)

    def _present(self, service: ServiceDemand, site_id: str) -> int:
        """Column that is 1 wherever the service has a replica in that site."""
        key = (service.name, site_id)
        if key not in self._somewhere:
            col = self._somewhere[key] = self.f.model.column()
            self.f.model.row([(self.f.x[key], 1), (col, -service.replicas)], upper=0)
        return self._somewhere[key]

    def _apart(self, service: ServiceDemand, rule: Apart) -> None:
        if rule.over not in LEVELS:
            return  # of nodes: that is packing
        other = self.f.problem.service_by_name[rule.service]
        mine, theirs = self._by_domain(service, rule.over), self._by_domain(other, rule.over)
        for domain in sorted(mine.keys() & theirs.keys()):
            if rule.over == "zone" and self.f.zones[mine[domain][0].id] > 1:
                continue  # it stands for several zones, and the two may be in different ones
            use = [self.f.model.column(), self.f.model.column()]
            for col, who, sites in ((use[0], service, mine[domain]), (use[1], other, theirs[domain])):
                for site in sites:
                    self.f.model.row([(self._present(who, site.id), 1), (col, -1)], upper=0)
            self.f.model.row([(use[0], 1), (use[1], 1)], upper=1)

    def _by_domain(self, service: ServiceDemand, level: str) -> dict[str, list[SiteOffer]]:
        found: dict[str, list[SiteOffer]] = defaultdict(list)
        for site_id in self._sites(service.name):
            site = self.f.problem.site_by_id[site_id]
            found[domain_of(site, level)].append(site)
        return found

    def _classes(self) -> None:
        """Sums over the machines of one kind only: what asks for an architecture, or for machines that stay."""
        for site in self.f.sites:
            types = [t for t in site.types if (site.id, t.name) in self.f.n]
            rooms = {t.name: room(self.f.problem, t) for t in types}
            for slots in range(5, 8):
                here = [t for t in types if rooms[t.name][slots] > 0]
                if len(here) == len(types):
                    continue
                asking = [
                    s for s in self.f.problem.services
                    if not s.dedicated and size_of(s)[slots] and (s.name, site.id) in self.f.x
                ]  # fmt: skip
                for axis in (CPU, MEMORY):
                    terms = [(self.f.x[s.name, site.id], float(size_of(s)[axis])) for s in asking]
                    if slots == 7:
                        terms += [
                            (self.f.loose[s.name, site.id], -float(size_of(s)[axis]))
                            for s in asking
                            if (s.name, site.id) in self.f.loose
                        ]
                    if terms:
                        nodes = [(self.f.n[site.id, t.name], -float(rooms[t.name][axis])) for t in here]
                        self.f.model.row([*terms, *nodes], upper=0)

    def _counts(self) -> None:
        """Pods' nodes and machines of VM services together, where there are only so many of a type."""
        users: dict[tuple[str, str], Terms] = defaultdict(list)
        for key, n in (*self.f.n.items(), *self.f.spares.items()):
            users[key].append((n, 1.0))
        for (_, site, name), d in self.f.d.items():
            users[site, name].append((d, 1.0))
        for (site, name), terms in users.items():
            limit = self.f.offers[site, name].max_count
            if limit is not None and len(terms) > 1:
                self.f.model.row(terms, upper=limit * self.f.zones[site])

    def _teams(self) -> None:
        for quota in self.f.problem.team_quotas:
            for limit, axis in ((quota.cpu_millicores, CPU), (quota.memory_mib, MEMORY)):
                if limit is None:
                    continue
                terms = [
                    (x, float(size_of(self.f.problem.service_by_name[name])[axis]))
                    for (name, site), x in self.f.x.items()
                    if self.f.problem.service_by_name[name].team == quota.team
                    and quota.region in ("", self.f.problem.site_by_id[site].region)
                ]
                self.f.model.row(terms, upper=limit)
