"""CP-SAT finds HiGHS's optima; what the model with single machines says holds."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from scheduler.by_size import BySize
from scheduler.check import broken_rules, weight_of
from scheduler.cp_sat import solve_whole_numbers
from scheduler.eligibility import eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import MixedIntegerModel, Status, solve_model
from scheduler.problem import Problem
from scheduler.slots import rounded_slots
from scheduler.solve import canonical_problem

WORK = 5.0


@pytest.mark.parametrize("seed", range(12))
def test_both_solvers_find_the_same_optimum(make_tiny: Callable[[int], Problem], seed: int) -> None:
    problem = canonical_problem(make_tiny(seed))
    model = Formulation(problem, eligible_sites(problem), merged=True).model
    ours, theirs = solve_whole_numbers(model, work=WORK), solve_model(model, node_limit=2_000)
    assert ours.status is theirs.status
    if theirs.values is not None:
        assert ours.objective == pytest.approx(theirs.objective, abs=1e-5)
        assert theirs.objective - 1e-5 <= ours.bound <= theirs.objective + 1e-9
        coarse = solve_whole_numbers(model, work=WORK, price_steps=100)
        assert coarse.bound <= theirs.objective + 1e-9


def test_rounded_rows_exclude_nothing() -> None:
    model = MixedIntegerModel()
    x, y = model.column(-1.0, 3.0), model.column(0.0, 9.0)
    model.row([(x, 1 / 3), (y, -1.0)], upper=0.0)  # exactly three thirds: no row of rounded numbers may forbid it
    model.row([(y, 1.0)], upper=1.0)
    answer = solve_whole_numbers(model, work=1.0)
    assert answer.status is Status.OPTIMAL
    assert answer.values == [3.0, 1.0]
    model.row([(y, 0.1)], lower=0.11)
    assert solve_whole_numbers(model, work=1.0).status is Status.INFEASIBLE


@pytest.mark.parametrize(("price", "size"), [(1e12, 1.0), (1.0, 1e12 / 3)])
def test_what_cannot_be_counted_exactly_is_not_answered(price: float, size: float) -> None:
    model = MixedIntegerModel()
    x = model.column(price, 1e6)
    model.row([(x, size)], lower=size)
    answer = solve_whole_numbers(model, work=1.0)
    assert (answer.status, answer.values, answer.bound) == (Status.LIMIT, None, -math.inf)


def test_what_single_machines_say_holds(make_tiny: Callable[[int], Problem]) -> None:
    seen = 0
    for seed in range(24):
        problem = canonical_problem(make_tiny(seed))
        eligibility = eligible_sites(problem)
        sized = BySize(Formulation(problem, eligibility, merged=True, whole_pods=False))
        sized.split()
        for part in sized.parts[:1]:
            found = rounded_slots(problem, eligibility, sized, part, WORK)
            if found is None:
                continue
            assert not broken_rules(problem, found.assignment, found.pools, found.packing)
            assert weight_of(problem, found.assignment, found.pools) >= part.bound - 1e-6
            again = rounded_slots(problem, eligibility, sized, part, WORK)
            assert again == found
            seen += 1
    assert seen >= 4
