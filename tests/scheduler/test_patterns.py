"""Patterns of what one machine carries: with them small problems are solved to the end, packing and all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.eligibility import eligible_sites
from scheduler.patterns import all_patterns
from scheduler.problem import NODE, Apart, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import Solved
from tests.scheduler.midsize import midsize_problem


@pytest.mark.parametrize(("seed", "price"), [(0, 1.6769), (3, 1.19664), (56, 1.27659)])
def test_small_problems_are_solved_to_the_end(seed: int, price: float) -> None:
    """Prices that CP-SAT found, too. In 0 and 3 the sums of the pods say nothing of how they pack; 56 was called
    infeasible by the solver's presolve."""
    verdict = solve(midsize_problem(seed, services=6, sites=5))
    assert isinstance(verdict, Solved)
    assert verdict.placement.proven_optimal
    assert verdict.placement.cost.total_per_hour + verdict.preference_per_hour == pytest.approx(price, abs=1e-4)


def two_services() -> Problem:
    """Pods of 600m and 400m, machines of 1,600m."""
    machine = InstanceOffer(name="m", vcpu=2, cpu_millicores=1600, memory_mib=4000, price_per_hour=0.1)
    return Problem(
        services=(
            ServiceDemand(name="a", replicas=2, cpu_millicores=600, memory_mib=100),
            ServiceDemand(name="b", replicas=4, cpu_millicores=400, memory_mib=100, surge=False),
        ),
        sites=(SiteOffer(id="x/1", region="x", cloud="x", partition="x", country="CN", types=(machine,)),),
        survive_node_loss=False,
        rollout_headroom=False,
    )


def listed(problem: Problem) -> list[tuple[dict[str, int], bool]]:
    problem = canonical_problem(problem)
    found = all_patterns(problem, eligible_sites(problem))
    assert found is not None
    return [(dict(p.pods), p.spare is not None) for p in found["x/1"]]


def test_patterns_are_all_largest_sets_of_pods() -> None:
    assert listed(two_services()) == [({"a": 2, "b": 1}, False), ({"a": 1, "b": 2}, False), ({"b": 4}, False)]


def test_some_keep_the_room_for_an_update() -> None:
    found = listed(replace(two_services(), rollout_headroom=True))
    assert [pods for pods, spare in found if spare] == [{"a": 1, "b": 1}, {"b": 2}]


def test_no_pattern_has_what_may_not_share_a_node() -> None:
    problem = two_services()
    a, b = problem.services
    apart = replace(problem, services=(replace(a, apart=(Apart(service="b", over=NODE),)), b))
    assert listed(apart) == [({"a": 2}, False), ({"b": 4}, False)]


def test_too_many_patterns_are_not_listed() -> None:
    problem = canonical_problem(midsize_problem(2))
    assert all_patterns(problem, eligible_sites(problem)) is None
