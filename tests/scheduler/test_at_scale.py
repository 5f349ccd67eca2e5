"""Problems with hundreds of services: every rule kept, close to the bound, the same answer every time, few moves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from benchmarks.scheduling.baselines import baselines
from benchmarks.scheduling.generate import changed, synthetic
from model.codec import canonical
from model.rng import stream
from scheduler.at_scale import TRY, is_large, solve_at_scale, unaware
from scheduler.check import broken_rules, cost_of
from scheduler.eligibility import eligible_sites
from scheduler.problem import Problem, Spread
from scheduler.solve import DEFAULT_WORK_LIMIT, canonical_problem, solve
from scheduler.verdicts import InfeasibleVerdict, Solved, Undecided

SERVICES, REPLICAS = 200, 1000


@cache
def made(seed: int) -> Problem:
    return canonical_problem(synthetic(SERVICES, REPLICAS, seed))


@cache
def answer(seed: int) -> Solved:
    verdict = solve(made(seed))
    assert isinstance(verdict, Solved)
    return verdict


def judge(problem: Problem, verdict: Solved) -> list[str]:
    where = {row.service: row.replicas for row in verdict.placement.services}
    shown = cost_of(problem, where, verdict.placement.pools)
    assert shown.total_per_hour == pytest.approx(verdict.placement.cost.total_per_hour)
    return broken_rules(problem, where, verdict.placement.pools, verdict.packing)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_rule_is_kept_and_the_gap_is_small(seed: int) -> None:
    assert is_large(made(seed), eligible_sites(made(seed)))
    assert judge(made(seed), answer(seed)) == []
    assert 0 <= answer(seed).placement.gap < 0.25  # rooms for updates weigh much in small problems


def test_the_order_of_the_input_decides_nothing() -> None:
    rng = stream(1, "shuffle")
    mixed = replace(
        made(1),
        services=tuple(rng.sample(made(1).services, SERVICES)),
        sites=tuple(rng.sample(made(1).sites, len(made(1).sites))),
        routes=tuple(rng.sample(made(1).routes, len(made(1).routes))),
    )
    assert canonical(solve(mixed)) == canonical(answer(1))


def test_a_small_change_moves_little() -> None:
    problem = changed(made(1), answer(1), 0.01, seed=1)
    verdict = solve(problem)
    assert isinstance(verdict, Solved)
    assert judge(canonical_problem(problem), verdict) == []
    grown = sum(max(0, s.replicas - sum(s.current.values())) for s in problem.services)
    assert verdict.moved_replicas <= grown + 0.02 * REPLICAS


def test_where_nothing_has_changed_the_same_machines_stay() -> None:
    problem = changed(made(1), answer(1), 0.01, seed=1)
    now = {row.service: dict(row.replicas) for row in answer(1).placement.services}
    problem = replace(problem, services=tuple(replace(s, current=now[s.name]) for s in made(1).services))
    verdict = solve(problem)
    assert isinstance(verdict, Solved)
    assert verdict.moved_replicas == 0
    assert judge(canonical_problem(problem), verdict) == []
    had = {(p.site, p.instance_type, p.dedicated_to): p.count for p in answer(1).placement.pools}
    has = {(p.site, p.instance_type, p.dedicated_to): p.count for p in verdict.placement.pools}
    assert has == had
    assert verdict.packing == answer(1).packing


def test_a_higher_work_limit_tries_more_choices_of_places_and_costs_no_more() -> None:
    more = solve(made(1), work_limit=3 * TRY)
    assert isinstance(more, Solved)
    assert judge(canonical_problem(made(1)), more) == []
    assert more.work == 3 * answer(1).work == 3 * TRY
    assert more.placement.cost.total_per_hour <= answer(1).placement.cost.total_per_hour


def test_what_is_not_decided_says_a_higher_limit_than_it_had() -> None:
    least = answer(1).placement.lower_bound_per_hour
    budget = (least + answer(1).placement.cost.total_per_hour) / 2
    verdict = solve(replace(made(1), budget_per_hour=budget))
    assert isinstance(verdict, Undecided)
    assert verdict.raise_limit_to > DEFAULT_WORK_LIMIT


@pytest.mark.parametrize("seed", range(40))
def test_the_methods_for_large_problems_agree_with_the_oracle_on_tiny_ones(seed, make_tiny, oracle) -> None:  # type: ignore[no-untyped-def]
    problem = unaware(canonical_problem(make_tiny(seed)))
    best = oracle(problem)
    verdict, impossible = solve_at_scale(problem, eligible_sites(problem))
    if impossible is not None:
        assert best == float("inf")
    elif isinstance(verdict, Solved):
        assert judge(problem, verdict) == []
        assert verdict.placement.lower_bound_per_hour <= best + 1e-6
        assert verdict.placement.cost.total_per_hour >= best - 1e-6
    else:
        assert verdict.lower_bound_per_hour <= best + 1e-6


def test_a_quota_is_kept_by_going_elsewhere() -> None:
    free = answer(1).placement.pools
    region = {s.id: s.region for s in made(1).sites}
    used: dict[str, float] = {}
    for pool in free:
        used[region[pool.site]] = used.get(region[pool.site], 0.0) + pool.vcpu * pool.count
    most = max(used, key=lambda r: used[r])
    tight = replace(made(1), region_quota_vcpu={most: round(0.8 * used[most])})
    verdict = solve(tight)
    assert isinstance(verdict, Solved)
    assert judge(tight, verdict) == []


def test_what_cannot_hold_among_thousands_is_named() -> None:
    first, *others = made(1).services
    stuck = replace(first, allowed_countries=("CN",), allowed_sites=None, spread=Spread(over="cloud", min_domains=9))
    verdict = solve(replace(made(1), services=(stuck, *others)))
    assert isinstance(verdict, InfeasibleVerdict)
    assert {c.subject for c in verdict.conflicts} == {first.name}


def test_no_usual_way_of_placing_is_cheaper() -> None:
    cost = answer(1).placement.cost.total_per_hour
    for row in baselines(made(1), answer(1)):
        assert row["cost"] is None or row["calls_out_of_reach"] or row["cost"] > cost, row
