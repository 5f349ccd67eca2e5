"""Tiny generated problems against the oracle that tries everything, and the laws that every answer keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from model.codec import canonical
from model.rng import stream
from scheduler.check import broken_rules, cost_of
from scheduler.infeasible import without
from scheduler.problem import Problem
from scheduler.solve import solve
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided

CHUNKS = 20
PER_CHUNK = 12
WORK = 3_000


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_oracle_agrees(chunk: int, make_tiny: Callable[[int], Problem], oracle: Callable[[Problem], float]) -> None:
    """Feasible where it is, infeasible where it is, the bound below the optimum, the optimum within the gap."""
    for seed in range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK):
        problem = make_tiny(seed)
        best = oracle(problem)
        verdict = solve(problem, work_limit=WORK)
        assert not isinstance(verdict, Undecided), seed
        if isinstance(verdict, InfeasibleVerdict):
            assert best == math.inf, f"{seed}: called infeasible, costs {best}"
            continue
        placement = verdict.placement
        cost = placement.cost.total_per_hour
        assert placement.lower_bound_per_hour <= best + 1e-6, seed
        assert cost >= best - 1e-6, f"{seed}: cheaper than possible"
        assert cost <= best * (1 + placement.gap) + 1e-6, seed
        if placement.proven_optimal:
            assert cost == pytest.approx(best, abs=1e-5), seed


@pytest.mark.parametrize("chunk", range(5))
def test_no_constraint_is_broken_and_the_certificate_holds(chunk: int, make_tiny: Callable[[int], Problem]) -> None:
    for seed in range(10_000 + chunk * 10, 10_000 + chunk * 10 + 10):
        problem = make_tiny(seed)
        verdict = solve(problem, work_limit=WORK)
        if isinstance(verdict, Solved):
            assignment = {s.service: s.replicas for s in verdict.placement.services}
            assert broken_rules(problem, assignment, verdict.placement.pools, verdict.packing) == []
            shown = cost_of(problem, assignment, verdict.placement.pools)
            assert shown.total_per_hour == pytest.approx(verdict.placement.cost.total_per_hour)


def _shuffled(problem: Problem, seed: int) -> Problem:
    rng = stream(seed, "shuffle")

    def mixed(values: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple(rng.sample(values, len(values)))

    return replace(
        problem,
        services=mixed(tuple(replace(s, edges=mixed(s.edges)) for s in problem.services)),
        sites=mixed(tuple(replace(s, types=mixed(s.types)) for s in problem.sites)),
        externals=mixed(problem.externals),
        routes=mixed(problem.routes),
        region_quota_vcpu=dict(mixed(tuple(problem.region_quota_vcpu.items()))),
    )


@pytest.mark.parametrize("seed", range(20_000, 20_020))
def test_order_of_the_input_and_repetition_change_nothing(seed: int, make_tiny: Callable[[int], Problem]) -> None:
    problem = make_tiny(seed)
    first = solve(problem, work_limit=WORK)
    assert canonical(solve(problem, work_limit=WORK)) == canonical(first)
    assert canonical(solve(_shuffled(problem, seed), work_limit=WORK)) == canonical(first)


@pytest.mark.parametrize("seed", range(30_000, 30_015))
def test_a_relaxed_constraint_never_costs_more(seed: int, make_tiny: Callable[[int], Problem]) -> None:
    problem = make_tiny(seed)
    verdict = solve(problem, work_limit=WORK)
    if not isinstance(verdict, Solved) or not verdict.placement.proven_optimal:
        return  # nothing to compare with
    easier = replace(
        problem,
        region_quota_vcpu={},
        rollout_headroom=False,
        services=tuple(replace(s, spread=None, avoided_sites=(), icp_required=False) for s in problem.services),
    )
    relaxed = solve(easier, work_limit=WORK)
    assert isinstance(relaxed, Solved)
    assert relaxed.placement.lower_bound_per_hour <= verdict.placement.cost.total_per_hour + 1e-6
    if relaxed.placement.proven_optimal:
        assert relaxed.placement.cost.total_per_hour <= verdict.placement.cost.total_per_hour + 1e-6


def test_conflicts_are_true_and_irreducible(
    make_tiny: Callable[[int], Problem], oracle: Callable[[Problem], float]
) -> None:
    """What is named conflicts by itself, and no longer does when any one of it is given up."""
    from scheduler.infeasible import constraints_of

    seen = 0
    for seed in range(400):
        problem = make_tiny(seed)
        verdict = solve(problem, work_limit=WORK)
        if not isinstance(verdict, InfeasibleVerdict):
            continue
        seen += 1
        assert verdict.irreducible and verdict.conflicts
        others = [c for c in constraints_of(problem) if c not in set(verdict.conflicts)]
        assert oracle(without(problem, others)) == math.inf, seed
        for conflict in verdict.conflicts:
            assert oracle(without(problem, [*others, conflict])) < math.inf, (seed, conflict.words)
        for relaxation in verdict.relaxations:
            best = oracle(without(problem, [relaxation.conflict]))
            assert relaxation.enough is (best < math.inf), seed
            if relaxation.cost_per_hour is not None and relaxation.cost_per_hour > 0:
                assert relaxation.cost_per_hour >= best - 1e-6, seed
        if seen >= 20:
            break
    assert seen >= 20
