"""What `explain --why-not` and the what-ifs say can be checked: hold the service there, solve anew, compare bills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.explaining import explanation
from scheduler.document import check_problem
from scheduler.problem import Apart, Edge, InstanceOffer, Problem
from scheduler.solve import solve
from scheduler.verdicts import Solved
from scheduler.what_if import at_prices, without_sites
from tests.scheduler.test_conflicts import problem, service


@pytest.fixture(scope="module")
def shop() -> Problem:
    """A chain of calls over regions whose machines cost different amounts; `db` is cheapest abroad and may not be."""
    given = problem(
        service("web", edges=(Edge(callee="app", calls_per_s=50.0, bytes_per_call=9000.0),)),
        service("app", edges=(Edge(callee="db", calls_per_s=80.0, bytes_per_call=4000.0),)),
        service("db", replicas=1, cpu_millicores=1500, allowed_countries=("CN",)),
    )
    dearer = {"a": 1.1, "b": 1.25, "c": 0.9}
    return at_prices(given, dearer)


@pytest.fixture(scope="module")
def placed(shop: Problem) -> Solved:
    assert not check_problem(shop)
    verdict = solve(shop)
    assert isinstance(verdict, Solved) and verdict.placement.proven_optimal
    return verdict


@pytest.mark.parametrize("name", ["web", "app", "db"])
def test_a_counterfactual_is_the_bill_of_the_placement_with_the_service_there(
    shop: Problem, placed: Solved, name: str
) -> None:
    now = placed.placement.cost
    told = explanation(shop, placed, name, ("a", "b"), "en").data["why_not"]
    assert len(told) == 4
    for row in (r for r in told if r["rule"] == "cost"):
        demand = shop.service_by_name[name]
        held = replace(demand, pinned={row["site"]: demand.replicas})
        again = solve(replace(shop, services=tuple(held if s.name == name else s for s in shop.services)))
        assert isinstance(again, Solved) and again.placement.proven_optimal
        then = again.placement.cost
        assert row["extra_cost_per_hour"] == pytest.approx(then.total_per_hour - now.total_per_hour, abs=1e-9)
        parts = row["compute_per_hour"] + row["egress_per_hour"]
        assert parts == pytest.approx(row["extra_cost_per_hour"], abs=1e-12)
        assert row["extra_cost_per_hour"] >= -1e-9


def test_one_replica_elsewhere_is_told_only_where_it_could_be(shop: Problem) -> None:
    """Not where another rule forbids it, nor where no machine more may be had; a paid machine is free only once."""
    alone = replace(shop.service_by_name["web"], edges=(), apart=(Apart(service="db", over="zone"),))
    full = tuple(
        replace(s, max_machines=0)
        if s.id == "a/s1"
        else replace(s, types=(*s.types, _paid(0)))
        if s.id == "b/s2"
        else s
        for s in shop.sites
    )
    given = replace(shop, services=(alone, shop.service_by_name["db"]), sites=full)
    verdict = solve(given)
    assert isinstance(verdict, Solved)
    (web,) = (s for s in verdict.placement.services if s.service == "web")
    (db,) = (s for s in verdict.placement.services if s.service == "db")
    rules = {r.site: r for r in web.rejections}
    assert {rules[site].rule for site in db.replicas} == {"wish"}
    assert "are both in the zone" in rules[next(iter(db.replicas))].reason
    assert rules["a/s1"].rule == "full"
    assert rules["b/s2"].machine_per_hour == pytest.approx(0.125)


def _paid(count: int) -> InstanceOffer:
    return InstanceOffer(name="paid", vcpu=2, cpu_millicores=1900, memory_mib=3000, price_per_hour=0.0, max_count=count)


def test_prices_of_a_zone_leave_those_of_what_its_region_sends() -> None:
    given = problem(service("web"))
    zone = at_prices(given, {"a/r1": 2.0})
    assert zone.routes == given.routes and zone.site_by_id["a/r1"].types[0].price_per_hour == pytest.approx(0.2)
    both = at_prices(given, {"a": 1.5, "a/r": 2.0})
    assert both.site_by_id["a/r1"].types[0].price_per_hour == pytest.approx(0.3)
    assert both.route("a/r", "b/r").price_per_gb == pytest.approx(0.3)
    assert both.route("a/s", "b/r").price_per_gb == pytest.approx(0.15)


def test_without_a_cloud_the_bill_is_that_of_the_problem_that_never_had_it(shop: Problem, placed: Solved) -> None:
    used = {site.split("/")[0] for row in placed.placement.services for site in row.replicas}
    gone = min(used)
    left = without_sites(shop, [gone])
    assert not check_problem(left) and all(s.cloud != gone for s in left.sites)
    verdict = solve(left)
    assert isinstance(verdict, Solved)
    assert verdict.placement.cost.total_per_hour >= placed.placement.cost.total_per_hour - 1e-9
