"""Equal zones are exchanged so that what runs stays where it is; no rule and no price changes by it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import eligible_sites
from scheduler.nodes import Complete, buy
from scheduler.problem import CurrentPool, Problem
from scheduler.solve import canonical_problem
from scheduler.stay import arrivals, moving_cost
from scheduler.zone_names import renamed
from tests.scheduler.test_on_machines import one_zone_each

ZONES = ("x/1", "x/2", "x/3")


def three_zones() -> Problem:
    problem = one_zone_each()
    return replace(problem, sites=tuple(replace(problem.sites[0], id=zone) for zone in ZONES))


def running(problem: Problem, current: dict[str, dict[str, int]], *pools: CurrentPool) -> Problem:
    services = tuple(replace(s, current=current.get(s.name, {})) for s in problem.services)
    return canonical_problem(replace(problem, services=services, current_pools=pools, migration_cost_per_replica=0.01))


def bought(problem: Problem, assignment: dict[str, dict[str, int]]) -> Complete:
    done = buy(problem, assignment)
    assert done is not None
    return done


def test_what_runs_keeps_its_zones() -> None:
    problem = running(three_zones(), {"a": {"x/3": 2}, "b": {"x/2": 1, "x/3": 1}})
    done = bought(problem, {"a": {"x/1": 2}, "b": {"x/1": 1, "x/2": 1}})
    found = renamed(problem, eligible_sites(problem), done)
    assert found.assignment == {"a": {"x/3": 2}, "b": {"x/3": 1, "x/2": 1}}
    assert {p.site for p in found.pools} == {load.site for load in found.packing} == {"x/2", "x/3"}
    assert arrivals(problem, found) == 0


def test_machines_decide_between_ways_by_which_as_many_pods_stay() -> None:
    problem = running(three_zones(), {}, CurrentPool(site="x/2", instance_type="m2", count=1))
    done = bought(problem, {"a": {"x/1": 2}, "b": {"x/1": 2}})
    assert [p.instance_type for p in done.pools] == ["m2"]
    assert renamed(problem, eligible_sites(problem), done).assignment == {"a": {"x/2": 2}, "b": {"x/2": 2}}


def test_where_nothing_runs_or_all_stays_it_is_the_same_object() -> None:
    done = bought(canonical_problem(three_zones()), {"a": {"x/1": 2}, "b": {"x/2": 2}})
    for current in ({}, done.assignment):
        problem = running(three_zones(), current)
        assert renamed(problem, eligible_sites(problem), done) is done


def test_zones_that_differ_keep_their_names() -> None:
    problem = three_zones()
    pinned = tuple(replace(s, pinned={"x/1": 2}) if s.name == "a" else s for s in problem.services)
    problem = running(replace(problem, services=pinned), {"a": {"x/3": 2}})
    done = bought(problem, {"a": {"x/1": 2}, "b": {"x/1": 2}})
    assert renamed(problem, eligible_sites(problem), done).assignment["a"] == {"x/1": 2}


def test_it_is_never_dearer_and_breaks_nothing() -> None:
    for seed in range(40):
        rng = Random(seed)
        now = {name: dict.fromkeys(rng.sample(ZONES, 2), 1) for name in "ab"}
        problem = running(three_zones(), now)
        done = bought(problem, {name: dict.fromkeys(rng.sample(ZONES, 2), 1) for name in "ab"})
        found = renamed(problem, eligible_sites(problem), done)
        assert broken_rules(problem, found.assignment, found.pools, found.packing) == []
        assert moving_cost(problem, found) <= moving_cost(problem, done) + 1e-12
        costs = [weight_of(problem, c.assignment, c.pools) for c in (found, done)]
        assert abs(costs[0] - costs[1]) < 1e-12
