"""What one machine of a type can carry, pattern by pattern: packing inside the integer program of a small problem.

A pattern is a largest set of pods that one node holds, and where it keeps the room for a rolling update, how large that
room is (Gilmore and Gomory 1961: one column a pattern). Where all patterns of a problem can be listed, its model knows
which pods stand beside one another, so its optimum packs, and is the optimum of the problem. Callers: formulation,
solve. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scheduler.check import spare_of
from scheduler.eligibility import Eligibility
from scheduler.problem import NODE, InstanceOffer, NodeLoad, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import pool_types, sites_to_consider
from scheduler.sizes import (
    AMD64,
    ARM64,
    CPU,
    DIMENSIONS,
    MEMORY,
    ON_DEMAND,
    PODS,
    Vector,
    holds,
    loose_count,
    loose_size,
    node_cap,
    room,
    size_of,
)
from scheduler.traffic import Assignment

if TYPE_CHECKING:
    from scheduler.formulation import Formulation

MOST_PATTERNS = 2_500  # of a problem; with more of them the model is slower than rounds of cuts
MOST_FILLINGS = 40_000  # tried for them
UPDATED = (CPU, MEMORY, PODS, AMD64, ARM64, ON_DEMAND)  # what a room for an update must have enough of


@dataclass(frozen=True, slots=True)
class Pattern:
    """pods: service -> replicas on one node of that type. spare: the room that it keeps free for the largest of the
    services that may be updated there, as the largest of each resource; None where it keeps none."""

    type: str
    spot: bool
    pods: tuple[tuple[str, int], ...]
    spare: Vector | None


Patterns = Mapping[str, tuple[Pattern, ...]]  # site -> its patterns


def all_patterns(problem: Problem, eligibility: Eligibility) -> Patterns | None:
    """Of every site of the model; None where there are too many, or where the room for updates may be for either
    architecture, which no pattern alone can tell (scheduler.check.spare_pod)."""
    updated = [size_of(s) for s in problem.services if s.surge and not s.dedicated]
    if problem.rollout_headroom and any(s[AMD64] for s in updated) and any(s[ARM64] for s in updated):
        return None
    sites, _, _ = sites_to_consider(problem, eligibility)
    found: dict[str, tuple[Pattern, ...]] = {}
    known: dict[tuple[object, ...], tuple[Pattern, ...]] = {}
    total, budget = 0, _Budget(MOST_FILLINGS)
    for site in sites:
        tenants = [s for s in problem.services if not s.dedicated and site.id in eligibility.allowed[s.name]]
        types = pool_types(problem, site, tenants)
        key = (types, tuple(s.name for s in tenants))
        if key not in known:
            listed = _limited(_at_site(problem, tenants, types, budget), MOST_PATTERNS - total, budget)
            if listed is None:
                return None
            known[key] = listed
        found[site.id] = known[key]
        total += len(found[site.id])
        if total > MOST_PATTERNS:
            return None
    return found


@dataclass(slots=True)
class _Budget:
    left: int


def _limited(patterns: Iterator[Pattern], most: int, budget: _Budget) -> tuple[Pattern, ...] | None:
    listed: list[Pattern] = []
    for pattern in patterns:
        listed.append(pattern)
        if len(listed) > most:
            return None
    return tuple(listed) if budget.left > 0 else None


def _at_site(
    problem: Problem, tenants: Sequence[ServiceDemand], types: Sequence[InstanceOffer], budget: _Budget
) -> Iterator[Pattern]:
    """Ends early where the budget does."""
    updated = [size_of(s) for s in tenants if s.surge] if problem.rollout_headroom else []
    for offer in types:
        have = room(problem, offer)
        here = [s for s in tenants if holds(problem, offer, s)]
        for pods in _Fillings(problem, offer, here, have, budget).all():
            if pods:
                yield Pattern(offer.name, offer.spot, pods, None)
        for largest in _largest_of_any(updated):
            rest = tuple(a - b for a, b in zip(have, spare_of([largest]), strict=True))
            if min(rest) < 0:
                continue
            beside = [s for s in here if not s.surge or enough(largest, size_of(s))]
            for pods in _Fillings(problem, offer, beside, rest, budget).all():
                yield Pattern(offer.name, offer.spot, pods, largest)


def _largest_of_any(sizes: Sequence[Vector]) -> list[Vector]:
    """The largest of each resource, for every choice of services: what a room for updates may have to be."""
    found: set[Vector] = set()
    for size in dict.fromkeys(sizes):
        found |= {size, *(_larger(size, other) for other in found)}
    return sorted(found)


def _larger(a: Vector, b: Vector) -> Vector:
    return tuple(map(max, a, b))  # type: ignore[return-value]  # as long as both


def enough(spare: Vector, size: Vector) -> bool:
    """Whether a room for updates of that size is large enough for that service."""
    return all(spare[a] >= size[a] for a in UPDATED)


class _Fillings:
    """Every set of pods that fits into a room and to which no further pod can be added."""

    def __init__(
        self,
        problem: Problem,
        offer: InstanceOffer,
        services: Sequence[ServiceDemand],
        have: Sequence[int],
        budget: _Budget,
    ) -> None:
        self.budget = budget
        self.names = [s.name for s in services]
        self.sizes = [loose_size(s) if offer.spot else size_of(s) for s in services]
        most = [loose_count(s, s.replicas) if offer.spot else s.replicas for s in services]
        self.most = [min(n, node_cap(problem, s)) for n, s in zip(most, services, strict=True)]
        self.strangers = [self._strangers(problem, s) for s in services]
        self.free = list(have)
        self.count = [0] * len(services)

    def _strangers(self, problem: Problem, service: ServiceDemand) -> list[int]:
        """Those that may not share a node with it, whichever of the two says so."""
        mine = {a.service for a in service.apart if a.over == NODE}
        mine |= {s.name for s in problem.services for a in s.apart if a.over == NODE and a.service == service.name}
        return [i for i, name in enumerate(self.names) if name in mine]

    def all(self) -> Iterator[tuple[tuple[str, int], ...]]:
        yield from self._from(0)

    def _from(self, k: int) -> Iterator[tuple[tuple[str, int], ...]]:
        if self.budget.left <= 0:
            return
        if k == len(self.names):
            self.budget.left -= 1
            if not any(self._room_for(i) for i in range(k)):
                yield tuple((name, n) for name, n in zip(self.names, self.count, strict=True) if n)
            return
        size = self.sizes[k]
        most = 0 if any(self.count[i] for i in self.strangers[k]) else self.most[k]
        most = min([most, *(self.free[a] // size[a] for a in range(DIMENSIONS) if size[a] > 0)])
        for n in range(most, -1, -1):
            self._add(k, n)
            yield from self._from(k + 1)
            self._add(k, -n)

    def _add(self, k: int, n: int) -> None:
        self.count[k] += n
        for a, need in enumerate(self.sizes[k]):
            self.free[a] -= n * need

    def _room_for(self, k: int) -> bool:
        return (
            self.count[k] < self.most[k]
            and all(s <= f for s, f in zip(self.sizes[k], self.free, strict=True))
            and not any(self.count[i] for i in self.strangers[k])
        )


def add_patterns(
    f: Formulation, site: SiteOffer, tenants: Sequence[ServiceDemand], patterns: Sequence[Pattern]
) -> None:
    """The pods of a site are covered by patterns, and its nodes are those; one of them keeps room for updates."""
    most = sum(s.replicas for s in tenants) + 1
    columns = f.filled[site.id] = [f.model.column(upper=most) for _ in patterns]
    pairs = list(zip(columns, patterns, strict=True))
    for name in dict.fromkeys(p.type for p in patterns):
        mine = [(col, -1.0) for col, p in pairs if p.type == name]
        f.model.row([(f.n[site.id, name], 1.0), *mine], lower=0, upper=0)
    for s in tenants:
        carried = [(col, -float(n), p.spot) for col, p in pairs for name, n in p.pods if name == s.name]
        x = f.x[s.name, site.id]
        f.model.row([(x, 1.0), *((col, n) for col, n, _ in carried)], upper=0)
        if (loose := f.loose.get((s.name, site.id))) is not None:
            staying = [(col, n) for col, n, spot in carried if not spot]
            f.model.row([(x, 1.0), (loose, -1.0), *staying], upper=0)
        if s.surge and f.problem.rollout_headroom:
            rooms = [(col, -1.0) for col, p in pairs if p.spare is not None and enough(p.spare, size_of(s))]
            f.model.row([(f.here[s.name, site.id], 1.0), *rooms], upper=0)
    f.model.row([(col, 1.0) for col, p in pairs if p.spare is not None], upper=1)


def filled_nodes(
    problem: Problem, assignment: Assignment, counts: Mapping[str, Sequence[int]], patterns: Patterns
) -> list[NodeLoad]:
    """The certificate: nodes with just the pods that are there. counts: per site, how often each pattern is used."""
    loads: list[NodeLoad] = []
    for site_id, used in sorted(counts.items()):
        nodes = [p for p, n in zip(patterns[site_id], used, strict=True) for _ in range(n)]
        nodes.sort(key=lambda p: (not p.spot, p.type))  # what may be on spot machines fills those first
        left = {name: sites.get(site_id, 0) for name, sites in assignment.items()}
        loose = {s.name: loose_count(s, left[s.name]) for s in problem.services}
        for node in nodes:
            pods = {}
            for name, n in node.pods:
                pods[name] = min(n, left[name], loose[name]) if node.spot else min(n, left[name])
                left[name] -= pods[name]
                loose[name] -= pods[name] if node.spot else 0
            pods = {name: n for name, n in sorted(pods.items()) if n}
            if pods or node.spare is not None:
                loads.append(NodeLoad(site=site_id, instance_type=node.type, pods=pods))
    return loads
