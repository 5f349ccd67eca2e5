"""Parts that are searched in pieces: nothing is left out, what is found holds, and more is known than before."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.scheduling.generate import example_problem
from scheduler.by_size import BySize, Part
from scheduler.check import broken_rules, weight_of
from scheduler.cp_sat import solve_whole_numbers
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import MixedIntegerModel, Status, solve_model
from scheduler.narrowing import Narrowing
from scheduler.pieces import Pieces
from scheduler.problem import Problem
from scheduler.regions import without_dominated
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import Solved
from scheduler.zoned import ZonedSlots

WORK = 10.0
NEAR = 1e-6


def _solved(problem: Problem) -> tuple[Problem, Eligibility, BySize, float] | None:
    """The problem, where its services may be, its parts, and what its optimum costs; None: it is not for this."""
    problem = canonical_problem(problem)
    verdict = solve(problem)
    if not isinstance(verdict, Solved) or not verdict.placement.proven_optimal:
        return None
    eligibility = eligible_sites(problem)
    sized = BySize(Formulation(*without_dominated(problem, eligibility), merged=True, whole_pods=False))
    sized.split()
    cost = verdict.placement.cost.total_per_hour + verdict.preference_per_hour
    return (problem, eligibility, sized, cost) if sized.formulation.n and cost > 0 else None


def test_narrowing_leaves_out_no_solution(make_tiny: Callable[[int], Problem]) -> None:
    seen = 0
    for seed in range(30):
        problem = canonical_problem(make_tiny(seed))
        model = Formulation(problem, eligible_sites(problem), merged=True).model
        best = solve_model(model, node_limit=2_000)
        if best.status is not Status.OPTIMAL:
            continue
        whole = [col for col, integer in enumerate(model.integer) if integer]
        narrowing = Narrowing(copy.deepcopy(model), best.objective)
        narrowing.narrow(whole)
        assert solve_model(narrowing.model, node_limit=2_000).objective == pytest.approx(best.objective, abs=1e-6)
        assert _width(narrowing.model, whole) < _width(model, whole)
        cheaper = Narrowing(copy.deepcopy(model), -1.0)
        cheaper.narrow(whole)
        assert cheaper.cost == math.inf
        seen += 1
    assert seen >= 10


def _width(model: MixedIntegerModel, columns: list[int]) -> float:
    return sum(model.upper[col] - model.lower[col] for col in columns)


def test_narrowing_finds_what_is_left_of_each_column() -> None:
    model = MixedIntegerModel()
    x, y = model.column(1.0, 9.0), model.column(3.0, 50.0)
    model.row([(x, 1.0), (y, 1.0)], lower=6.0)
    narrowing = Narrowing(model, 11.0)
    narrowing.narrow([x, y])
    assert (model.lower, model.upper) == ([4.0, 0.0], [9.0, 2.0])


def test_the_model_with_zones_leaves_out_no_placement(
    make_tiny: Callable[[int], Problem], make_featured: Callable[[int], Problem]
) -> None:
    """Its optimum over all parts is at most the problem's, and mostly the same."""
    seen = equal = held = 0
    for generated in [*map(make_tiny, range(50)), *map(make_featured, range(50))]:
        known = _solved(generated)
        if known is None:
            continue
        problem, eligibility, sized, cost = known
        least = math.inf
        for part in sized.parts:
            limited = part if part.size[1] is not None else Part((part.size[0], part.size[0] + 12))
            model = ZonedSlots(problem, eligibility, sized, limited, sized.model(limited), most_columns=9_000)
            answer = solve_whole_numbers(model.model, work=WORK)
            if answer.values is None:
                continue
            least = min(least, answer.bound)
            found = model.read(answer.values)
            if found is not None:
                assert not broken_rules(problem, found.assignment, found.pools, found.packing)
                held += 1
        assert least <= cost + NEAR
        seen += 1
        equal += least >= cost - NEAR
    assert seen >= 20 and equal >= seen - 2 and held >= seen


def test_pieces_hold_what_there_is_and_say_where_nothing_is(make_tiny: Callable[[int], Problem]) -> None:
    seen = 0
    for seed in range(40):
        known = _solved(make_tiny(seed))
        if known is None:
            continue
        problem, eligibility, sized, cost = known
        found, bounds = [math.inf], [math.inf]
        for part in sized.parts:
            pieces = Pieces(problem, eligibility, sized, part, cost * 1.05)
            pieces.search(WORK)
            bounds.append(pieces.bound)
            found += [weight_of(problem, f.assignment, f.pools) for f in pieces.found]
            none = Pieces(problem, eligibility, sized, part, cost * (1 - 1e-5))
            none.search(WORK)
            assert none.bound >= none.cutoff - NEAR or not none.found
        assert min(bounds) <= cost + NEAR
        assert min(found) >= cost - NEAR
        seen += min(found) <= cost + NEAR and min(bounds) >= cost - NEAR
    assert seen >= 10


def test_without_work_pieces_say_what_their_relaxations_do(make_tiny: Callable[[int], Problem]) -> None:
    known = next(filter(None, (_solved(make_tiny(seed)) for seed in range(40))))
    problem, eligibility, sized, cost = known
    for part in sized.parts:
        pieces = Pieces(problem, eligibility, sized, part, cost * 1.05)
        pieces.search(0.0)
        assert not pieces.found and pieces.bound >= part.bound - NEAR
        before = part.bound
        pieces.tell(part)
        assert part.in_pieces and before <= part.bound <= max(before, cost * 1.05)


def _some_of_the_example(*dropped: str) -> Problem:
    problem = example_problem()
    left = [
        replace(s, edges=tuple(e for e in s.edges if e.callee not in dropped))
        for s in problem.services
        if s.name not in dropped
    ]
    return replace(problem, services=tuple(left))


def test_a_problem_of_middle_size_is_proven() -> None:
    """15 services of the example: until parts were searched in pieces the cost was 1.6 % above the bound."""
    problem = _some_of_the_example(
        "search", "settlement-recon", "bank-channel", "loan-origination", "pricing-rate", "job-scheduler",
        "kyc-realname", "admin-bff", "refund-service", "notification-sender", "coupon-marketing", "order-mq",
    )  # fmt: skip
    verdict = solve(problem)
    assert isinstance(verdict, Solved) and verdict.placement.proven_optimal
    assert verdict.placement.cost.total_per_hour == pytest.approx(5.81145, abs=1e-4)
    assert solve(problem) == verdict


@pytest.mark.soak
def test_the_example_is_proven_with_more_work() -> None:
    quick, thorough = solve(example_problem()), solve(example_problem(), work_limit=2_000)
    assert isinstance(quick, Solved) and isinstance(thorough, Solved)
    assert thorough.placement.proven_optimal
    assert quick.placement.cost.total_per_hour == pytest.approx(thorough.placement.cost.total_per_hour, rel=1e-6)
