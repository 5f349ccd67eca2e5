"""Placements combined call graph by call graph: what is taken, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scheduling.generate import synthetic
from scheduler.choose import calls_cost, egress, reaches
from scheduler.columns import Columns
from scheduler.consolidate import opening, opening_costs, spare_size, spread_kept
from scheduler.eligibility import eligible_sites
from scheduler.grid import Floats
from scheduler.large import Large
from scheduler.rebalance import call_groups
from scheduler.solve import canonical_problem


@pytest.fixture(scope="module")
def large() -> Large:
    problem = canonical_problem(synthetic(60, 300, 2))
    return Large.of(problem, eligible_sites(problem))


def placements(large: Large) -> list[Floats]:
    """As the prices want it, and with every second place dearer."""
    ones = np.ones(len(large.model.grid.places))
    factors = [ones, np.where(np.arange(len(ones)) % 2, 1.4, 1.0), np.where(np.arange(len(ones)) % 2, 1.0, 1.4)]
    return [large._choice(large.each, f)[1] for f in factors]


def cost(large: Large, counts: Floats) -> float:
    """What the program weighs: calls, what pods are worth at one set of prices, and each place's dearest opening."""
    grid, group = large.model.grid, call_groups(large.model.grid)
    total = egress(grid, counts) + float((np.where(counts > 0, large.each, 0.0) * counts).sum())
    for k in range(len(grid.places)):
        each = [opening(grid, np.where(group == g, counts[:, k], 0.0), k) for g in range(int(group.max()) + 1)]
        total += max(each)
    return total


def test_each_call_graph_is_where_one_of_the_placements_had_it_and_all_costs_no_more(large: Large) -> None:
    model, grid, group = large.model, large.model.grid, call_groups(large.model.grid)
    given = placements(large)
    columns = Columns(grid, model.spreads, model.shares, np.ones(len(grid.places)))
    assert all(columns.add(counts) for counts in given)
    assert not columns.add(given[0])
    assert columns.learn(list(large.prices))
    found = columns.best()
    assert found is not None
    for g in range(int(group.max()) + 1):
        assert any((found[group == g] == counts[group == g]).all() for counts in given)
    assert spread_kept(grid, model.spreads, found)
    assert not len(reaches(grid, found))
    assert cost(large, found) <= min(cost(large, counts) for counts in given) * (1 + 1e-3)


def test_a_graph_placed_against_a_rule_is_not_taken(large: Large) -> None:
    model, grid, group = large.model, large.model.grid, call_groups(large.model.grid)
    right = placements(large)[0]
    wrong = right.copy()
    wrong[group == 0] = 0.0  # free, and nowhere
    columns = Columns(grid, model.spreads, model.shares, np.ones(len(grid.places)))
    columns.add(right)
    columns.add(wrong)
    columns.learn(list(large.prices))
    found = columns.best()
    assert found is not None
    assert (found == right).all()


def test_openings_at_once_are_those_one_by_one(large: Large) -> None:
    grid = large.model.grid
    counts = placements(large)[0]
    for k, place in enumerate(grid.places):
        if counts[~grid.dedicated, k].any():
            spare = spare_size(grid, counts[:, k])
            assert opening(grid, counts[:, k], k) == opening_costs(place, np.stack([spare, spare]))[1]
    assert calls_cost(grid, counts).sum() == pytest.approx(egress(grid, counts))
