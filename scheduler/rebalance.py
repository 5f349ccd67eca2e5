"""Moves part of what would rather be elsewhere, so that each place's mix of pods uses its machines whole.

Two regions with equal prices are worth the same to each service, yet one with too much cpu and one with too much memory
pay for both. The prices of the mixes that were chosen say who should move; if all moved at once the same would happen
the other way round, so a part moves, whole call graphs together, those first that gain most for their size, and it
counts only where the sum of all mixes gets cheaper (a step of Frank and Wolfe 1956). Callers: large. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scheduler.grid import Flags, Floats, Grid, Ints

STEPS = 4
PARTS = (0.4, 0.15, 0.05)  # of what would move, by worth
Proposal = tuple[Floats, Floats]  # other counts, and what a replica is worth per place


def rebalanced(
    grid: Grid,
    counts: Floats,
    total: float,
    propose: Callable[[Floats], Proposal | None],
    weigh: Callable[[Floats], float],
) -> tuple[Floats, float]:
    """Counts that weigh no more than the given ones. propose: where all would go now; weigh: infinite where a rule
    breaks."""
    group = call_groups(grid)
    for _ in range(STEPS):
        found = propose(counts)
        if found is None:
            break
        other, each = found
        best: tuple[float, Floats] | None = None
        for part in PARTS:
            movers = _movers(group, counts, other, each, part)
            if not movers.any():
                continue
            trial = np.where(movers[:, None], other, counts)
            weight = weigh(trial)
            if weight < (total if best is None else best[0]) - 1e-9:
                best = weight, trial
        if best is None:
            break
        total, counts = best
    return counts, total


def _movers(group: Ints, counts: Floats, other: Floats, each: Floats, part: float) -> Flags:
    """Flags of the services in the groups that gain most for their worth, up to that part of the worth."""
    now = (np.where(counts > 0, each, 0.0) * counts).sum(axis=1)
    then = (np.where(other > 0, each, 0.0) * other).sum(axis=1)
    differs = (counts != other).any(axis=1)
    size = int(group.max(initial=-1)) + 1
    gain, worth = np.zeros(size), np.zeros(size)
    np.add.at(gain, group, now - then)
    np.add.at(worth, group[differs], now[differs])
    able = np.flatnonzero((gain > 1e-9) & (worth > 0))
    order = able[np.argsort(-gain[able] / worth[able], kind="stable")]
    chosen = order[np.cumsum(worth[order]) <= part * float(worth[order].sum())]
    flags: Flags = np.isin(group, chosen)
    return flags


def call_groups(grid: Grid) -> Ints:
    """Service -> number of the connected part of the call graph that it is in."""
    parent = list(range(grid.count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in zip(grid.calls.source.tolist(), grid.calls.target.tolist(), strict=True):
        parent[root(b)] = root(a)
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root(i), len(numbers)) for i in range(grid.count)], np.int64)
