"""Columns and rows of the calls between services and what they cost: see scheduler.formulation. Callers: formulation.
Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from scheduler.problem import Edge, ServiceDemand
from scheduler.traffic import hop_to_external, hops_to_service, rising

if TYPE_CHECKING:
    from scheduler.formulation import Formulation

Terms = list[tuple[int, float]]


class Calls:
    """Adds the calls to a formulation that has its services and sites already."""

    def __init__(self, formulation: Formulation) -> None:
        self.f = formulation
        self._ladders: dict[tuple[str, str], tuple[int, int | None, int]] = {}

    def add(self, service: ServiceDemand) -> None:
        """The calls that the service makes."""
        for edge in service.edges:
            self._edge(service, edge)

    def _ladder(self, service: ServiceDemand, place: str) -> tuple[int, int | None, int] | None:
        """Columns (first replica in that region or site, the others) and the most of the latter; None: never there.

        The first is 1 exactly where the service is present. That ties a service that must answer calls there to the
        calls that it makes from there itself, which a mere upper bound on presence does not.
        """
        if (service.name, place) in self._ladders:
            return self._ladders[service.name, place]
        ids = [place] if place in self.f.problem.site_by_id else [s.id for s in self.f.sites if s.region == place]
        replicas = self.f.replicas(service.name, ids)
        if not replicas:
            return None
        here = [self.f.here[service.name, i] for i in ids if (service.name, i) in self.f.here]
        first = here[0] if len(here) == 1 and len(replicas) == 1 else self.f.model.column()
        for col in here:
            if col != first:
                self.f.model.row([(first, 1), (col, -1)], lower=0)
        if here and first not in here:
            self.f.model.row([*((col, 1.0) for col in here), (first, -1)], lower=0)
        most = max(1, self.f.most(service, ids)) - 1
        rest = self.f.model.column(upper=most, integer=False) if most else None
        others: Terms = [(rest, -1.0)] if rest is not None else []
        self.f.model.row([*replicas, (first, -1.0), *others], lower=0, upper=0)
        if rest is not None:
            self.f.model.row([(rest, 1), (first, -most)], upper=0)
        found = self._ladders[service.name, place] = (first, rest, most)
        return found

    def _edge(self, service: ServiceDemand, edge: Edge) -> None:
        by_region: dict[str, list[str]] = defaultdict(list)
        for site in self.f.allowed(service):
            by_region[site.region].append(site.id)
        for region, site_ids in sorted(by_region.items()):
            if edge.callee in self.f.problem.external_by_name:
                hop = hop_to_external(self.f.problem, region, edge)
                price = hop.price_per_gb if hop else 0.0  # unreachable sites are not eligible in the first place
                for site_id in site_ids:
                    self._charge(self.f.x[service.name, site_id], price * edge.gb_per_hour / service.replicas)
                continue
            hops = hops_to_service(self.f.problem, region, edge)
            within = next((h.price_per_gb for h in hops if h.place == region), None)
            if within == 0.0:
                self._origin(service, edge, region, [(h.price_per_gb, h.place) for h in hops])
            else:  # leaving the zone costs, or takes too long: each zone is an origin of its own
                for site_id in site_ids:
                    places = [(0.0, site_id), *rising([(h.price_per_gb, h.place) for h in hops])]
                    self._origin(service, edge, site_id, places)

    def _charge(self, column: int, amount: float) -> None:
        self.f.model.cost[column] += self.f.price(amount)

    def _origin(self, service: ServiceDemand, edge: Edge, origin: str, places: list[tuple[float, str]]) -> None:
        """Reach and egress of the calls that start there. places: (price per GB, place), cheapest first."""
        steps = self._ladder(service, origin)
        if steps is None:
            return
        first, rest, most = steps
        callee = self.f.problem.service_by_name[edge.callee]
        present = [(price, place, self._ladder(callee, place)) for price, place in places]
        candidates = [(price, place, found[0]) for price, place, found in present if found is not None]
        near = self._anywhere(origin, [(place, col) for _, place, col in candidates])
        self.f.model.row([(first, 1), *((col, -1.0) for col in near)], upper=0)
        if edge.gb_per_hour <= 0 or not candidates:
            return
        levels = [
            (price, [(place, col) for _, place, col in rows]) for price, rows in groupby(candidates, key=lambda c: c[0])
        ]
        per_replica = edge.gb_per_hour / service.replicas
        callers: Terms = [(first, 1.0), *([(rest, float(most))] if rest is not None else [])]
        for col, _ in callers:
            self._charge(col, levels[0][0] * per_replica)
        nearer: list[tuple[str, int]] = []
        for (price, cols), (next_price, _) in pairwise(levels):
            nearer += cols
            cost = self.f.price((next_price - price) * per_replica)
            for col, count in callers:
                beyond = self.f.model.column(cost, count, integer=False)
                near = self._anywhere(origin, nearer)
                self.f.model.row([(beyond, 1), (col, -1), *((there, count) for there in near)], lower=0)

    def _anywhere(self, origin: str, places: Sequence[tuple[str, int]]) -> list[int]:
        """Their presence columns, each presence once: where the origin's region is among them, the origin, a zone of
        it, is in that. Counted twice, half a replica would answer all calls."""
        site = self.f.problem.site_by_id.get(origin)
        around = site is not None and any(place == site.region for place, _ in places)
        return [col for place, col in places if not (around and place == origin)]
