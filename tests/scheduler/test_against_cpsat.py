"""Problems of middle size, judged by a second model that shares no line with the solver (independent.py): CP-SAT.

What is judged for each: that our placement holds there too, on exactly our machines, at exactly our price; that what we
call infeasible is not placed by it, and the other way round; that our bound is below everything that it finds, and its
bound below our price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from model.plan import PoolChoice
from scheduler.document import check_problem
from scheduler.problem import Problem
from scheduler.solve import solve
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided
from tests.scheduler.independent import Independent
from tests.scheduler.midsize import midsize_problem

TOLERANCE = 1e-4  # CP-SAT counts money in whole ten-millionths, rounded per machine and flow


def judge(problem: Problem, *, work_limit: int, work: float) -> str:
    """Compares the two; what they agree on: solved, infeasible or undecided."""
    assert check_problem(problem) == []
    verdict = solve(problem, work_limit=work_limit)
    if isinstance(verdict, Undecided):
        return "undecided"
    if isinstance(verdict, InfeasibleVerdict):
        assert Independent(problem).solve(work, cost=False).status in ("INFEASIBLE", "UNKNOWN")
        return "infeasible"
    assert isinstance(verdict, Solved)
    placement, wishes = verdict.placement, verdict.preference_per_hour
    price = placement.cost.total_per_hour + wishes
    where = {row.service: row.replicas for row in placement.services}
    held = Independent(problem, below=price)
    held.hold(where, placement.pools)
    known = held.solve(work)
    assert known.status == "OPTIMAL", "CP-SAT refuses our placement"
    assert known.cost == pytest.approx(price, abs=TOLERANCE)
    free = Independent(problem, below=price)
    free.hint(known)
    found = free.solve(work)
    assert found.status in ("OPTIMAL", "FEASIBLE"), "CP-SAT lost the placement that it was told"
    assert found.bound <= price + TOLERANCE
    assert placement.lower_bound_per_hour + wishes <= found.cost + TOLERANCE, "our bound is above what CP-SAT found"
    if placement.proven_optimal:
        assert found.cost >= price - TOLERANCE, "CP-SAT beats what we call optimal"
    return "solved"


def test_cpsat_agrees() -> None:
    found = [judge(midsize_problem(seed, services=5, sites=4), work_limit=20, work=0.3) for seed in (0, 1, 2, 4, 6, 7)]
    assert found.count("solved") == 5 and "infeasible" in found


def test_cpsat_would_say_so() -> None:
    """A referee that lets everything pass is none."""
    problem = midsize_problem(0, services=5, sites=4)
    verdict = solve(problem, work_limit=20)
    assert isinstance(verdict, Solved)
    where = {row.service: dict(row.replicas) for row in verdict.placement.services}
    pools = verdict.placement.pools

    def status(where: dict[str, dict[str, int]], pools: Sequence[PoolChoice], problem: Problem = problem) -> str:
        model = Independent(problem)
        model.hold(where, pools)
        return model.solve(1.0, cost=False).status

    assert status(where, pools) == "OPTIMAL"
    assert status(where, pools[1:]) == "INFEASIBLE"  # a pool is missing
    name, sites = next(iter(where.items()))
    bare = next(s.id for s in problem.sites if s.id not in {p.site for p in pools})
    moved = {**where, name: {bare: sum(sites.values())}}
    assert status(moved, pools) == "INFEASIBLE"  # nothing was bought for it there
    poor = replace(problem, region_quota_vcpu=dict.fromkeys(problem.regions, 1.0))
    assert status(where, pools, poor) == "INFEASIBLE"
    assert Independent(poor).solve(1.0, cost=False).status == "INFEASIBLE"


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_cpsat_agrees_on_more_and_larger_ones(seed: int) -> None:
    judge(midsize_problem(seed), work_limit=100, work=10)
    judge(midsize_problem(seed, services=6, sites=5), work_limit=400, work=10)
