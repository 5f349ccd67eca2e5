"""The optimum on given machines, and the search over machines: never dearer, never against a rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.nodes import assembled, buy
from scheduler.on_machines import Ways
from scheduler.problem import InstanceOffer, NodeLoad, Problem, ServiceDemand, SiteOffer
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import Solved
from tests.scheduler.midsize import midsize_problem


def one_zone_each() -> Problem:
    """Two zones; four pods of half a core and the room for one more fit on one machine of 2.6 cores."""
    machines = tuple(
        InstanceOffer(name=f"m{n}", vcpu=n, cpu_millicores=1300 * n, memory_mib=4000 * n, price_per_hour=0.1 * n)
        for n in (1, 2)
    )
    sites = tuple(
        SiteOffer(id=f"x/{z}", region="x", cloud="x", partition="x", country="CN", types=machines) for z in (1, 2)
    )
    services = tuple(ServiceDemand(name=n, replicas=2, cpu_millicores=500, memory_mib=100) for n in "ab")
    return Problem(services=services, sites=sites, survive_node_loss=False)


def test_machines_are_merged_where_that_is_cheaper() -> None:
    problem = canonical_problem(one_zone_each())
    loads = [NodeLoad(site="x/1", instance_type="m2", pods={"a": 1, "b": 1})] * 2
    start = assembled(problem, {"a": {"x/1": 2}, "b": {"x/1": 2}}, loads, {})
    ways = Ways(problem, eligible_sites(problem), start)
    assert ways.cost == pytest.approx(0.4)
    ways.run()
    assert ways.cost == pytest.approx(0.2)
    assert [(p.instance_type, p.count) for p in ways.best.pools] == [("m2", 1)]
    assert not broken_rules(problem, ways.best.assignment, ways.best.pools, ways.best.packing)


def test_machines_in_a_place_that_the_model_leaves_out_may_be_given_up() -> None:
    problem = canonical_problem(one_zone_each())
    loads = [NodeLoad(site="x/1", instance_type="m2", pods={"a": 1, "b": 1})] * 2
    start = assembled(problem, {"a": {"x/1": 2}, "b": {"x/1": 2}}, loads, {})
    every = eligible_sites(problem)
    ways = Ways(problem, Eligibility(dict.fromkeys("ab", ("x/2",)), every.rejections), start)
    ways.run()
    assert ways.cost <= 0.4
    assert not broken_rules(problem, ways.best.assignment, ways.best.pools, ways.best.packing)


def test_what_comes_out_holds_and_is_never_dearer_nor_cheaper_than_possible() -> None:
    tried = 0
    for seed in (0, 1, 3):
        problem = canonical_problem(midsize_problem(seed, services=6, sites=5))
        best = solve(problem)
        if not isinstance(best, Solved):
            continue
        start = buy(problem, {row.service: dict(row.replicas) for row in best.placement.services})
        assert start is not None
        tried += 1
        ways = Ways(problem, eligible_sites(problem), start)
        before = ways.cost
        ways.run()
        found = ways.best
        assert not broken_rules(problem, found.assignment, found.pools, found.packing)
        assert ways.cost == pytest.approx(weight_of(problem, found.assignment, found.pools))
        least = best.placement.lower_bound_per_hour + best.preference_per_hour
        assert least - 1e-6 <= ways.cost <= before + 1e-9
    assert tried >= 2


def test_ways_of_tiny_problems_hold(make_tiny: Callable[[int], Problem]) -> None:
    tried = 0
    for seed in range(16):
        problem = canonical_problem(make_tiny(seed))
        best = solve(problem)
        if not isinstance(best, Solved):
            continue
        start = buy(problem, {row.service: dict(row.replicas) for row in best.placement.services})
        if start is None or not start.packing:
            continue
        tried += 1
        ways = Ways(problem, eligible_sites(problem), start)
        ways.run()
        assert not broken_rules(problem, ways.best.assignment, ways.best.pools, ways.best.packing)
    assert tried >= 5
