"""Pods of one zone on whole machines: the mix that is bought, and the exchanges that make them fit."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scheduling.generate import synthetic
from model.rng import stream
from scheduler.at_scale import unaware
from scheduler.bulk import SPARE
from scheduler.chains import SpreadRows, bound_pass
from scheduler.consolidate import spare_size, split_zones
from scheduler.eligibility import eligible_sites
from scheduler.grid import Grid, build_grid
from scheduler.openings import bound_with_rooms, room_worth, rooms_for_updates
from scheduler.prices import kinds_of, mix_prices, replica_prices
from scheduler.site_packing import pack_site
from scheduler.sizes import DIMENSIONS, node_cap
from scheduler.solve import canonical_problem
from scheduler.whole import Exchange


def filled(nodes: int, seed: int, slack: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Pods that fit on so many nodes with that share of each to spare: (sizes of 12 services, pods of each, rooms)."""
    rng = stream(seed, "exchange")
    sizes = np.array([[rng.randint(50, 900), rng.randint(64, 3000)] for _ in range(12)], float)
    counts = np.array([rng.randint(nodes, 3 * nodes) for _ in range(12)])
    on = np.array([[counts[s] // nodes + (n < counts[s] % nodes) for s in range(12)] for n in range(nodes)])
    rooms = np.tile((on @ sizes).max(axis=0) * (1 + slack), (nodes, 1))
    return sizes, counts, rooms


@pytest.mark.parametrize("seed", range(6))
def test_exchanges_end_with_no_node_overfull_and_no_pod_lost(seed: int) -> None:
    sizes, counts, rooms = filled(5, seed, 0.01)
    on = np.zeros((5, 12), np.int16)
    on[0] = counts  # everything on one node
    exchange = Exchange(on, counts, sizes, np.full(12, np.inf), rooms)
    assert exchange.run()
    assert (exchange.on.sum(axis=0) == counts).all()
    assert (exchange.on @ sizes <= rooms + 1e-6).all()
    assert (exchange.on >= 0).all()


def test_no_node_gets_more_of_a_service_than_it_may_carry() -> None:
    sizes, counts, rooms = filled(5, 1, 0.15)
    caps = np.ceil(counts / 5) + 1
    exchange = Exchange(np.zeros((5, 12), np.int16), counts, sizes, caps, rooms)
    assert all(exchange.add(service) for service in range(12) for _ in range(counts[service]))
    assert exchange.run()
    assert (exchange.on <= caps[None, :]).all()


def test_too_little_room_is_not_called_a_fit() -> None:
    sizes, counts, rooms = filled(4, 2, 0.0)
    on = np.zeros((4, 12), np.int16)
    on[0] = counts
    assert not Exchange(on, counts, sizes, np.full(12, np.inf), rooms * 0.9).run()


@pytest.fixture(scope="module")
def grid() -> Grid:
    problem = unaware(canonical_problem(synthetic(60, 300, 3)))
    return build_grid(problem, eligible_sites(problem))


def test_a_zone_is_packed_whole_and_not_below_what_its_program_costs(grid: Grid) -> None:
    k = max(range(len(grid.places)), key=lambda k: float(grid.allowed[:, k].sum()))
    place, kinds = grid.places[k], kinds_of(grid, grid.places[k])
    counts = np.where(grid.allowed[:, k] & ~grid.dedicated, grid.replicas, 0.0)
    spare = spare_size(grid, counts)
    loads = pack_site(grid, place, kinds, counts, spare)
    assert loads is not None
    demand = np.zeros((kinds.count, DIMENSIONS))
    np.add.at(demand, kinds.kind, grid.sizes * counts[:, None])
    program = mix_prices(place, kinds, demand, zones=1)
    assert program is not None
    price = sum(float(place.prices[load.kind]) for load in loads)
    assert program.cost - 1e-9 <= price <= 1.2 * program.cost
    placed = np.zeros(grid.count)
    for load in loads:
        used = np.zeros(DIMENSIONS)
        for service, n in load.pods.items():
            used += n * (spare if service == SPARE else grid.sizes[service])
            if service != SPARE:
                placed[service] += n
                assert n <= node_cap(grid.problem, grid.problem.services[service])
        assert (used <= place.rooms[load.kind] + 1e-6).all()
    assert (placed == counts).all()
    assert sum(load.pods.get(SPARE, 0) for load in loads) == 1


def test_rooms_for_updates_raise_the_bound_by_no_more_than_all_zones_rooms_are_worth(grid: Grid) -> None:
    spreads = SpreadRows(grid)
    demand = grid.sizes * np.where(grid.dedicated, 0.0, grid.replicas)[:, None]
    prices = []
    for place in grid.places:
        kinds = kinds_of(grid, place)
        sums = np.zeros((kinds.count, DIMENSIONS))
        np.add.at(sums, kinds.kind, demand)
        found = mix_prices(place, kinds, sums)
        assert found is not None
        prices.append(found)
    each = replica_prices(grid, prices)
    plain = bound_pass(grid, spreads, each).bound
    worth = room_worth(grid, prices)
    most = sum(
        float(np.where(np.isfinite(worth[:, k]), worth[:, k], 0.0).max()) * grid.zones[k] for k in range(len(prices))
    )
    found = bound_with_rooms(grid, spreads, each, prices)
    assert plain + 0.5 * rooms_for_updates(grid, spreads, prices) < found <= plain + most + 1e-9


def test_zones_are_split_until_the_spread_holds(grid: Grid) -> None:
    spreads = SpreadRows(grid)
    k = max(range(len(grid.places)), key=lambda k: len(grid.places[k].sites))
    counts = np.zeros(grid.allowed.shape)
    counts[:, k] = grid.replicas
    zoned = split_zones(grid, spreads, counts)
    assert (zoned[k].sum(axis=1) == grid.replicas).all()
    for rule, rows in spreads.rows.items():
        if rule is not None and rule.over == "zone":
            assert ((zoned[k][rows] >= rule.min_each).sum(axis=1) == rule.min_domains).all()
