"""What one machine could carry: patterns worth more than its price, and how much more there can be at most.

A knapsack with several resources and bounded numbers of each pod. Prices of a machine's resources that make the sum of
its room and of what pods are worth beyond them least (Lagrangian relaxation, by subgradients) bound what it can carry,
and pods in the order of their worth per priced size fill it well; where that finds nothing, each pod is tried as the
first one, and at last an integer program decides. Callers: cutting. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from scheduler.aside import side_by_side
from scheduler.cp_sat import solve_whole_numbers
from scheduler.grid import Floats, Ints
from scheduler.highs import MixedIntegerModel

STEPS = 25  # of the subgradient method
MIXTURES = 6  # random weights by which the prices of resources are varied
MOST_NEW = 100  # patterns from one way to find some
FIRSTS = 24  # types of which each pod is tried as the first one
PER_TYPE = 5  # patterns of a type that are kept from these
PROGRAMS = 24  # integer programs for one set of worths
EXACT_EFFORT, MOST_EFFORT = 0.1, 6.0  # of CP-SAT: for one machine, and for all together
BETTER = 1e-4  # by how much more than its price a pattern must be worth
FREE = 1e-6  # of the median price: what a machine at price 0 counts for where its resources are rated
EPSILON = 1e-9
Filling = tuple[int, Floats]  # a type, and how many pods of each row a machine of it carries


@dataclass(slots=True)
class Machines:
    """Rows are pods of one size. sizes: rows x resources; rooms: types x resources; most: rows x types, how many of a
    row one machine may carry. Worths are per row, prices per type."""

    sizes: Floats
    rooms: Floats
    most: Floats
    axes: Ints = field(init=False)
    misses: Ints = field(init=False)
    spent: float = 0.0  # effort of CP-SAT

    def __post_init__(self) -> None:
        self.misses = np.zeros(len(self.rooms), np.int64)
        self.axes = np.flatnonzero(self.sizes.any(axis=0))
        self.sizes, self.rooms = self.sizes[:, self.axes], self.rooms[:, self.axes]

    def relaxed(self, worth: Floats, prices: Floats) -> tuple[Floats, Floats]:
        """Per type what it carries can be worth at most, by its price; and the prices of its resources that show it
        (types x resources)."""
        sells = self.rooms > 0
        least_price = FREE * float(np.median(prices))  # rates of a machine at price 0 must be able to rise
        even = np.where(sells, np.maximum(prices, least_price)[:, None] / np.maximum(self.rooms, EPSILON), 0.0)
        even /= np.maximum(sells.sum(axis=1), 1)[:, None]
        rates, best_rates = even.copy(), even.copy()
        least = np.full(len(prices), np.inf)
        for step in range(STEPS):
            beyond = worth[None, :] - rates @ self.sizes.T
            value = (rates * self.rooms).sum(axis=1) + (np.maximum(beyond, 0.0) * self.most.T).sum(axis=1)
            better = value < least
            least[better], best_rates[better] = value[better], rates[better]
            used = np.where(beyond > 0, self.most.T, 0.0) @ self.sizes
            slope = np.clip((self.rooms - used) / np.maximum(self.rooms, EPSILON), -3.0, 1.0)
            rates = np.maximum(rates - 0.5 / (1.0 + 0.3 * step) * slope * even, 0.0)
        return least / np.maximum(prices, EPSILON), best_rates

    def better(self, worth: Floats, prices: Floats, rng: np.random.Generator) -> Iterator[list[Filling]]:
        """Patterns worth more than a machine's price: a list from each of the ways to find some, the quickest first."""
        above, rates = self.relaxed(worth, prices)
        able = np.flatnonzero(above > 1.0 + BETTER)
        if not len(able):
            return
        yield self._by_rates(worth, prices, rates, able, rng)
        order = able[np.argsort(-above[able], kind="stable")]
        yield self._begun(worth, prices, rates, order[:FIRSTS])

    def _by_rates(
        self, worth: Floats, prices: Floats, rates: Floats, able: Ints, rng: np.random.Generator
    ) -> list[Filling]:
        """Of each type the best of several fillings."""
        best, ratio = np.zeros((len(able), len(worth))), np.full(len(able), 1.0 + BETTER)
        mixed = [np.ones(len(self.axes)), *(rng.exponential(1.0, len(self.axes)) for _ in range(MIXTURES))]
        for mixture in mixed:
            filled = self._filled(worth, rates[able] * mixture, self.most[:, able], self.rooms[able])
            relative = filled @ worth / np.maximum(prices[able], EPSILON)
            better = relative > ratio
            ratio[better], best[better] = relative[better], filled[better]
        order = np.argsort(-ratio, kind="stable")[:MOST_NEW]
        return [(int(able[i]), best[i]) for i in order.tolist() if ratio[i] > 1.0 + BETTER]

    def _begun(self, worth: Floats, prices: Floats, rates: Floats, kinds: Ints) -> list[Filling]:
        """With each pod as the first one, the best few of each type."""
        which, first = np.nonzero((self.most[:, kinds].T > 0) & (worth > EPSILON)[None, :])
        kind = kinds[which]
        left = self.most[:, kind].copy()
        left[first, np.arange(len(kind))] -= 1
        filled = self._filled(worth, rates[kind], left, self.rooms[kind] - self.sizes[first])
        filled[np.arange(len(kind)), first] += 1
        relative = filled @ worth / np.maximum(prices[kind], EPSILON)
        found: list[Filling] = []
        for t in kinds.tolist():
            rows = np.flatnonzero((kind == t) & (relative > 1.0 + BETTER))
            best = rows[np.argsort(-relative[rows], kind="stable")][:PER_TYPE]
            found += [(t, filled[row]) for row in best]
        return found

    def _filled(self, worth: Floats, rates: Floats, most: Floats, rooms: Floats) -> Floats:
        """machines x rows: each filled by itself, rows with most worth per priced size first, as often as they fit."""
        density = np.where(worth > EPSILON, worth, 0.0)[None, :] / np.maximum(rates @ self.sizes.T, 1e-12)
        order = np.argsort(-density, axis=1, kind="stable")
        filled, free, every = np.zeros((len(rooms), len(worth))), rooms.copy(), np.arange(len(rooms))
        for position in range(int((worth > EPSILON).sum())):
            row = order[:, position]
            size = self.sizes[row]
            fits = np.where(size > 0, free / np.maximum(size, EPSILON), np.inf).min(axis=1)
            count = np.clip(np.floor(fits + EPSILON), 0.0, most[row, every])
            filled[every, row] += count
            free -= count[:, None] * size
        return filled

    def exact(self, worth: Floats, prices: Floats) -> tuple[list[Filling], Floats | None]:
        """Patterns worth more than a machine's price, the best of each type; and per type what a machine carries can be
        worth at most (at least its price), where PROGRAMS integer programs show it. Types for which the last ones found
        nothing come last."""
        if self.spent > MOST_EFFORT:
            return [], None
        above, _ = self.relaxed(worth, prices)
        able = np.flatnonzero(above > 1.0 + BETTER)
        order = able[np.lexsort((-above[able], self.misses[able]))]
        found: list[Filling] = []
        most = prices * (1.0 + BETTER)
        kinds = order[:PROGRAMS].tolist()
        answers = side_by_side(lambda kind: self._best(worth, kind), kinds)
        for kind, (value, pattern, effort) in zip(kinds, answers, strict=True):
            self.spent += effort
            most[kind] = max(most[kind], min(float(above[kind]) * max(float(prices[kind]), EPSILON), value))
            self.misses[kind] += 1
            if pattern is not None and float(pattern @ worth) > prices[kind] * (1.0 + BETTER):
                found.append((kind, pattern))
                self.misses[kind] = 0
        return found, most if len(order) <= PROGRAMS else None

    def _best(self, worth: Floats, kind: int) -> tuple[float, Floats | None, float]:
        """What one machine carries at most, the pattern, as far as it was found, and the effort."""
        here = np.flatnonzero((worth > EPSILON) & (self.most[:, kind] > 0))
        if not len(here):
            return float(worth @ self.most[:, kind]), None, 0.0
        model = MixedIntegerModel()
        columns = [model.column(-float(worth[r]), float(self.most[r, kind])) for r in here.tolist()]
        for axis in range(len(self.axes)):
            terms = [(c, float(self.sizes[r, axis])) for c, r in zip(columns, here.tolist(), strict=True)]
            model.row(terms, upper=float(self.rooms[kind, axis]))
        answer = solve_whole_numbers(model, work=EXACT_EFFORT)
        if answer.values is None:
            return float("inf"), None, answer.effort
        pattern = np.zeros(len(worth))
        pattern[here] = answer.values
        dust = float(np.where(worth > EPSILON, 0.0, worth) @ self.most[:, kind])
        return dust - answer.bound, pattern, answer.effort


def fitting(sizes: Floats, rooms: Floats) -> Floats:
    """rows x types: how many pods of a size an empty machine has room for."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(sizes[:, None, :] > 0, rooms[None, :, :] / sizes[:, None, :], np.inf)
    whole: Floats = np.floor(each.min(axis=2) + EPSILON)
    return whole
