"""Free room on the machines of a region's further zones is filled with pods of its first one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.scheduling.generate import synthetic
from scheduler.at_scale import unaware
from scheduler.bulk import SPARE
from scheduler.chains import SpreadRows
from scheduler.consolidate import spare_size, split_zones
from scheduler.eligibility import eligible_sites
from scheduler.filled import calls_are_free, free_to_move, packed_zones
from scheduler.grid import Floats, Grid, build_grid
from scheduler.prices import kinds_of
from scheduler.problem import Problem
from scheduler.sizes import node_cap
from scheduler.solve import canonical_problem


def built(problem: Problem) -> tuple[Grid, list[Floats]]:
    """All that may be there in the place with most zones; its spread services in two of these."""
    problem = unaware(canonical_problem(problem))
    grid = build_grid(problem, eligible_sites(problem))
    k = max(
        range(len(grid.places)),
        key=lambda k: (grid.zones[k], calls_are_free(grid, grid.places[k]), grid.places[k].region),
    )
    counts = np.zeros(grid.allowed.shape)
    counts[:, k] = np.where(grid.allowed[:, k] & ~grid.dedicated, grid.replicas, 0.0)
    return grid, split_zones(grid, SpreadRows(grid), counts)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return synthetic(60, 300, 3)


def test_no_pod_is_lost_none_too_many_and_the_rooms_for_updates_stay(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.filled.FEW", 0)  # not the cheaper one of both: what was filled
    grid, before = built(problem)
    after, nodes = packed_zones(grid, [kinds_of(grid, place) for place in grid.places], before)
    k = next(k for k, mine in enumerate(before) if mine.any())
    place = grid.places[k]
    assert (after[k].sum(axis=1) == before[k].sum(axis=1)).all()
    assert after[k][:, 1:].sum() > before[k][:, 1:].sum()
    for z in range(after[k].shape[1]):
        spare, placed = spare_size(grid, after[k][:, z]), np.zeros(grid.count)
        if z:
            assert (spare == spare_size(grid, before[k][:, z])).all()
        for load in nodes.get((k, z)) or []:
            used = sum(n * (spare if i == SPARE else grid.sizes[i]) for i, n in load.pods.items())
            assert (used <= place.rooms[load.kind] + 1e-6).all()
            for i, n in load.pods.items():
                if i != SPARE:
                    placed[i] += n
                    assert n <= node_cap(grid.problem, grid.problem.services[i])
        assert (placed == after[k][:, z]).all()
    spreads = SpreadRows(grid)
    for rule, rows in spreads.rows.items():
        if rule is not None and rule.over == "zone":
            held = (after[k][rows] >= rule.min_each).sum(axis=1)
            assert (held[after[k][rows].any(axis=1)] >= rule.min_domains).all()


def test_what_belongs_to_its_zone_stays(problem: Problem) -> None:
    tied = replace(problem, services=tuple(replace(s, max_per={"zone": s.replicas}) for s in problem.services))
    grid, before = built(tied)
    assert not free_to_move(grid).any()
    after, _ = packed_zones(grid, [kinds_of(grid, place) for place in grid.places], before)
    assert all((a == b).all() for a, b in zip(after, before, strict=True))


def test_nothing_moves_where_calls_between_zones_cost(problem: Problem) -> None:
    grid, before = built(problem)
    k = next(k for k, mine in enumerate(before) if mine.any())
    region = grid.places[k].region
    routes = tuple(replace(r, price_per_gb=0.01) if r.src == r.dst == region else r for r in grid.problem.routes)
    dearer = replace(problem, routes=routes)
    assert calls_are_free(grid, grid.places[k])
    assert not calls_are_free(built(dearer)[0], grid.places[k])
