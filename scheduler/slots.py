"""Placements from the model with equal zones merged, and beside it each single machine: its type, and its pods.

The merged model adds up what machines hold, so what it says mostly does not pack. Here each region has slots, at most
so many as it may have machines. Each slot is a machine of one type or none, pods of a service stand on it up to what
one node may have of it, and one machine keeps the room for an update. CP-SAT solves that where HiGHS does not get far
(scheduler.cp_sat).

It is no relaxation: all pods of a region are meant for its first zone, so one machine keeps the room for all of them,
and spreads over zones are spreads over regions. What it says is checked by all rules. Callers: search. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from scheduler.by_size import WHOLE, BySize, Part
from scheduler.check import broken_rules
from scheduler.cp_sat import solve_whole_numbers
from scheduler.eligibility import Eligibility
from scheduler.highs import MixedIntegerModel
from scheduler.improve import split_over_zones
from scheduler.nodes import Complete, assembled
from scheduler.problem import NODE, InstanceOffer, NodeLoad, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import site_classes
from scheduler.sizes import CPU, DIMENSIONS, MEMORY, ON_DEMAND, PODS, node_cap, room, size_of

MOST_SLOTS = 40  # of all regions together; beyond that the model gets too large to be of use
MOST_COLUMNS = 3_000
LEAST_SHARE = 0.05  # machines that the relaxation buys in a region for it to get a whole one
PRICE_STEPS = 10_000  # of one unit of money: finer ones only keep CP-SAT busy
MOST_SPLITS = 200  # ways to have some machines of a region in its second zone that are tried
ROOMS = (CPU, MEMORY, PODS)  # resources of which a machine keeps room for an update

Terms = list[tuple[int, float]]


@dataclass(slots=True)
class Slots:
    """The model of one part of the placements. model: of that part, extended here. possible: it is small enough."""

    problem: Problem
    eligibility: Eligibility
    sized: BySize
    part: Part
    model: MixedIntegerModel
    possible: bool = True
    most_columns: int = MOST_COLUMNS
    _on: dict[tuple[str, int, str], int] = field(default_factory=dict)  # (site, slot, service) -> column
    _type: dict[tuple[str, int, str], int] = field(default_factory=dict)  # (site, slot, machine type) -> column
    _later: dict[tuple[str, int], int] = field(default_factory=dict)  # (site, slot) -> column: not in the first zone

    def __post_init__(self) -> None:
        f = self.sized.formulation
        counts = {site.id: self._count(site) for site in f.sites}
        self.possible = sum(counts.values()) <= MOST_SLOTS
        for site in f.sites if self.possible else ():
            if counts[site.id]:
                self._site(site, counts[site.id])
        if self.possible:
            self._over_zones()
        self.possible = self.possible and len(self.model.cost) <= self.most_columns

    def _count(self, site: SiteOffer) -> int:
        """How many machines there can be at most."""
        bought = [self.model.upper[col] for (place, _), col in self.sized.formulation.n.items() if place == site.id]
        limits = [self.part.size[1], self.part.regions.get(site.region, (0, None))[1], math.fsum(bought)]
        return round(min(limit for limit in limits if limit is not None))

    def _site(self, site: SiteOffer, count: int) -> None:
        f, model = self.sized.formulation, self.model
        tenants = self.tenants(site)
        types = [f.offers[key] for key, col in f.n.items() if key[0] == site.id and model.upper[col] > 0]
        kept = self._rooms(site, tenants)
        keeps = [model.column() for _ in range(count)] if kept else []
        for k in range(count):
            self._slot(site, k, types, tenants, kept, keeps)
        for s in tenants:
            model.row(
                [(f.x[s.name, site.id], 1.0), *((self._on[site.id, k, s.name], -1.0) for k in range(count))],
                lower=0,
                upper=0,
            )
            if s.surge and kept:
                model.row([(f.here[s.name, site.id], 1.0), *((col, -1.0) for col in keeps)], upper=0)
        for t in types:
            slots = [(self._type[site.id, k, t.name], -1.0) for k in range(count)]
            model.row([(f.n[site.id, t.name], 1.0), *slots], lower=0, upper=0)

    def tenants(self, site: SiteOffer) -> list[ServiceDemand]:
        """Services whose pods may be there."""
        return [s for s in self.problem.services if (s.name, site.id) in self.sized.formulation.here]

    def updated(self, tenants: Iterable[ServiceDemand]) -> list[ServiceDemand]:
        """Those for whose updates a zone keeps room."""
        return [s for s in tenants if s.surge] if self.problem.rollout_headroom else []

    def _rooms(self, site: SiteOffer, tenants: list[ServiceDemand]) -> dict[int, int]:
        """Columns of the room for an update on one machine, per resource."""
        updated = self.updated(tenants)
        found: dict[int, int] = {}
        for axis in ROOMS:
            most = max((size_of(s)[axis] for s in updated), default=0)
            if most:
                found[axis] = self.model.column(upper=most)
                for s in updated:
                    present = self.sized.formulation.here[s.name, site.id]
                    self.model.row([(found[axis], 1.0), (present, -float(size_of(s)[axis]))], lower=0)
        return found

    def _over_zones(self) -> None:
        """Spreads over zones are spreads over regions, or what is in first zones would not keep them."""
        f = self.sized.formulation
        for s in self.problem.services:
            if s.spread is None or s.spread.over != "zone" or s.dedicated:
                continue
            marks: Terms = []
            for (name, _), col in f.x.items():
                if name == s.name:
                    marks.append((self.model.column(), 1.0))
                    self.model.row([(col, 1.0), (marks[-1][0], -float(s.spread.min_each))], lower=0)
            self.model.row(marks, lower=s.spread.min_domains)

    def _slot(
        self,
        site: SiteOffer,
        k: int,
        types: list[InstanceOffer],
        tenants: list[ServiceDemand],
        kept: dict[int, int],
        keeps: list[int],
    ) -> None:
        """One machine, none dearer than that of the slot before."""
        model = self.model
        for t in types:
            self._type[site.id, k, t.name] = model.column()
        chosen = [(self._type[site.id, k, t.name], 1.0) for t in types]
        model.row(chosen, upper=1)
        if k:
            steps = {
                t.name: float(rank) for rank, t in enumerate(sorted(types, key=lambda t: (t.price_per_hour, t.name)), 1)
            }
            before = [(self._type[site.id, k - 1, t.name], steps[t.name]) for t in types]
            model.row([*before, *((self._type[site.id, k, t.name], -steps[t.name]) for t in types)], lower=0)
        for s in tenants:
            self._on[site.id, k, s.name] = model.column(upper=min(node_cap(self.problem, s), s.replicas))
        rooms = {t.name: room(self.problem, t) for t in types}
        for axis in range(DIMENSIONS):
            load: Terms = [(self._on[site.id, k, s.name], float(size_of(s)[axis])) for s in tenants if size_of(s)[axis]]
            if axis == ON_DEMAND or not load:
                continue  # what may be on spot machines is said by the merged model alone
            have = [(self._type[site.id, k, t.name], -float(rooms[t.name][axis])) for t in types]
            model.row([*load, *have], upper=0)
            if axis in kept:
                most = model.upper[kept[axis]]
                model.row([*load, *have, (kept[axis], 1.0), (keeps[k], most)], upper=most)

    def read(self, values: list[float]) -> Complete | None:
        """The first way to say in which zone each machine is that holds by all rules."""
        draft = self.sized.formulation.read(values)
        groups = site_classes(self.problem, self.eligibility)
        split = split_over_zones(self.problem, groups, draft.assignment)
        alone = {s.name: split[s.name] for s in self.problem.services if s.dedicated}
        types = {(service, site): name for service, site, name in draft.dedicated}
        first = {zone.id: group[0].id for group in groups for zone in group}
        bought = {
            (service, zone, types[service, zone if (service, zone) in types else first[zone]]): count
            for service, zones in alone.items()
            for zone, count in zones.items()
        }
        loads = []
        bought_slots = sorted(key for key, col in self._type.items() if round(values[col]))
        for site, k, name in bought_slots:
            pods = {s: round(values[col]) for (i, j, s), col in self._on.items() if (i, j) == (site, k)}
            loads.append(NodeLoad(site=site, instance_type=name, pods={s: n for s, n in sorted(pods.items()) if n}))
        second = [(site, k) in self._later and values[self._later[site, k]] > 0.5 for site, k, _ in bought_slots]
        for some in _arranged(loads, second, {group[0].id: [zone.id for zone in group] for group in groups}):
            assignment: dict[str, dict[str, int]] = {s.name: dict(alone.get(s.name, {})) for s in self.problem.services}
            for load in some:
                for service, count in load.pods.items():
                    there = assignment[service]
                    there[load.site] = there.get(load.site, 0) + count
            found = assembled(self.problem, assignment, some, bought)
            if not broken_rules(self.problem, found.assignment, found.pools, found.packing):
                return found
        return None


def rounded_slots(
    problem: Problem, eligibility: Eligibility, sized: BySize, part: Part, work: float
) -> Complete | None:
    """A placement with at most so many machines in each region as the part's relaxation buys there, rounded up."""
    if part.size[0] != part.size[1] or any(a.over == NODE for s in problem.services for a in s.apart):
        return None
    sites = {site.region for site in sized.formulation.sites}
    most = {r: math.ceil(share - WHOLE) if (share := part.shares.get(r, 0.0)) >= LEAST_SHARE else 0 for r in sites}
    fewer = Part(part.size, {r: (0, n) for r, n in sorted(most.items())})
    slots = Slots(problem, eligibility, sized, fewer, sized.model(fewer))
    answer = solve_whole_numbers(slots.model, work=work, price_steps=PRICE_STEPS) if slots.possible else None
    return slots.read(answer.values) if answer is not None and answer.values is not None else None


def _arranged(
    loads: list[NodeLoad], second: Sequence[bool], zones: Mapping[str, Sequence[str]]
) -> Iterator[list[NodeLoad]]:
    """The machines in their region's first or second zone as is said; then with some of one region in its second zone,
    the fewest first."""
    yield [
        replace(load, site=zones[load.site][1]) if there and len(zones[load.site]) > 1 else load
        for load, there in zip(loads, second, strict=True)
    ]
    tried = 0
    for site in sorted({load.site for load in loads}):
        mine = [k for k, load in enumerate(loads) if load.site == site]
        for count in range(1, len(mine)) if len(zones.get(site, ())) > 1 else ():
            for moved in combinations(mine, count):
                tried += 1
                if tried > MOST_SPLITS:
                    return
                yield [replace(load, site=zones[site][1]) if k in moved else load for k, load in enumerate(loads)]
