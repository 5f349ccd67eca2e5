"""What runs in a zone is put on the nodes that are there."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from benchmarks.scheduling.generate import synthetic
from scheduler.bulk import SPARE
from scheduler.consolidate import spare_size
from scheduler.eligibility import eligible_sites
from scheduler.grid import Floats, Grid, build_grid
from scheduler.prices import Kinds, kinds_of
from scheduler.refill import refill
from scheduler.site_packing import pack_site
from scheduler.sizes import node_cap
from scheduler.solve import canonical_problem


@cache
def zone() -> tuple[Grid, int, Kinds, Floats, Floats, tuple[int, ...]]:
    """A grid, a place of it with all pods that may be there, and the nodes that were bought for them."""
    problem = canonical_problem(synthetic(200, 2000, 5))
    grid = build_grid(problem, eligible_sites(problem))
    k = int((grid.allowed * grid.replicas[:, None]).sum(axis=0).argmax())
    counts = np.where(grid.allowed[:, k] & ~grid.dedicated, grid.replicas, 0.0)
    kinds = kinds_of(grid, grid.places[k])
    spare = spare_size(grid, counts)
    loads = pack_site(grid, grid.places[k], kinds, counts, spare)
    assert loads is not None
    return grid, k, kinds, counts, spare, tuple(sorted(load.kind for load in loads))


@pytest.mark.parametrize("share", [1.0, 1.15, 0.6])
def test_every_pod_is_on_a_node_that_has_room_for_it(share: float) -> None:
    grid, k, kinds, counts, spare, existing = zone()
    place = grid.places[k]
    now = np.ceil(counts * share)
    loads = refill(grid, place, kinds, now, spare, existing)
    assert loads is not None
    placed: Counter[int] = Counter()
    for load in loads:
        carried = sum((grid.sizes[i] * n for i, n in load.pods.items() if i != SPARE), np.zeros(grid.sizes.shape[1]))
        assert (carried <= place.rooms[load.kind] + 1e-6).all()
        for i, n in load.pods.items():
            placed[i] += n
            assert i == SPARE or n <= node_cap(grid.problem, grid.problem.services[i])
    del placed[SPARE]
    assert placed == {i: int(n) for i, n in enumerate(now.tolist()) if n}
    free = [
        place.rooms[load.kind] - sum(grid.sizes[i] * n for i, n in load.pods.items() if i != SPARE) for load in loads
    ]
    assert any((room >= spare - 1e-6).all() for room in free)
    kept, had = Counter(load.kind for load in loads), Counter(existing)
    paid = sum(float(place.prices[load.kind]) for load in loads)
    before = sum(float(place.prices[t]) for t in existing)
    if share == 1.0:
        assert sum((kept - had).values()) <= 1  # nearly everything fits where it fitted before
    elif share < 1.0:
        assert paid < 0.8 * before  # nodes that nobody needs end
    else:
        assert paid < 1.3 * before


def test_equal_pods_are_put_equally() -> None:
    grid, k, kinds, counts, spare, existing = zone()
    first, second = (refill(grid, grid.places[k], kinds, counts, spare, existing) for _ in range(2))
    assert first == second


def test_where_nothing_runs_others_must_pack() -> None:
    grid, k, kinds, counts, spare, _ = zone()
    assert refill(grid, grid.places[k], kinds, counts, spare, ()) is None
