"""The model with each single machine (scheduler.slots), and for each machine whether it is in its region's first zone.

So spreads over zones, and the room that each zone keeps for an update, are in it, and it leaves out no placement: it is
a relaxation, which the model with all pods of a region in one zone is not. Machines that are not in the first zone may
be in several. Of these zones together it asks a little less than of each: the room on some machine per resource, and a
service on two of their machines may be in two zones. So what it says may fail, while its bound holds; also where one
region stands for others as well (scheduler.regions), whose zones are further ones of it. Callers: pieces. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduler.problem import ServiceDemand, SiteOffer
from scheduler.sizes import room, size_of
from scheduler.slots import ROOMS, Slots, Terms

FIRST, LATER = 0, 1  # zones of a region


@dataclass(slots=True)
class ZonedSlots(Slots):
    """The first machine of a region, the dearest, is in its first zone."""

    _domains: dict[str, Terms] = field(default_factory=dict)  # service -> zones that it counts as spread over

    def _rooms(self, site: SiteOffer, tenants: list[ServiceDemand]) -> dict[int, int]:
        return Slots._rooms(self, site, tenants) if self._count(site) == 1 else {}  # else each zone keeps its own

    def _over_zones(self) -> None:
        spread = {s.name: s.spread for s in self.problem.services if s.spread and not s.dedicated}
        self._domains = {name: [] for name, rule in spread.items() if rule.over == "zone"}
        for site in self.sized.formulation.sites:
            count = self._count(site)
            if count > 1:
                self._zones(site, count)
            elif count:
                for s in self.tenants(site):
                    if s.name in self._domains:
                        self._domains[s.name].append((self.sized.formulation.here[s.name, site.id], 1.0))
        for name, marks in self._domains.items():
            self.model.row(marks, lower=spread[name].min_domains)

    def _zones(self, site: SiteOffer, count: int) -> None:
        model = self.model
        for k in range(count):
            later = self._later[site.id, k] = model.column(upper=1 if k else 0)
            model.row([(later, 1.0), *((col, -1.0) for col in self._machine(site, k).values())], upper=0)
        tenants = self.tenants(site)
        updated = self.updated(tenants)
        on: dict[str, list[int]] = {}
        for s in tenants:
            if s.name in self._domains or s in updated:
                on[s.name] = [self._is_on(site, k, s) for k in range(count)]
        inside = [{s.name: model.column() for s in updated} for _ in (FIRST, LATER)]
        for s in updated:
            for k, there in enumerate(on[s.name]):
                later = self._later[site.id, k]
                model.row([(inside[FIRST][s.name], 1.0), (there, -1.0), (later, 1.0)], lower=0)
                model.row([(inside[LATER][s.name], 1.0), (there, -1.0), (later, -1.0)], lower=-1)
            here = self.sized.formulation.here[s.name, site.id]
            model.row([(inside[FIRST][s.name], 1.0), (inside[LATER][s.name], 1.0), (here, -1.0)], lower=0)
        for zone in (FIRST, LATER) if updated else ():
            self._keep_rooms(site, count, zone, updated, inside[zone])
        for s in tenants:
            if s.name in self._domains:
                self._domains[s.name] += self._marks(site, on[s.name])

    def _machine(self, site: SiteOffer, k: int) -> dict[str, int]:
        """Columns that say of which type it is."""
        types = (name for place, name in self.sized.formulation.n if place == site.id)
        return {name: self._type[site.id, k, name] for name in types if (site.id, k, name) in self._type}

    def _is_on(self, site: SiteOffer, k: int, service: ServiceDemand) -> int:
        """Column that is 1 where that machine has some of its pods."""
        pods = self._on[site.id, k, service.name]
        most = self.model.upper[pods]
        if most <= 1:
            return pods
        there = self.model.column()
        self.model.row([(pods, 1.0), (there, -most)], upper=0)
        self.model.row([(pods, 1.0), (there, -1.0)], lower=0)
        return there

    def _in_zone(self, site: SiteOffer, k: int, zone: int, column: int) -> None:
        """It is 0 where that machine is not in that zone."""
        later = self._later[site.id, k]
        self.model.row([(column, 1.0), (later, 1.0 if zone == FIRST else -1.0)], upper=1 - zone)

    def _keep_rooms(
        self, site: SiteOffer, count: int, zone: int, updated: list[ServiceDemand], inside: dict[str, int]
    ) -> None:
        """One machine of the zone has the room for an update; where it may be several zones, one per resource."""
        model, several = self.model, zone == LATER and count > 2
        keeps: list[int] = []
        for axis in ROOMS:
            most = max(size_of(s)[axis] for s in updated)
            if not most:
                continue
            if several or not keeps:
                keeps = [model.column() for _ in range(count)]
                for k in range(count):
                    self._in_zone(site, k, zone, keeps[k])
                for s in updated:
                    if size_of(s)[axis] or not several:
                        model.row([(inside[s.name], 1.0), *((col, -1.0) for col in keeps)], upper=0)
            kept = model.column(upper=most)
            for s in updated:
                model.row([(kept, 1.0), (inside[s.name], -float(size_of(s)[axis]))], lower=0)
            for k in range(count):
                load = [
                    (self._on[site.id, k, s.name], float(size_of(s)[axis]))
                    for s in self.tenants(site)
                    if size_of(s)[axis]
                ]
                have = [
                    (col, -float(room(self.problem, self.sized.formulation.offers[site.id, name])[axis]))
                    for name, col in self._machine(site, k).items()
                ]
                model.row([*load, *have, (kept, 1.0), (keeps[k], float(most))], upper=most)

    def _marks(self, site: SiteOffer, on: list[int]) -> Terms:
        """Columns that add up to the zones that a service is in, at most."""
        model, several = self.model, len(on) > 2
        found: Terms = []
        for zone in (FIRST, LATER):
            marks = [model.column() for _ in on]
            for k, there in enumerate(on):
                model.row([(marks[k], 1.0), (there, -1.0)], upper=0)
                self._in_zone(site, k, zone, marks[k])
            if zone == LATER and several:
                found += [(mark, 1.0) for mark in marks]
                continue
            found.append((model.column(), 1.0))
            model.row([found[-1], *((mark, -1.0) for mark in marks)], upper=0)
        return found
