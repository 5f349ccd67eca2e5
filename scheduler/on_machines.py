"""The exact optimum on given machines, and a search over the machines: how a small placement is improved at the end.

Where it is said which machines stand in which zone, a model with one column per service and machine knows all of
packing: shares of a node, the room for updates on one of them, what each can carry. It is small, and mostly solved at
the root of its search. Machines are then taken away, exchanged, merged and moved, as long as that makes the optimum on
them cheaper. Callers: search. Pure; the work is counted in models.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility
from scheduler.formulation import Formulation
from scheduler.highs import LinearProgram, Relaxation, solve_linear, solve_model
from scheduler.nodes import Complete, assembled
from scheduler.problem import NODE, InstanceOffer, NodeLoad, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import pool_types, site_classes
from scheduler.sizes import AMD64, CPU, DIMENSIONS, MEMORY, ON_DEMAND, PODS, holds, node_cap, room, size_of

Way = tuple[tuple[str, tuple[str, ...]], ...]  # (site, names of its machines' types), both sorted
Terms = list[tuple[int, float]]

MOST_RELAXED = 300  # ways whose relaxation is looked at, zone by zone
MOST_TRIED, MOST_SOLVED = 30, 6  # ways whose relaxation with single machines and whose model are looked at
NODES = 1  # branch-and-bound nodes of a way's model: what is not decided at the root mostly ends dearer
DEARER = 1.1  # a machine is exchanged for one that costs at most so many times as much
MOST_COLUMNS = 2_500  # of a way's model; a larger one takes too long for how many are looked at
WORTH = 1e-6  # relative: what is less cheaper is not worth looking for


@dataclass
class Ways:
    """best: the cheapest placement known. nodes: branch-and-bound nodes searched."""

    problem: Problem
    eligibility: Eligibility
    best: Complete
    nodes: int = 0
    _relaxed: int = 0
    _tried: int = 0
    _solved: int = 0
    _offers: dict[str, dict[str, InstanceOffer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cost = weight_of(self.problem, self.best.assignment, self.best.pools)
        self._used = {(load.site, load.instance_type) for load in self.best.packing}

    def run(self) -> None:
        """First the same machines, then others, from each better placement on."""
        if any(a.over == NODE for s in self.problem.services for a in s.apart):
            return  # not in the model
        way = self._machines()
        self._try(way)
        seen = {way}
        while self._step(seen):
            pass

    def _step(self, seen: set[Way]) -> bool:
        """Whether a way that differs a little holds what is cheaper; those whose relaxation costs least first."""
        others = sorted(set(self._others(self._machines())) - seen, key=lambda w: (self._price(w), w))
        others = [w for w in others if self._price(w) < self.cost and self._has_room(w)][: MOST_RELAXED - self._relaxed]
        self._relaxed += len(others)
        if not others or self._tried >= MOST_TRIED:
            return False
        relaxed = _Relaxed(self.problem, self.eligibility, others)
        bounds = {w: relaxed.bound(w, self.cost * (1 - WORTH)) for w in others}
        for other in sorted((w for w in others if bounds[w] < math.inf), key=lambda w: (round(bounds[w], 6), w)):
            if self._tried >= MOST_TRIED or self._solved >= MOST_SOLVED:
                return False
            seen.add(other)
            if self._try(other):
                return True
        return False

    def _machines(self) -> Way:
        """Those of the best placement, without a pool's spare node."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for load in self.best.packing:
            found[load.site][load.instance_type] += 1
        spare = int(self.problem.spare_node_per_pool)
        return _way(
            {site: tuple((Counter({t: n - spare for t, n in c.items()})).elements()) for site, c in found.items()}
        )

    def _sold(self, site_id: str) -> dict[str, InstanceOffer]:
        if site_id not in self._offers:
            site = self.problem.site_by_id[site_id]
            pods = [s for s in self._pods if site_id in self.eligibility.allowed[s.name]]
            used = [t for t in site.types if (site_id, t.name) in self._used]  # even where no model would buy them
            self._offers[site_id] = {t.name: t for t in (*pool_types(self.problem, site, pods), *used)}
        return self._offers[site_id]

    @cached_property
    def _pods(self) -> list[ServiceDemand]:
        return [s for s in self.problem.services if not s.dedicated]

    def _price(self, way: Way) -> float:
        return math.fsum(self._sold(site)[name].price_per_hour for site, names in way for name in names)

    def _has_room(self, way: Way) -> bool:
        for axis in (CPU, MEMORY, PODS):
            rooms = sum(room(self.problem, self._sold(site)[name])[axis] for site, names in way for name in names)
            if sum(size_of(s)[axis] * s.replicas for s in self._pods) > rooms:
                return False
        return True

    # -- other machines --------------------------------------------------------------------------------------

    def _others(self, way: Way) -> Iterator[Way]:
        """One machine less, of another type, or elsewhere; two of a zone as one."""
        machines = dict(way)
        for site, names in way:
            for name in dict.fromkeys(names):
                rest = _without(names, name)
                price = self._sold(site)[name].price_per_hour
                yield _way({**machines, site: rest})
                for other in self._sold(site).values():
                    if other.name != name and other.price_per_hour <= price * DEARER:
                        yield _way({**machines, site: (*rest, other.name)})
                for target in self._targets(machines):
                    kept = machines.get(target, ())
                    if target != site and (same := self._like(self._sold(site)[name], target)) is not None:
                        yield _way({**machines, site: rest, target: (*kept, same)})
                for second in dict.fromkeys(rest):
                    both = price + self._sold(site)[second].price_per_hour
                    for other in self._sold(site).values():
                        if both / DEARER <= other.price_per_hour <= both * DEARER:
                            yield _way({**machines, site: (*_without(rest, second), other.name)})

    def _targets(self, machines: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Zones in use, and of each kind of zone the first that is not."""
        found = [site for site in machines if machines[site]]
        for group in site_classes(self.problem, self.eligibility):
            found += [s.id for s in group if s.id not in found and self._sold(s.id)][:1]
        return sorted(found)

    def _like(self, offer: InstanceOffer, site_id: str) -> str | None:
        """The cheapest type there that is as large but for what daemons take: nine tenths will do."""
        need = room(self.problem, offer)
        large = (
            t for t in self._sold(site_id).values()
            if all(10 * a >= 9 * b for a, b in zip(room(self.problem, t)[:3], need[:3], strict=True))
        )  # fmt: skip
        best = min(large, key=lambda t: (t.price_per_hour, t.name), default=None)
        return best.name if best is not None else None

    # -- the optimum on given machines -----------------------------------------------------------------------

    def _try(self, way: Way) -> bool:
        """Whether there is something cheaper on those machines; it becomes the best placement."""
        model = _OnMachines(self.problem, self.eligibility, way, self.cost * (1 - WORTH))
        self._tried += 1
        if not model.possible or len(model.f.model.cost) > MOST_COLUMNS:
            return False
        if solve_linear(LinearProgram(model.f.model)) is None:
            return False
        self._solved += 1
        answer = solve_model(model.f.model, node_limit=NODES, submodels=False)
        self.nodes += answer.nodes
        found = model.read(answer.values) if answer.values is not None else None
        if found is None or broken_rules(self.problem, found.assignment, found.pools, found.packing):
            return False
        cost = weight_of(self.problem, found.assignment, found.pools)
        if cost >= self.cost - 1e-12:
            return False
        self.best, self.cost = found, cost
        return True


def _way(machines: Mapping[str, tuple[str, ...]]) -> Way:
    return tuple((site, tuple(sorted(names))) for site, names in sorted(machines.items()) if names)


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    at = names.index(name)
    return names[:at] + names[at + 1 :]


def _within(eligibility: Eligibility, problem: Problem, zones: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Where services may be with machines in those zones only."""
    return {
        s.name: tuple(i for i in eligibility.allowed[s.name] if s.dedicated or i in zones) for s in problem.services
    }


class _Relaxed:
    """The relaxation of the zone-by-zone model for any of those ways: which of them are worth a closer look."""

    def __init__(self, problem: Problem, eligibility: Eligibility, ways: Iterable[Way]) -> None:
        zones = {site for way in ways for site, _ in way}
        allowed = _within(eligibility, problem, zones)
        self._relaxation: Relaxation | None = None
        if not all(allowed.values()):
            return
        f = Formulation(problem, Eligibility(allowed, eligibility.rejections), ordered=False)
        self._machines = f.n
        self._relaxation = Relaxation(f.model)

    def bound(self, way: Way, most: float) -> float:
        """No placement on these machines costs less; infinite where none costs at most `most`."""
        wanted = {(site, name): n for site, names in way for name, n in Counter(names).items()}
        if self._relaxation is None or not wanted.keys() <= self._machines.keys():
            return math.inf
        values = [float(wanted.get(key, 0)) for key in self._machines]
        return self._relaxation.objective(list(self._machines.values()), values, most)


class _OnMachines:
    """The zone-by-zone formulation with its machines given, and beside it each pod's machine."""

    def __init__(self, problem: Problem, eligibility: Eligibility, way: Way, below: float) -> None:
        self.problem, self.way = problem, dict(way)
        allowed = _within(eligibility, problem, self.way)
        self.possible = all(allowed.values())
        if not self.possible:
            return
        self.f = Formulation(problem, Eligibility(allowed, eligibility.rejections), whole_pods=False, ordered=False)
        self.on: dict[tuple[str, int, str], int] = {}  # (site, index of the machine, service) -> column
        wanted = {(site, name): n for site, names in way for name, n in Counter(names).items()}
        self.possible = wanted.keys() <= self.f.n.keys()
        if not self.possible:
            return
        for key, column in self.f.n.items():
            self.f.model.lower[column] = self.f.model.upper[column] = float(wanted.get(key, 0))
        for site_id, names in way:
            self._zone(problem.site_by_id[site_id], names)
        self.f.model.row([(c, cost) for c, cost in enumerate(self.f.model.cost) if cost], upper=below)

    def _zone(self, site: SiteOffer, names: tuple[str, ...]) -> None:
        offers = {t.name: t for t in site.types}
        tenants = [s for s in self.problem.services if (s.name, site.id) in self.f.here]
        spare = self._spare(site, tenants)
        keeps = [self.f.model.column() for _ in names] if spare else []
        for k, name in enumerate(names):
            self._machine(site, k, offers[name], tenants, spare, keeps)
        model, f = self.f.model, self.f
        for s in tenants:
            here = [(self.on[site.id, k, s.name], -1.0) for k in range(len(names)) if (site.id, k, s.name) in self.on]
            model.row([(f.x[s.name, site.id], 1.0), *here], lower=0, upper=0)
            if (loose := f.loose.get((s.name, site.id))) is not None:
                spot = [(col, -1.0) for k, (col, _) in enumerate(here) if offers[names[k]].spot]
                model.row([(loose, 1.0), *spot], lower=0)
        stays = [(col, 1.0) for col, name in zip(keeps, names, strict=False) if not offers[name].spot]
        if keeps:
            model.row(stays, lower=1)

    def _spare(self, site: SiteOffer, tenants: list[ServiceDemand]) -> dict[int, int]:
        """Columns of the room for an update, per resource."""
        updated = [s for s in tenants if s.surge] if self.problem.rollout_headroom else []
        found: dict[int, int] = {}
        for axis in (CPU, MEMORY, PODS, AMD64):
            most = max((size_of(s)[axis] for s in updated), default=0)
            if most:
                found[axis] = self.f.model.column(upper=most, integer=False)
                for s in updated:
                    terms: Terms = [(found[axis], 1.0), (self.f.here[s.name, site.id], -float(size_of(s)[axis]))]
                    self.f.model.row(terms, lower=0)
        return found

    def _machine(
        self,
        site: SiteOffer,
        k: int,
        offer: InstanceOffer,
        tenants: list[ServiceDemand],
        spare: dict[int, int],
        keeps: list[int],
    ) -> None:
        model, have = self.f.model, room(self.problem, offer)
        pods = [s for s in tenants if holds(self.problem, offer, s)]
        for s in pods:
            self.on[site.id, k, s.name] = model.column(upper=node_cap(self.problem, s))
        for axis in range(DIMENSIONS):
            if axis == ON_DEMAND:
                continue  # said by the pods that may be on spot machines
            terms: Terms = [(self.on[site.id, k, s.name], float(size_of(s)[axis])) for s in pods if size_of(s)[axis]]
            if axis in spare:  # where this machine keeps it, beside its pods
                most = model.upper[spare[axis]]
                model.row([*terms, (spare[axis], 1.0), (keeps[k], most)], upper=have[axis] + most)
            model.row(terms, upper=have[axis])

    def read(self, values: list[float]) -> Complete | None:
        draft = self.f.read(values)
        loads = []
        for site_id, names in self.way.items():
            for k, name in enumerate(names):
                pods = {s: round(values[c]) for (i, j, s), c in self.on.items() if (i, j) == (site_id, k)}
                pods = {s: n for s, n in sorted(pods.items()) if n}
                loads.append(NodeLoad(site=site_id, instance_type=name, pods=pods))
        return assembled(self.problem, draft.assignment, loads, draft.dedicated)
