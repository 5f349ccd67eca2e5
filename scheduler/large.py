"""Places problems with thousands of services: prices from linear programs, places from the call graph, then packing.

One program a place prices what its pods cost at least (scheduler.prices); one pass over the call graph turns the
prices into a bound on the whole (scheduler.chains) and another chooses places (scheduler.choose). Places that carry
little for what opening them costs (room for updates, a machine that is half empty) are made dearer, and the choice is
made again. Then replicas go to zones and pods to nodes (scheduler.bulk). Callers: solve. Pure and deterministic: a
fixed number of rounds, no clock. Non-goals: proofs of infeasibility.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.aside import side_by_side
from scheduler.bulk import SPARE, Load, loose_key
from scheduler.chains import Chain, SpreadRows, bound_pass, with_presence
from scheduler.check import broken_rules, cost_of, preference_of
from scheduler.choose import choose_places, mend_reach, reaches
from scheduler.columns import Columns, combined
from scheduler.consolidate import consolidate, estimate, opening, split_zones, spread_kept
from scheduler.eligibility import Eligibility
from scheduler.filled import packed_zones
from scheduler.grid import NEVER, Floats, Grid, build_grid
from scheduler.nodes import Complete, choice
from scheduler.openings import bound_with_rooms, rooms_for_updates
from scheduler.pooled import pooled_places
from scheduler.prices import (
    Kinds,
    PlacePrices,
    between,
    kinds_of,
    mix_prices,
    replica_prices,
    start_prices,
)
from scheduler.problem import NodeLoad, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import dedicated_types
from scheduler.rebalance import rebalanced
from scheduler.shares import Shares
from scheduler.sizes import DIMENSIONS

ROUNDS = 5
GOOD = 0.02  # gap up to which no other placement is made for the same choice of places
DEARER = 1.3  # how much dearer a region becomes in the next round where it broke a limit
FEW = 2_000  # services up to which what was found for single call graphs is combined; beyond, it takes too long
CLOSING = (1.3, 4.0)  # how much dearer a place becomes that is given up on trial


@dataclass(slots=True)
class LargeAnswer:
    """placement: None where none was found that keeps every rule. bound: no placement costs less."""

    placement: Complete | None
    bound: float


@dataclass(slots=True)
class Model:
    grid: Grid
    spreads: SpreadRows
    kinds: list[Kinds]
    shares: Shares

    def demand(self, counts: Floats, k: int) -> Floats:
        out = np.zeros((self.kinds[k].count, DIMENSIONS))
        mine = np.where(self.grid.dedicated, 0.0, counts[:, k])
        np.add.at(out, self.kinds[k].kind, self.grid.sizes * mine[:, None])
        return out

    def mix(self, counts: Floats) -> list[PlacePrices | None]:
        def of(k: int) -> PlacePrices | None:
            return mix_prices(self.grid.places[k], self.kinds[k], self.demand(counts, k), tidy=True)

        return list(side_by_side(of, range(len(self.grid.places))))


@dataclass(slots=True)
class Large:
    """A problem as arrays with its prices and bound. impossible: some service and what it calls fit nowhere.

    each: services x places, what a replica is worth there at those prices. bound: the best that any prices gave, and
    best: those prices.
    """

    model: Model
    prices: list[PlacePrices]
    each: Floats
    chain: Chain
    bound: float
    best: list[PlacePrices]

    @classmethod
    def of(cls, problem: Problem, eligibility: Eligibility) -> Large:
        """The problem is canonical."""
        grid = build_grid(problem, eligibility)
        model = Model(grid, SpreadRows(grid), [kinds_of(grid, p) for p in grid.places], Shares(grid))
        mixed = model.mix(grid.allowed * grid.replicas[:, None])
        pods = np.where(grid.dedicated, 0.0, grid.replicas)
        prices = [
            m if m is not None else start_prices(p, grid.sizes, pods) for m, p in zip(mixed, grid.places, strict=True)
        ]
        each = replica_prices(grid, prices)
        chain = bound_pass(grid, model.spreads, each)
        return cls(model, prices, each, chain, bound_of(model, prices, chain), prices)

    def learn(self, mixed: list[PlacePrices | None]) -> None:
        """Prices move half of the way to those of a mix that was really chosen; the bound only rises.

        Prices between two that no machine beats are such prices, too (the conditions are linear).
        """
        pairs = zip(self.prices, mixed, strict=True)
        self.prices = [old if new is None else between(old, new) for old, new in pairs]
        self.each = replica_prices(self.model.grid, self.prices)
        chain = bound_pass(self.model.grid, self.model.spreads, self.each)
        found = bound_of(self.model, self.prices, chain)
        if found > self.bound:
            self.bound, self.best = found, self.prices

    def tightened(self) -> float:
        """The bound with what opening zones costs at the prices that gave the best one."""
        grid = self.model.grid
        rooms = bound_with_rooms(grid, self.model.spreads, replica_prices(grid, self.best), self.best)
        self.bound = max(self.bound, rooms - scarce(self.model, self.best))
        return self.bound

    @property
    def impossible(self) -> bool:
        return self.chain.bound >= NEVER / 1e3

    def impossible_part(self) -> set[str]:
        """A service that fits nowhere, and, unless that is so by itself, everything that it calls, near or far."""
        grid, services = self.model.grid, self.model.grid.problem.services
        stuck = np.flatnonzero(self.chain.present.min(axis=1) >= NEVER / 1e3)
        lowest = min(stuck.tolist(), key=lambda i: (int(grid.height[i]), services[i].name))
        found, waiting = {services[lowest].name}, [services[lowest]]
        by_itself = grid.replicas[:, None] * self.each + grid.fixed
        if with_presence(grid, self.model.spreads, np.array([lowest]), by_itself).min() >= NEVER / 1e3:
            return found
        while waiting:
            for edge in waiting.pop().edges:
                if edge.callee in grid.problem.service_by_name and edge.callee not in found:
                    found.add(edge.callee)
                    waiting.append(grid.problem.service_by_name[edge.callee])
        return found

    def chosen(self, dearer: Floats | None = None) -> Floats | None:
        """Replicas per place; None where calls could not all be kept within their limits. dearer: factors per place."""
        return self._settled(np.ones(len(self.model.grid.places)) if dearer is None else dearer)

    def place(self) -> LargeAnswer:
        """A placement close to the bound. Regions that break a limit or quota become dearer, a few times."""
        dearer = np.ones(len(self.model.grid.places))
        for _ in range(ROUNDS):
            counts = self._settled(dearer)
            if counts is None:
                break
            done, broken = self._assembled(counts)
            if done is not None or not broken:
                return LargeAnswer(done, self.bound)
            dearer[broken] *= DEARER
        return LargeAnswer(None, self.bound)

    def _assembled(self, counts: Floats) -> tuple[Complete | None, list[int]]:
        """As `assemble`; where that is far from the bound, with services that are free of others elsewhere, too."""
        problem = self.model.grid.problem
        done, broken = assemble(self.model, counts)
        if done is not None and self._bill(done) <= self.bound * (1.0 + GOOD):
            return done, broken
        pooled = pooled_places(self.model.grid, self.model.spreads, counts)
        if pooled is None:
            return done, broken
        self.bound = max(self.bound, pooled.bound)
        other = assemble(self.model, pooled.counts)[0]
        sound = [
            c for c in (other, done) if c is not None and not broken_rules(problem, c.assignment, c.pools, c.packing)
        ]
        return min(sound, key=self._bill, default=done), broken

    def _bill(self, done: Complete) -> float:
        problem = self.model.grid.problem
        return cost_of(problem, done.assignment, done.pools).total_per_hour + preference_of(problem, done.assignment)

    def _settled(self, dearer: Floats) -> Floats | None:
        """Places chosen over a few rounds; the cheapest estimate wins. After each, prices learn from the real mix,
        and what is hardly used becomes dearer."""
        model, grid = self.model, self.model.grid
        slope = np.ones(len(grid.places))
        seen: list[Floats] = []
        learnt: list[list[PlacePrices | None]] = []
        best: tuple[float, Floats] | None = None
        for _ in range(ROUNDS):
            chain, counts = self._choice(self.each, slope * dearer)
            seen.append(counts)
            short = (counts.sum(axis=1) < grid.replicas).any()
            if short or len(reaches(grid, counts)) or not _kept(model, counts):
                continue
            counts = consolidate(grid, model.spreads, model.shares, self.each * dearer[None, :], chain.ahead, counts)
            mixed = model.mix(counts)
            seen.append(counts)
            learnt.append(mixed)
            total = self._weight(counts, mixed, dearer)
            for k in range(len(grid.places)):
                pods = float((np.where(counts > 0, self.each, 0.0) * counts)[:, k].sum())
                if pods > 0:
                    slope[k] = 1.0 + opening(grid, counts[:, k], k) / pods
            if best is None or total < best[0]:
                best = total, counts
            self.learn(mixed)
        if best is None:
            return None
        total, counts = best
        if grid.count <= FEW:
            columns = Columns(grid, model.spreads, model.shares, dearer)
            for found in seen:
                columns.add(found)
            for prices in learnt:
                columns.learn(prices)
            counts, total = self._combined(columns, counts, total, dearer)
        return self._evened_out(counts, total, dearer)

    def _choice(self, each: Floats, dearer: Floats) -> tuple[Chain, Floats]:
        """Places at those prices, with what else is asked for mended as far as that is found."""
        model, grid = self.model, self.model.grid
        chain = bound_pass(grid, model.spreads, np.minimum(each * dearer[None, :], NEVER))
        counts = mend_reach(grid, chain.ahead, choose_places(grid, model.spreads, chain))
        return chain, model.shares.mended(chain.ahead, counts)

    def _combined(self, columns: Columns, counts: Floats, total: float, dearer: Floats) -> tuple[Floats, float]:
        """The best of all that was found for single call graphs; and without places that hold little."""
        model, grid = self.model, self.model.grid
        cost = (np.where(counts > 0, self.each, 0.0) * counts).sum(axis=0)
        for k in range(len(grid.places)):
            if cost[k] > 0:
                for much in CLOSING:
                    away = np.where(np.arange(len(dearer)) == k, much, 1.0)
                    columns.add(self._choice(self.each, dearer * away)[1])

        def fewer(now: Floats) -> Floats | None:
            ahead = bound_pass(grid, model.spreads, np.minimum(self.each * dearer[None, :], NEVER)).ahead
            return consolidate(grid, model.spreads, model.shares, self.each * dearer[None, :], ahead, now)

        def weigh(trial: Floats, mixed: Sequence[PlacePrices | None]) -> float:
            if len(reaches(grid, trial)) or not _kept(model, trial):
                return math.inf
            return self._weight(trial, list(mixed), dearer)

        return combined(columns, counts, total, model.mix, fewer, weigh)

    def _weight(self, counts: Floats, mixed: list[PlacePrices | None], dearer: Floats) -> float:
        """About what it costs: what the programs say of this very mix, instead of the prices that it was chosen at."""
        grid = self.model.grid
        priced = (np.where(counts > 0, self.each, 0.0) * counts)[~grid.dedicated].sum(axis=0)
        real = np.array([m.cost if m is not None else 0.0 for m in mixed])
        total = estimate(grid, self.model.spreads, self.each * dearer[None, :], counts)
        return total + float(((real - priced) * dearer).sum())

    def _evened_out(self, counts: Floats, total: float, dearer: Floats) -> Floats:
        """With places whose mixes use their machines better, where moving a part of the services does that."""
        model, grid = self.model, self.model.grid

        def propose(now: Floats) -> tuple[Floats, Floats] | None:
            pairs = zip(self.prices, model.mix(now), strict=True)
            each = replica_prices(grid, [old if new is None else new for old, new in pairs])
            other = self._choice(each, dearer)[1]
            return None if (other.sum(axis=1) < grid.replicas).any() else (other, each)

        def weigh(trial: Floats) -> float:
            if len(reaches(grid, trial)) or not _kept(model, trial):
                return math.inf
            return self._weight(trial, model.mix(trial), dearer)

        return rebalanced(grid, counts, total, propose, weigh)[0]


def bound_of(model: Model, prices: list[PlacePrices], chain: Chain) -> float:
    """No placement costs less: pods, calls and rooms for updates at those prices, less the worth of limited types."""
    return chain.bound + rooms_for_updates(model.grid, model.spreads, prices) - scarce(model, prices)


def scarce(model: Model, prices: list[PlacePrices]) -> float:
    """What machines of limited types are worth beyond their price, all that there are."""
    worth = 0.0
    for p, g in zip(prices, model.grid.places, strict=True):
        few = np.isfinite(g.limits)
        worth += float((p.scarcity[few] * g.limits[few]).sum()) * len(g.sites)
    return worth


def _kept(model: Model, counts: Floats) -> bool:
    return spread_kept(model.grid, model.spreads, counts) and model.shares.kept(counts)


def assemble(model: Model, counts: Floats) -> tuple[Complete | None, list[int]]:
    """Zones, nodes and machines for replicas per place. The second: places whose limits or quotas are exceeded."""
    grid = model.grid
    zoned, nodes_of = packed_zones(grid, model.kinds, split_zones(grid, model.spreads, counts))
    loads: list[NodeLoad] = []
    machines: dict[str, float] = {}
    vcpu: dict[str, float] = {}
    dedicated: dict[tuple[str, str, str], int] = {}

    for (k, z), packed in sorted(nodes_of.items()):
        if packed is None:
            return None, []
        place, site = grid.places[k], grid.places[k].sites[z]
        nodes = with_spares(grid, packed)
        loads += node_loads(grid, k, site.id, nodes)
        machines[site.id] = len(nodes)
        vcpu[place.region] = vcpu.get(place.region, 0.0) + sum(float(place.vcpu[n.kind]) for n in nodes)
        size = {t.name: t.vcpu for t in site.types}
        for key, count in own_machines(grid, zoned[k][:, z], site).items():
            dedicated[key] = count
            machines[site.id] += count
            vcpu[place.region] += size[key[2]] * count
    broken = _over(grid, machines, vcpu)
    if broken:
        return None, broken
    return complete_from(grid, zoned, loads, dedicated), []


def with_spares(grid: Grid, packed: list[Load]) -> list[Load]:
    """One empty node more of each type in use, where the problem wants that."""
    if not grid.problem.spare_node_per_pool:
        return packed
    return packed + [Load(kind) for kind in sorted({load.kind for load in packed})]


def own_machines(grid: Grid, counts: Floats, site: SiteOffer) -> dict[tuple[str, str, str], int]:
    """(VM service, site, cheapest type that holds it) -> machines."""
    services, problem = grid.problem.services, grid.problem
    found: dict[tuple[str, str, str], int] = {}
    for i in np.flatnonzero((counts > 0) & grid.dedicated).tolist():
        offers = dedicated_types(problem, site, services[i])
        enough = [t for t in offers if t.max_count is None or t.max_count >= counts[i]]
        found[services[i].name, site.id, (enough or offers)[0].name] = int(counts[i])
    return found


def _over(grid: Grid, machines: dict[str, float], vcpu: dict[str, float]) -> list[int]:
    quota = grid.problem.region_quota_vcpu
    return [
        k
        for k, place in enumerate(grid.places)
        if vcpu.get(place.region, 0.0) > quota.get(place.region, math.inf)
        or any(s.max_machines is not None and machines.get(s.id, 0) > s.max_machines for s in place.sites)
    ]


def node_loads(grid: Grid, k: int, site_id: str, packed: Sequence[Load], *, ordered: bool = False) -> list[NodeLoad]:
    """By type and what they carry, empty ones last; ordered: nodes of one type as they come."""
    services, types = grid.problem.services, grid.places[k].types

    def place(load: Load) -> tuple[str, bool, list[tuple[int, int]]]:
        return types[load.kind].name, not ordered and not load.pods, [] if ordered else sorted(load.pods.items())

    return [
        NodeLoad(
            site=site_id,
            instance_type=types[load.kind].name,
            pods=_by_name(services, load.pods),
        )
        for load in sorted(packed, key=place)
    ]


def _by_name(services: Sequence[ServiceDemand], pods: Mapping[int, int]) -> dict[str, int]:
    """Pods per service, those that may be on spot machines among them; without the spare pod."""
    found: dict[str, int] = {}
    for i, n in pods.items():
        if i != SPARE:
            name = services[i if i >= 0 else loose_key(i)].name
            found[name] = found.get(name, 0) + n
    return dict(sorted(found.items()))


def complete_from(
    grid: Grid, zoned: list[Floats], loads: list[NodeLoad], dedicated: dict[tuple[str, str, str], int]
) -> Complete:
    problem = grid.problem
    assignment: dict[str, dict[str, int]] = {s.name: {} for s in problem.services}
    for place, counts in zip(grid.places, zoned, strict=True):
        for i, z in zip(*np.nonzero(counts), strict=True):
            assignment[problem.services[i].name][place.sites[z].id] = int(counts[i, z])
    bought: dict[tuple[str, str, str], int] = {}
    for load in loads:
        key = (load.site, load.instance_type, "")
        bought[key] = bought.get(key, 0) + 1
    for (service, site_id, name), count in dedicated.items():
        bought[site_id, name, service] = count
    pools = tuple(choice(problem, *key, count) for key, count in sorted(bought.items()))
    return Complete({k: dict(sorted(v.items())) for k, v in sorted(assignment.items())}, pools, tuple(loads))
