"""Why nothing holds: quick arguments that are never wrong, small conflicts, and what the way out costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from scheduler.conflicts import Judge, impossible, smallest_conflict
from scheduler.eligibility import eligible_sites
from scheduler.infeasible import constraints_of, quick_xplain, without
from scheduler.problem import (
    Apart,
    Edge,
    InstanceOffer,
    Population,
    Problem,
    Route,
    ServiceDemand,
    SiteOffer,
    Spread,
    TeamQuota,
    UserLatency,
)
from scheduler.propagate import hopeless
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import InfeasibleVerdict, Solved
from tests.scheduler.conftest import tiny_problem

SMALL = InstanceOffer(name="small", vcpu=2, cpu_millicores=1900, memory_mib=3000, price_per_hour=0.1)
COUNTRY = {"a": "CN", "b": "CN", "c": "SG"}
ZONES = [f"{cloud}/{region}{zone}" for cloud, region, zone in product("abc", ("r", "s"), "12")]


def service(name: str, **more: Any) -> ServiceDemand:
    return ServiceDemand(name=name, **{"replicas": 2, "cpu_millicores": 500, "memory_mib": 512, **more})


def problem(*services: ServiceDemand, **more: Any) -> Problem:
    """Three clouds of two regions of two zones; cloud `c` is abroad; 20 ms from region to region."""
    sites = tuple(
        SiteOffer(id=z, region=z[:-1], cloud=z[0], partition=z[0], country=COUNTRY[z[0]], types=(SMALL,)) for z in ZONES
    )
    regions = sorted({s.region for s in sites})
    routes = tuple(Route(src=a, dst=b, rtt_ms=20.0, price_per_gb=0.1) for a in regions for b in regions if a != b)
    plain = {"rollout_headroom": False, "survive_node_loss": False, "sites": sites, "routes": routes}
    return Problem(services=services, **{**plain, **more})


def machines(p: Problem, most: int, *zones: str) -> Problem:
    return replace(p, sites=tuple(replace(s, max_machines=most) if s.id in zones else s for s in p.sites))


CN = {"allowed_countries": ("CN",), "data_class": "pii"}
PAIR = (Apart(service="b", over="cloud"),)
BY_RULES: list[tuple[Problem, set[str]]] = [
    (problem(service("a", **CN, pinned={"c/r1": 1})), {"demand", "data_residency", "pin"}),
    (
        problem(service("a", replicas=3, **CN, spread=Spread(over="cloud", min_domains=3))),
        {"demand", "data_residency", "spread"},
    ),
    (
        problem(
            service("a", allowed_sites=("a/r1",), edges=(Edge(callee="b", max_rtt_ms=5.0),)),
            service("b", allowed_sites=("b/r1",)),
        ),
        {"demand", "sites", "calls", "latency"},
    ),
    (
        problem(
            service("a", allowed_sites=("a/r1",), edges=(Edge(callee="b", within="region"),)),
            service("b", edges=(Edge(callee="x", within="cloud"),)),
            service("x", avoided_sites=tuple(z for z in ZONES if z[0] == "a")),
        ),
        {"demand", "sites", "avoid", "calls", "affinity"},
    ),
    (problem(service("a", survives={"cloud": 0.5}, allowed_sites=("a/r1",))), {"demand", "survives", "sites"}),
    (problem(service("a", replicas=5, max_per={"region": 1}, **CN)), {"demand", "at_most", "data_residency"}),
    (
        problem(service("a", allowed_sites=("a/r1",), apart=PAIR), service("b", allowed_sites=("a/s1", "a/s2"))),
        {"demand", "sites", "apart"},
    ),
    (
        problem(
            service("a", **CN, users=(UserLatency(population="sg", max_rtt_ms=9),)),
            populations=(Population(name="sg", rtt_ms={"c/r": 4.0}),),
        ),
        {"demand", "data_residency", "users"},
    ),
    (
        problem(service("a", team="t"), team_quotas=(TeamQuota(team="t", cpu_millicores=900),)),
        {"demand", "team"},
    ),
    (
        machines(problem(service("a", dedicated=True, allowed_sites=("a/r1",))), 1, "a/r1"),
        {"demand", "sites", "machines"},
    ),
    (
        problem(service("a", dedicated=True, allowed_sites=("a/r1",)), region_quota_vcpu={"a/r": 3.0}),
        {"demand", "sites", "quota"},
    ),
]


@pytest.mark.parametrize(("given", "kinds"), BY_RULES, ids=lambda v: "-".join(sorted(v)) if isinstance(v, set) else "")
def test_rules_alone_show_it_and_name_the_conflict(given: Problem, kinds: set[str]) -> None:
    """The whole is seen to be impossible without any search, and each member of the conflict is needed."""
    given = canonical_problem(given)
    assert hopeless(given, eligible_sites(given))
    verdict = solve(given)
    assert isinstance(verdict, InfeasibleVerdict) and verdict.irreducible
    assert {c.kind for c in verdict.conflicts} == kinds
    for c in verdict.conflicts:
        others = [k for k in constraints_of(given) if k not in verdict.conflicts]
        assert isinstance(solve(without(given, [*others, c])), Solved)
    enough = [way for way in verdict.relaxations if way.enough]
    assert enough and all(way.cost_per_hour is not None for way in enough)


def test_services_that_have_nothing_to_do_with_it_are_not_named() -> None:
    """A sum that does not fit a quota, among many services: those that ask for most are enough."""
    large = [service(f"large-{i}", replicas=4, cpu_millicores=900, allowed_sites=("a/r1", "a/r2")) for i in range(3)]
    small = [service(f"small-{i}", replicas=1, cpu_millicores=100) for i in range(12)]
    given = canonical_problem(problem(*large, *small, region_quota_vcpu={"a/r": 10.0}))
    assert not hopeless(given, eligible_sites(given)) and impossible(given)
    verdict = solve(given)
    assert isinstance(verdict, InfeasibleVerdict) and verdict.irreducible
    assert {c.subject for c in verdict.conflicts} <= {"large-0", "large-1", "large-2", "a/r"}
    (quota,) = (way for way in verdict.relaxations if way.conflict.kind == "quota")
    assert quota.enough and quota.cost_per_hour


def test_the_quick_arguments_are_never_wrong() -> None:
    """Whatever has a placement is called neither hopeless nor impossible."""
    solved = 0
    for seed in range(24):
        given = canonical_problem(tiny_problem(seed))
        if isinstance(solve(given), Solved):
            solved += 1
            assert not hopeless(given, eligible_sites(given)), seed
            assert not impossible(given), seed
    assert solved > 8


def _needs(*members: str) -> Callable[[Any], bool]:
    return lambda kept: set(members) <= set(kept)


def test_shrinking_finds_exactly_what_is_needed() -> None:
    assert set(quick_xplain(list("abcdefgh"), _needs("b", "g"))) == {"b", "g"}
    assert quick_xplain(["a"], _needs("a")) == ["a"]


def test_out_of_questions_the_set_is_still_true_and_said_to_be_longer_than_it_need_be() -> None:
    given = canonical_problem(BY_RULES[0][0])
    judge = Judge(400, 1200)
    judge.may_ask(10_000)
    assert judge.unsure
    found, irreducible = smallest_conflict(given, judge)
    assert not irreducible and {c.kind for c in found} >= {"pin", "data_residency"}
