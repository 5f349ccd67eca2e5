"""Regions that another one is as good as: the relaxation without them bounds the whole problem all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scheduler.eligibility import eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import Status, solve_model
from scheduler.problem import INTERNET, Edge, InstanceOffer, Problem, Route, ServiceDemand, SiteOffer, Spread
from scheduler.regions import without_dominated
from scheduler.solve import canonical_problem


def left(problem: Problem) -> set[str]:
    problem = canonical_problem(problem)
    _, fewer = without_dominated(problem, eligible_sites(problem))
    return {problem.site_by_id[s].region for sites in fewer.allowed.values() for s in sites}


def site(region: str, zone: int, price: float) -> SiteOffer:
    machine = InstanceOffer(name="m", vcpu=2, cpu_millicores=2000, memory_mib=4000, price_per_hour=price)
    return SiteOffer(
        id=f"{region}/{zone}", region=region, cloud="c", partition="c", country="CN", types=(machine,)
    )  # fmt: skip


def two_regions(dear: float = 0.2, between: float = 0.5, zones: int = 2) -> Problem:
    """Region y costs `dear` a machine, x costs 0.1; both have two zones."""
    return Problem(
        services=(
            ServiceDemand(name="a", replicas=2, cpu_millicores=500, memory_mib=100, edges=(Edge(callee="b"),)),
            ServiceDemand(
                name="b", replicas=2, cpu_millicores=500, memory_mib=100, spread=Spread(over="zone", min_domains=2)
            ),
        ),
        sites=(*(site("x", z, 0.1) for z in range(zones)), *(site("y", z, dear) for z in range(2))),
        routes=tuple(Route(src=a, dst=b, rtt_ms=9.0, price_per_gb=between) for a, b in (("x", "y"), ("y", "x"))),
        region_quota_vcpu={"x": 8.0, "y": 16.0},
    )


def test_a_dearer_region_is_left_out() -> None:
    assert left(two_regions()) == {"x"}


def test_of_equal_regions_one_stays() -> None:
    assert left(two_regions(dear=0.1)) == {"x"}


def test_the_one_that_stays_has_the_quotas_of_both() -> None:
    problem = canonical_problem(two_regions())
    fewer, _ = without_dominated(problem, eligible_sites(problem))
    assert fewer.region_quota_vcpu["x"] == 24.0


@pytest.mark.parametrize(
    "change",
    [
        lambda p: two_regions(zones=1),  # the spread wants two zones
        lambda p: replace(p, services=(p.services[0], replace(p.services[1], spread=Spread(over="region")))),
        lambda p: replace(p, services=(replace(p.services[0], survives={"region": 0.5}), p.services[1])),
        lambda p: replace(p, services=(replace(p.services[0], pinned={"y/0": 1}), p.services[1])),
        lambda p: replace(p, services=(replace(p.services[0], avoided_sites=("x/0", "x/1")), p.services[1])),
        lambda p: replace(p, sites=tuple(replace(s, max_machines=1) for s in p.sites)),
        lambda p: replace(p, routes=(*p.routes, Route(src="x", dst="x", price_per_gb=0.1))),
    ],
)
def test_what_only_the_other_region_can_do_keeps_it(change: Callable[[Problem], Problem]) -> None:
    assert "y" in left(change(two_regions()))


def alike(problem: Problem) -> Problem:
    """Regions equally far from one another and without limits of machines, so that often one is as good as another."""
    near = {(a, b): Route(src=a, dst=b, rtt_ms=3.0, price_per_gb=0.1) for a in problem.regions for b in problem.regions}
    routes = [r for pair, r in near.items() if pair[0] != pair[1]]
    routes += [Route(src=a, dst=INTERNET, price_per_gb=0.2) for a in problem.regions]
    services = tuple(replace(s, current={}, pinned={}, dearer={}, apart=()) for s in problem.services)
    sites = tuple(replace(s, max_machines=None) for s in problem.sites)
    return replace(problem, routes=tuple(routes), services=services, sites=sites, current_pools=())


def test_the_relaxation_without_them_is_never_dearer_than_the_optimum(make_tiny: Callable[[int], Problem]) -> None:
    fewer_regions = 0
    for seed in range(60):
        problem = canonical_problem(alike(make_tiny(seed)))
        eligibility = eligible_sites(problem)
        best = solve_model(Formulation(problem, eligibility).model, node_limit=2_000)
        if best.status is not Status.OPTIMAL:
            continue
        reduced, fewer = without_dominated(problem, eligibility)
        fewer_regions += fewer != eligibility
        relaxed = solve_model(Formulation(reduced, fewer, merged=True, whole_pods=False).model, node_limit=2_000)
        assert relaxed.status is Status.OPTIMAL
        assert relaxed.objective <= best.objective + 1e-6
    assert fewer_regions >= 5
