"""Problems that nobody writes on purpose, each of which once went wrong."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest

from scheduler.__main__ import verdict_to_data
from scheduler.at_scale import solve_at_scale
from scheduler.conflicts import explain_infeasible
from scheduler.eligibility import eligible_sites
from scheduler.money import in_units, unit_of
from scheduler.problem import Problem, ServiceDemand, SiteOffer
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import InfeasibleVerdict, Solved
from tests.scheduler.conftest import offer
from tests.scheduler.test_conflicts import problem, service


def _one_zone(*services: ServiceDemand) -> Problem:
    """amd64 and arm64 machines; arm64 is dearer."""
    types = (offer("amd", 2000, 4000, 1.0), replace(offer("arm", 2000, 4000, 1.2), arch="arm64"))
    site = SiteOffer(id="a/r1", region="a/r", cloud="a", partition="a", country="CN", types=types)
    return Problem(services=services, sites=(site,), survive_node_loss=False)


@pytest.mark.parametrize("other", [("amd64", "arm64"), ("amd64",)])
def test_room_for_an_update_of_an_arm64_image_is_kept_where_it_can_run(
    other: tuple[str, ...], oracle: Callable[[Problem], float]
) -> None:
    """The image for both must not keep its room on amd64 for the one that runs on arm64 only."""
    arm = service("arm", replicas=1, cpu_millicores=1100, architectures=("arm64",))
    given = _one_zone(arm, service("other", replicas=1, cpu_millicores=1200, architectures=other))
    verdict = solve(given)
    assert isinstance(verdict, Solved)
    assert verdict.placement.cost.total_per_hour == pytest.approx(oracle(given))


def _times(given: Problem, factor: float) -> Problem:
    return in_units(given, 1 / factor)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40], ids=["tiny", "huge"])
def test_the_unit_of_money_decides_nothing(factor: float, make_featured: Callable[[int], Problem]) -> None:
    """Prices of 1e-12 or 1e12 an hour give the same placement, and bill and bound scaled, by both methods."""
    solved = 0
    for seed in (0, 5, 7, 12):
        given = canonical_problem(make_featured(seed))
        other = _times(given, factor)
        assert unit_of(given) == 1.0 and unit_of(other) != 1.0
        one, two = solve(given), solve(other)
        assert type(one) is type(two)
        if isinstance(one, InfeasibleVerdict) and isinstance(two, InfeasibleVerdict):
            assert one.conflicts == two.conflicts
            for a, b in zip(one.relaxations, two.relaxations, strict=True):
                assert (a.cost_per_hour or 0.0) * factor == pytest.approx(b.cost_per_hour or 0.0)
        if not isinstance(one, Solved) or not isinstance(two, Solved):
            continue
        solved += 1
        assert one.placement.proven_optimal == two.placement.proven_optimal
        assert one.placement.cost.total_per_hour * factor == pytest.approx(two.placement.cost.total_per_hour, rel=1e-9)
        assert two.placement.lower_bound_per_hour <= two.placement.cost.total_per_hour
        large, _ = solve_at_scale(other, eligible_sites(other))
        if isinstance(large, Solved):
            assert large.placement.lower_bound_per_hour <= two.placement.cost.total_per_hour * (1 + 1e-6)
    assert solved > 2


def test_machines_at_price_0_are_used_by_the_method_for_large_problems() -> None:
    given = canonical_problem(problem(*(service(f"s{i}") for i in range(6))))
    free = tuple(replace(s, types=tuple(replace(t, price_per_hour=0.0) for t in s.types)) for s in given.sites)
    given = replace(given, sites=free)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict, _ = solve_at_scale(given, eligible_sites(given))
    assert isinstance(verdict, Solved) and verdict.placement.cost.total_per_hour == 0.0


def test_no_conflict_is_made_up_for_what_holds() -> None:
    """The method for large problems may think wrongly that something fits nowhere: then nothing is said to conflict."""
    given = canonical_problem(problem(service("x"), service("y")))
    assert explain_infeasible(given, 100, 0, known=False).conflicts == ()


def test_the_same_problem_twice_is_the_same_answer_to_the_byte(make_featured: Callable[[int], Problem]) -> None:
    for seed in range(20, 24):
        given = make_featured(seed)
        turned = replace(given, services=given.services[::-1], sites=given.sites[::-1], routes=given.routes[::-1])
        first, second = (json.dumps(verdict_to_data(solve(p)), default=str) for p in (given, turned))
        assert first == second, seed
