"""Combines what several placements do with single call graphs into a cheaper whole: a set partitioning program.

Each placement that was found on the way says for every call graph (services that call one another) where it could be:
a column. The program takes one column a graph so that machines, calls and the opening of zones together cost least.
What a place's machines cost is not linear in what is put there, but every set of prices that no machine beats
(scheduler.prices) bounds it from below; the bounds of all mixes seen so far stand for it (Kelley 1960), and the mix of
each answer adds one. A zone that is opened keeps room for the largest of the updates in it and wastes half a machine
(scheduler.consolidate), so graphs whose largest pods are alike are put together and places that hold little are given
up: which prices alone never say. Callers: large. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scheduler.chains import SpreadRows
from scheduler.choose import calls_cost, reaches
from scheduler.consolidate import opening_costs, spare_sizes, spread_broken
from scheduler.grid import NEVER, Floats, Grid, Ints
from scheduler.highs import MixedIntegerModel, solve_model
from scheduler.prices import PlacePrices, replica_prices
from scheduler.rebalance import call_groups
from scheduler.shares import Shares
from scheduler.sizes import CPU, MEMORY

STEPS = 4
NODES = 20  # branch-and-bound nodes
GAP = 5e-4
MOST_COLUMNS = 6_000  # graphs times placements; of more placements the last ones count
TINY = 1e-9
MUCH = 1e9


def combined(
    columns: Columns,
    counts: Floats,
    total: float,
    mix: Callable[[Floats], Sequence[PlacePrices | None]],
    propose: Callable[[Floats], Floats | None],
    weigh: Callable[[Floats, Sequence[PlacePrices | None]], float],
) -> tuple[Floats, float]:
    """Counts that weigh no more than the given ones. propose: one more placement, for the prices of that one; weigh:
    infinite where a rule breaks."""
    columns.add(counts)
    columns.learn(mix(counts))
    for _ in range(STEPS):
        trial = columns.best()
        if trial is None:
            break
        mixed = mix(trial)
        weight = weigh(trial, mixed)
        if weight < total - TINY:
            counts, total = trial, weight
        news = [columns.learn(mixed)]
        more = propose(trial)
        if more is not None and columns.add(more):
            mixed = mix(more)
            weight = weigh(more, mixed)
            if weight < total - TINY:
                counts, total = more, weight
            news += [True, columns.learn(mixed)]
        if not any(news):
            break
    return counts, total


class Columns:
    """dearer: per place, a factor on all prices there."""

    def __init__(self, grid: Grid, spreads: SpreadRows, shares: Shares, dearer: Floats) -> None:
        self.grid, self.spreads, self.shares, self.dearer = grid, spreads, shares, dearer
        self.group = _together(grid, shares)
        self.groups = int(self.group.max(initial=-1)) + 1
        self.placements: list[Floats] = []
        self._fixed: list[Floats] = []  # per group: calls, machines of its own; infinite where it may not be so
        self._opening: list[Floats] = []  # groups x places
        self._each: list[Floats] = []  # services x places
        self._worth: dict[tuple[int, int], Floats] = {}

    def add(self, counts: Floats) -> bool:
        """Another placement, whole or with mistakes: what is wrong for one graph may be right for the others. False
        where it was known."""
        if any(np.array_equal(counts, known) for known in self.placements):
            return False
        grid, width = self.grid, len(self.grid.places)
        wrong = np.isin(
            np.arange(grid.count), [*self.shares.broken(counts), *spread_broken(grid, self.spreads, counts)]
        )
        wrong |= counts.sum(axis=1) != grid.replicas
        wrong[grid.calls.source[reaches(grid, counts)]] = True
        fixed = self._by_group(
            calls_cost(grid, counts)
            + (np.where(counts > 0, grid.own_price, 0.0) * counts * self.dearer[None, :]).sum(axis=1)
        )
        fixed[np.unique(self.group[wrong])] = np.inf
        opened = np.zeros((self.groups, width))
        for k in range(width):
            here = np.flatnonzero((counts[:, k] > 0) & ~grid.dedicated)
            mine = np.unique(self.group[here])
            sizes = spare_sizes(grid, here, np.searchsorted(mine, self.group[here]), len(mine))
            opened[mine, k] = opening_costs(grid.places[k], sizes) * self.dearer[k]
        self.placements.append(counts)
        self._fixed.append(fixed)
        self._opening.append(opened)
        return True

    def learn(self, prices: Sequence[PlacePrices | None]) -> bool:
        """Another set of prices that no machine beats. False where it was known."""
        if all(p is None for p in prices):
            return False
        grid = self.grid
        each = np.zeros(grid.allowed.shape)
        known = [k for k, p in enumerate(prices) if p is not None]
        least = replica_prices(grid, [p if p is not None else _nothing(grid, k) for k, p in enumerate(prices)])
        each[:, known] = np.where(least[:, known] < NEVER, least[:, known], 0.0) * self.dearer[known]
        each[grid.dedicated] = 0.0
        if any(np.array_equal(each, e) for e in self._each):
            return False
        self._each.append(each)
        return True

    def _by_group(self, values: Floats) -> Floats:
        out = np.zeros((self.groups, *values.shape[1:]))
        np.add.at(out, self.group, values)
        return out

    def _value(self, placement: int, prices: int) -> Floats:
        """groups x places: what the pods are worth there."""
        key = placement, prices
        if key not in self._worth:
            self._worth[key] = self._by_group(self._each[prices] * self.placements[placement])
        return self._worth[key]

    def best(self) -> Floats | None:
        """The cheapest combination; None where there is none or it is one graph only."""
        if self.groups < 2 or not self._each:
            return None
        model = MixedIntegerModel()
        chosen = self._columns(model)
        if any(not mine for mine in chosen):
            return None
        for k in range(len(self.grid.places)):
            self._machines(model, chosen, k)
            self._rooms(model, chosen, k)
        self._quotas(model, chosen)
        answer = solve_model(model, node_limit=NODES, relative_gap=GAP)
        if answer.values is None:
            return None
        pick = np.array([max(mine, key=lambda c: answer.values[c[1]] if answer.values else 0.0)[0] for mine in chosen])
        taken: Floats = np.stack(self.placements)[pick[self.group], np.arange(self.grid.count)]
        return taken

    def _columns(self, model: MixedIntegerModel) -> list[list[tuple[int, int]]]:
        """Per graph: (placement, column of the program), each way to place it once."""
        most = max(2, MOST_COLUMNS // self.groups)
        latest = range(len(self.placements))[-most:]
        members = np.argsort(self.group, kind="stable")
        ends = np.cumsum(np.bincount(self.group, minlength=self.groups))
        chosen: list[list[tuple[int, int]]] = []
        for g, rows in enumerate(np.split(members, ends[:-1])):
            ways: dict[bytes, int] = {}
            for j in latest:
                if np.isfinite(self._fixed[j][g]):
                    ways.setdefault(self.placements[j][rows].tobytes(), j)
            mine = [(j, model.column(float(self._fixed[j][g]))) for j in ways.values()]
            model.row([(column, 1.0) for _, column in mine], lower=1.0, upper=1.0)
            chosen.append(mine)
        return chosen

    def _machines(self, model: MixedIntegerModel, chosen: list[list[tuple[int, int]]], k: int) -> None:
        """What the pods in a place cost at least, for each of the prices."""
        paid = model.column(1.0, MUCH, integer=False)
        for r in range(len(self._each)):
            value = {j: self._value(j, r)[:, k] for j in {j for mine in chosen for j, _ in mine}}
            terms = [(c, -float(value[j][g])) for g, mine in enumerate(chosen) for j, c in mine if value[j][g] > TINY]
            if terms:
                model.row([(paid, 1.0), *terms], lower=0.0)

    def _rooms(self, model: MixedIntegerModel, chosen: list[list[tuple[int, int]]], k: int) -> None:
        """What opening a place costs for the graph that makes it dearest."""
        paid = model.column(1.0, MUCH, integer=False)
        for g, mine in enumerate(chosen):
            terms = [(c, -float(self._opening[j][g, k])) for j, c in mine if self._opening[j][g, k] > TINY]
            if terms:
                model.row([(paid, 1.0), *terms], lower=0.0)

    def _quotas(self, model: MixedIntegerModel, chosen: list[list[tuple[int, int]]]) -> None:
        grid = self.grid
        for quota in grid.problem.team_quotas:
            team = np.array([s.team == quota.team for s in grid.problem.services])
            where = np.array([quota.region in ("", p.region) for p in grid.places])
            for axis, limit in ((CPU, quota.cpu_millicores), (MEMORY, quota.memory_mib)):
                if limit is None:
                    continue
                asked = [self._by_group(team * grid.sizes[:, axis] * n[:, where].sum(axis=1)) for n in self.placements]
                terms = [(c, float(asked[j][g])) for g, mine in enumerate(chosen) for j, c in mine]
                model.row(terms, upper=limit)


def _nothing(grid: Grid, k: int) -> PlacePrices:
    width = len(grid.places[k].types)
    none = np.zeros(width)
    return PlacePrices(np.zeros((width, grid.sizes.shape[1])), none, 0.0, np.zeros((0, width)), none)


def _together(grid: Grid, shares: Shares) -> Ints:
    """Service -> number of its call graph; graphs with services that must keep apart are one."""
    group = call_groups(grid)
    for i, j, _ in shares.apart:
        group = np.where(group == group[j], group[i], group)
    numbered: Ints = np.unique(group, return_inverse=True)[1]
    return numbered
