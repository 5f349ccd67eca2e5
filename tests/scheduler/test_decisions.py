"""What a person expects of a placement, one thing at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.efficiency import pool_worths
from scheduler.problem import (
    INTERNET,
    CurrentPool,
    Edge,
    External,
    InstanceOffer,
    Problem,
    Route,
    ServiceDemand,
    SiteOffer,
    Spread,
)
from scheduler.solve import solve
from scheduler.traffic import edge_costs
from scheduler.verdicts import InfeasibleVerdict, Solved

SMALL = InstanceOffer(name="small", vcpu=2, cpu_millicores=1900, memory_mib=3000, price_per_hour=0.1)
LARGE = InstanceOffer(name="large", vcpu=8, cpu_millicores=7900, memory_mib=14000, price_per_hour=0.38)


def site(name: str, **more: Any) -> SiteOffer:
    cloud, _, zone = name.partition("/")
    plain = {"region": f"{cloud}/{zone[:-1]}", "cloud": cloud, "partition": cloud, "country": "CN", "icp": True}
    return SiteOffer(id=name, **{**plain, "types": (SMALL, LARGE), **more})


def service(name: str, **more: Any) -> ServiceDemand:
    return ServiceDemand(name=name, **{"replicas": 2, "cpu_millicores": 500, "memory_mib": 512, **more})


def problem(*services: ServiceDemand, sites: tuple[SiteOffer, ...], **more: Any) -> Problem:
    regions = sorted({s.region for s in sites})
    routes = more.pop("routes", None) or tuple(
        Route(src=a, dst=b, rtt_ms=20.0 if a != b else 1.0, price_per_gb=0.1 if a != b else 0.0)
        for a in regions
        for b in [*regions, INTERNET]
    )
    plain = {"rollout_headroom": False, "survive_node_loss": False}
    return Problem(services=services, sites=sites, routes=routes, **{**plain, **more})


def placed(p: Problem) -> dict[str, dict[str, int]]:
    verdict = solve(p)
    assert isinstance(verdict, Solved), verdict
    return {s.service: dict(s.replicas) for s in verdict.placement.services}


A1, A2, B1 = site("a/x1"), site("a/x2"), site("b/y1")
ABROAD = site("c/z1", country="SG", icp=False, types=(replace(SMALL, price_per_hour=0.01),))


def test_the_cheapest_site_wins_and_a_dearer_one_is_rejected_by_its_price() -> None:
    cheap = site("b/y1", types=(replace(SMALL, price_per_hour=0.05),))
    verdict = solve(problem(service("s"), sites=(A1, cheap)))
    assert isinstance(verdict, Solved)
    (row,) = verdict.placement.services
    assert dict(row.replicas) == {"b/y1": 2}
    (rejection,) = row.rejections
    assert (rejection.site, rejection.rule) == ("a/x1", "cost")
    assert rejection.extra_cost_per_hour == pytest.approx(0.1)


def test_data_stay_in_their_country_and_the_reason_says_so() -> None:
    s = service("s", allowed_countries=("CN",), data_class="sensitive-pii")
    verdict = solve(problem(s, sites=(A1, ABROAD)))
    assert isinstance(verdict, Solved)
    (row,) = verdict.placement.services
    assert set(row.replicas) == {"a/x1"}
    (rejection,) = row.rejections
    assert rejection.rule == "data_residency"
    assert "sensitive-pii" in rejection.reason and "CN" in rejection.reason


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"icp_required": True}, "icp"),
        ({"allowed_sites": ("a/x1",)}, "site_rule"),
        ({"avoided_sites": ("c/z1",)}, "site_rule"),
        ({"cpu_millicores": 4000}, "capacity"),
        ({"gpu": 1}, None),
    ],
)
def test_each_rule_keeps_a_service_out(change: dict[str, Any], rule: str | None) -> None:
    verdict = solve(problem(service("s", **change), sites=(A1, ABROAD)))
    if rule is None:
        assert isinstance(verdict, InfeasibleVerdict)
        return
    assert isinstance(verdict, Solved)
    assert verdict.placement.services[0].rejections[0].rule == rule


def test_a_service_spreads_over_clouds_when_told() -> None:
    spread = Spread(over="cloud", min_domains=2, min_each=1)
    found = placed(problem(service("s", spread=spread), sites=(A1, A2, B1)))
    assert {s.partition("/")[0] for s in found["s"]} == {"a", "b"}


def test_a_service_spreads_over_zones_when_told() -> None:
    spread = Spread(over="zone", min_domains=2, min_each=2)
    found = placed(problem(service("s", replicas=4, spread=spread), sites=(A1, A2)))
    assert found == {"s": {"a/x1": 2, "a/x2": 2}}


def test_no_replica_lands_where_its_external_cannot_be_reached() -> None:
    routes = (
        Route(src="a/x", dst="b/y", reachable=False),
        Route(src="b/y", dst="a/x", reachable=False),
        Route(src="a/x", dst="a/x", rtt_ms=1.0),
        Route(src="b/y", dst="b/y", rtt_ms=1.0),
    )
    caller = service("s", edges=(Edge(callee="db"),))
    cheap = site("a/x1", types=(replace(SMALL, price_per_hour=0.01),))
    p = problem(caller, sites=(cheap, B1), routes=routes, externals=(External(name="db", regions=("b/y",)),))
    verdict = solve(p)
    assert isinstance(verdict, Solved)
    assert set(verdict.placement.services[0].replicas) == {"b/y1"}
    assert verdict.placement.services[0].rejections[0].rule == "external"


def test_an_external_that_wants_a_known_address_is_called_from_where_there_is_one() -> None:
    bank = External(name="bank", internet=True, callers_from=("b/y",))
    p = problem(service("s", edges=(Edge(callee="bank"),)), sites=(A1, B1), externals=(bank,))
    assert set(placed(p)["s"]) == {"b/y1"}


def test_a_latency_limit_keeps_caller_and_callee_together() -> None:
    caller = service("caller", allowed_sites=("a/x1",), edges=(Edge(callee="callee", max_rtt_ms=10.0),))
    cheap = site("b/y1", types=(replace(SMALL, price_per_hour=0.01),))
    found = placed(problem(caller, service("callee"), sites=(A1, cheap)))
    assert "a/x1" in found["callee"]


def test_calls_stay_in_the_region_even_where_another_region_is_cheaper() -> None:
    """Own zone, own region, then the cheapest: what Kubernetes does knows no prices."""
    pairs = [(a, b) for a in ("a/x", "b/y") for b in ("a/x", "b/y")]
    routes = tuple(Route(src=a, dst=b, rtt_ms=1.0, price_per_gb=0.2 if a == b else 0.05) for a, b in pairs)
    edge = Edge(callee="callee", calls_per_s=1000.0, bytes_per_call=1000.0)
    caller = service("caller", replicas=1, pinned={"a/x1": 1}, edges=(edge,))
    callee = service("callee", pinned={"a/x2": 1, "b/y1": 1})
    p = problem(caller, callee, sites=(A1, A2, B1), routes=routes)
    where = {"caller": {"a/x1": 1}, "callee": {"a/x2": 1, "b/y1": 1}}
    (row,) = edge_costs(p, caller, where)
    assert row.hop is not None and row.hop.place == "a/x" and row.per_hour == pytest.approx(3.6 * 0.2)
    verdict = solve(p)
    assert isinstance(verdict, Solved)
    cost = verdict.placement.cost
    assert cost.egress_per_hour == pytest.approx(3.6 * 0.2)
    assert verdict.placement.lower_bound_per_hour <= cost.total_per_hour
    gone = replace(callee, pinned={}, allowed_sites=("b/y1",))
    (row,) = edge_costs(problem(caller, gone, sites=(A1, B1), routes=routes), caller, {**where, "callee": {"b/y1": 2}})
    assert row.hop is not None and row.hop.place == "b/y"


def test_a_pool_is_worth_what_its_pods_are_at_the_dual_prices() -> None:
    """A machine that is full is worth its price; one that is half empty on the only type is not."""
    full = problem(service("s", replicas=2, cpu_millicores=950, memory_mib=1500), sites=(A1,))
    loose = problem(service("s", replicas=1, cpu_millicores=950, memory_mib=1500), sites=(A1,))
    worths = []
    for p in (full, loose):
        verdict = solve(p)
        assert isinstance(verdict, Solved)
        (pool,) = pool_worths(p, verdict)
        assert pool.services == ("s",) and pool.price_per_hour == pytest.approx(0.1)
        worths.append(pool.efficiency)
    # `large` gives 7900m for 0.38: 950m of it are worth 0.0457, and no more may be asked of `small` either.
    assert worths[1] is not None and worths[0] == pytest.approx(2 * worths[1])
    assert 0.4 < worths[1] <= 0.5


def test_egress_outweighs_a_cheaper_machine() -> None:
    chatty = Edge(callee="callee", calls_per_s=1000.0, bytes_per_call=100_000.0)
    caller = service("caller", allowed_sites=("a/x1",), edges=(chatty,))
    cheap = site("b/y1", types=(replace(SMALL, price_per_hour=0.01),))
    assert "a/x1" in placed(problem(caller, service("callee"), sites=(A1, cheap)))["callee"]
    quiet = replace(caller, edges=(Edge(callee="callee", calls_per_s=0.001, bytes_per_call=100.0),))
    full = tuple(replace(s, replicas=3, cpu_millicores=1800) for s in (quiet, service("callee")))
    assert set(placed(problem(*full, sites=(A1, cheap)))["callee"]) == {"b/y1"}


def test_the_egress_shown_is_what_the_calls_cost() -> None:
    edge = Edge(callee="db", calls_per_s=1000.0, bytes_per_call=1000.0)  # 3.6 GB an hour
    caller = service("s", allowed_sites=("a/x1",), edges=(edge,))
    verdict = solve(problem(caller, sites=(A1, B1), externals=(External(name="db", regions=("b/y",)),)))
    assert isinstance(verdict, Solved)
    assert verdict.placement.cost.egress_per_hour == pytest.approx(3.6 * 0.1)


def test_every_replica_of_a_vm_service_is_a_machine_of_its_own() -> None:
    verdict = solve(problem(service("vm", replicas=3, dedicated=True), service("pod"), sites=(A1,)))
    assert isinstance(verdict, Solved)
    own = [p for p in verdict.placement.pools if p.dedicated_to]
    assert [(p.dedicated_to, p.count, p.instance_type) for p in own] == [("vm", 3, "small")]
    assert sum(p.count for p in verdict.placement.pools if not p.dedicated_to) == 1


def test_a_site_without_a_cluster_takes_vm_services_only() -> None:
    bare = site("a/x1", kubernetes=False)
    assert set(placed(problem(service("vm", dedicated=True), sites=(bare,)))["vm"]) == {"a/x1"}
    assert isinstance(solve(problem(service("pod"), sites=(bare,))), InfeasibleVerdict)


def test_room_for_a_rolling_update_is_kept() -> None:
    four = service("s", replicas=3, cpu_millicores=600)
    tight = problem(four, sites=(A1,))
    roomy = replace(tight, rollout_headroom=True)
    assert [p.count for p in _pools(tight)] == [1]
    assert sum(p.vcpu * p.count for p in _pools(roomy)) > 2


def test_one_nodes_loss_does_not_end_a_service() -> None:
    p = replace(problem(service("s"), sites=(A1,)), survive_node_loss=True)
    assert sum(x.count for x in _pools(p)) == 2
    verdict = solve(p)
    assert isinstance(verdict, Solved)
    assert max(n for load in verdict.packing for n in load.pods.values()) == 1


def _pools(p: Problem) -> tuple[Any, ...]:
    verdict = solve(p)
    assert isinstance(verdict, Solved)
    return verdict.placement.pools


def test_pods_that_fit_in_sum_but_not_on_nodes_get_nodes_that_hold_them() -> None:
    """3 x 1,000 fit into 2 x 1,900 in sum, and not on two nodes."""
    only = site("a/x1", types=(SMALL,))
    assert [x.count for x in _pools(problem(service("s", replicas=3, cpu_millicores=1000), sites=(only,)))] == [3]


def test_the_share_of_assumed_prices_is_told() -> None:
    guessed = site("a/x1", types=(replace(SMALL, assumed=True),))
    verdict = solve(problem(service("s"), service("vm", dedicated=True, replicas=1), sites=(guessed,)))
    assert isinstance(verdict, Solved)
    assert verdict.placement.cost.assumed_share == 1.0


# -- stability -------------------------------------------------------------------------------------------------


def _again(p: Problem) -> Problem:
    """The problem, with what was just placed as what runs now."""
    verdict = solve(p)
    assert isinstance(verdict, Solved)
    now = {s.service: dict(s.replicas) for s in verdict.placement.services}
    pools = tuple(
        CurrentPool(site=x.site, instance_type=x.instance_type, count=x.count, dedicated_to=x.dedicated_to)
        for x in verdict.placement.pools
    )
    services = tuple(replace(s, current=now.get(s.name, {})) for s in p.services)
    return replace(p, services=services, current_pools=pools)


def test_planning_again_moves_nothing() -> None:
    p = problem(service("a"), service("b", replicas=3), sites=(A1, A2, B1), migration_cost_per_replica=0.001)
    verdict = solve(_again(p))
    assert isinstance(verdict, Solved)
    assert verdict.moved_replicas == 0
    assert placed(_again(p)) == placed(p)


def test_a_saving_below_the_cost_of_moving_moves_nothing_and_a_large_one_does() -> None:
    p = _again(problem(service("s"), sites=(A1, B1), migration_cost_per_replica=0.01))
    here = next(iter(placed(p)["s"]))
    other = B1 if here == "a/x1" else A1
    for price, moves in ((0.095, False), (0.02, True)):
        cheaper = replace(other, types=(replace(SMALL, price_per_hour=price),))
        changed = replace(p, sites=tuple(cheaper if s.id == other.id else s for s in p.sites))
        assert (set(placed(changed)["s"]) == {other.id}) is moves


def test_a_new_replica_leaves_the_others_where_they_are() -> None:
    p = _again(problem(service("a"), service("b"), sites=(A1, A2, B1)))
    grown = replace(p, services=tuple(replace(s, replicas=3) if s.name == "a" else s for s in p.services))
    verdict = solve(grown)
    assert isinstance(verdict, Solved)
    assert verdict.moved_replicas == 1


# -- verdicts --------------------------------------------------------------------------------------------------


def test_infeasible_names_the_conflict_in_the_users_words_and_the_way_out() -> None:
    s = service(
        "pay", replicas=3, allowed_countries=("CN",), data_class="financial", spread=Spread(over="cloud", min_domains=3)
    )
    verdict = solve(problem(s, service("other"), sites=(A1, B1, ABROAD)))
    assert isinstance(verdict, InfeasibleVerdict)
    assert {c.kind for c in verdict.conflicts} == {"demand", "data_residency", "spread"}
    assert all("pay" in c.words for c in verdict.conflicts)
    ways = {r.conflict.kind: r for r in verdict.relaxations}
    assert ways["spread"].enough and ways["spread"].cost_per_hour == pytest.approx(0.11)
    assert ways["data_residency"].enough


def test_a_quota_that_is_too_small_is_named() -> None:
    p = problem(service("s", replicas=20, cpu_millicores=1500), sites=(A1,), region_quota_vcpu={"a/x": 8.0})
    verdict = solve(p)
    assert isinstance(verdict, InfeasibleVerdict)
    assert "quota" in {c.kind for c in verdict.conflicts}
    assert any(r.enough and r.conflict.kind == "quota" for r in verdict.relaxations)


def test_many_services_over_many_sites_are_solved_close_to_the_bound() -> None:
    sites = tuple(site(f"a/x{i}") for i in range(300))
    many = tuple(service(f"s{i}") for i in range(1500))
    verdict = solve(problem(*many, sites=sites))
    assert isinstance(verdict, Solved)
    assert verdict.placement.gap < 0.02


def test_nothing_to_place_costs_nothing() -> None:
    verdict = solve(problem(sites=(A1,)))
    assert isinstance(verdict, Solved)
    assert verdict.placement.cost.total_per_hour == 0.0
    assert verdict.placement.proven_optimal
    assert verdict.placement.gap == 0.0


def test_free_machines_are_a_price_too() -> None:
    free = site("b/y1", types=(replace(SMALL, price_per_hour=0.0),))
    found = placed(problem(service("s"), sites=(A1, free)))
    assert found == {"s": {"b/y1": 2}}
