"""The parts of a model by its number of machines: together they hold every placement, and each bounds its own."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from scheduler.by_size import BySize
from scheduler.eligibility import eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import Status, solve_model
from scheduler.problem import Problem
from scheduler.pruning import pool_types
from scheduler.site_mixes import Mixes
from scheduler.solve import canonical_problem
from tests.scheduler.midsize import midsize_problem


def whole(make_tiny: Callable[[int], Problem], seed: int) -> Formulation:
    problem = canonical_problem(make_tiny(seed))
    return Formulation(problem, eligible_sites(problem))


@pytest.mark.parametrize("divided", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_the_best_of_the_parts_is_the_best_of_the_whole(
    make_tiny: Callable[[int], Problem], seed: int, divided: bool
) -> None:
    formulation = whole(make_tiny, seed)
    best = solve_model(formulation.model, node_limit=2_000)
    sized = BySize(formulation)
    sized.split()
    if divided:
        sized.divide()
    answers = [solve_model(sized.model(part), node_limit=2_000) for part in sized.parts]
    found = [a.objective for a in answers if a.status is Status.OPTIMAL]
    assert min(found, default=math.inf) == pytest.approx(best.objective, abs=1e-6)
    for part, answer in zip(sized.parts, answers, strict=True):
        assert part.bound <= answer.objective + 1e-6


def test_a_cutoff_leaves_only_what_costs_less(make_tiny: Callable[[int], Problem]) -> None:
    seen = 0
    for seed in range(20):
        formulation = whole(make_tiny, seed)
        best = solve_model(formulation.model, node_limit=2_000)
        if best.status is not Status.OPTIMAL or best.objective < 1e-3:
            continue
        seen += 1
        sized = BySize(formulation)
        sized.split()
        below, above = best.objective * 0.999, best.objective * 1.001
        for part in sized.parts:
            assert solve_model(sized.model(part, below), node_limit=2_000).status is Status.INFEASIBLE
        kept = [solve_model(sized.model(part, above), node_limit=2_000).status for part in sized.parts]
        assert Status.OPTIMAL in kept
    assert seen > 5


def test_some_parts_are_divided_by_regions_with_one_machine(make_tiny: Callable[[int], Problem]) -> None:
    """Or the test of the divided parts would show nothing."""
    seen = 0
    for seed in range(20):
        sized = BySize(whole(make_tiny, seed))
        sized.split()
        sized.divide()
        alone = [p for p in sized.parts if (0, 1) in p.regions.values()]
        more = [p for p in sized.parts if (2, None) in p.regions.values()]
        seen += bool(alone) and bool(more)
    assert seen >= 2


def test_a_site_without_any_type_for_its_tenants_has_no_mix() -> None:
    """Found by CP-SAT's referee: an empty table of mixes could not be shaped."""
    problem = midsize_problem(3, services=6, sites=5)
    site = next(s for s in problem.sites if not pool_types(problem, s, ()))
    mixes = Mixes(problem, site, ())
    assert mixes.counts.shape == (0, 0)
    assert mixes.prices.size == 0
