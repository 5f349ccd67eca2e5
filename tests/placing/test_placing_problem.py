"""From the example's spec, facts and assumptions to the scheduler's Problem, and its verdicts as errors."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import Infeasible, InvalidInput
from model.exit_codes import ExitCode
from model.facts.live import Counts, LivePrices, Quota, RegionOffers, RegionQuotas
from model.plan import Placement
from model.spec.app import Application
from orchestrator.load import Loaded, load
from orchestrator.placing import PlacementUndecided, build_problem, place
from scheduler.problem import INTERNET, Problem
from scheduler.replan import MOST_SLIP, SLIP, allowed_gap
from scheduler.solve import solve

EXAMPLE = Path(__file__).parents[2] / "examples" / "miniprogram"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(EXAMPLE)


@pytest.fixture(scope="module")
def example(loaded: Loaded) -> Problem:
    return build_problem(loaded.app, loaded.fleet, loaded.assumptions)


@pytest.fixture(scope="module")
def placement(loaded: Loaded) -> Placement:
    return place(loaded.app, loaded.fleet, loaded.assumptions)


def keep(app: Application, *names: str, **changes: Any) -> Application:
    """The application with only those services, each changed; calls of what is gone are gone."""
    services = tuple(
        s.model_copy(update={"depends_on": tuple(d for d in s.depends_on if d.name in names), **changes})
        for s in app.spec.services
        if s.name in names
    )
    return app.model_copy(update={"spec": app.spec.model_copy(update={"services": services})})


def fleet_with(loaded: Loaded, **changes: Any) -> Any:
    spec = loaded.fleet.spec.model_copy(update=changes)
    return loaded.fleet.model_copy(update={"spec": spec})


def test_the_whole_example_is_there(example: Problem) -> None:
    assert len(example.services) == 27
    assert sum(s.replicas for s in example.services) == 64
    assert len(example.sites) >= 30
    assert {s.cloud for s in example.sites} == {"aws", "azure", "alibaba"}
    assert sum(1 for s in example.services if s.allowed_countries == ("CN",)) == 24
    assert sum(1 for s in example.services if s.icp_required) == 4
    assert all(s.types for s in example.sites)


def test_vm_services_are_dedicated_and_spread_is_kept(example: Problem) -> None:
    ledger, gateway = example.service_by_name["account-ledger"], example.service_by_name["edge-gateway"]
    assert ledger.dedicated and not gateway.dedicated
    assert gateway.spread is not None and gateway.spread.over == "cloud" and gateway.spread.min_domains == 3


def test_prices_are_in_the_fleets_currency(loaded: Loaded, example: Problem) -> None:
    assert example.currency == "CNY"
    in_usd = fleet_with(loaded, currency="USD", exchange_rates={"CNY": 1 / 7.12}, budget=None)
    other = build_problem(loaded.app, in_usd, loaded.assumptions)
    ours = example.sites[0].types[0].price_per_hour
    assert other.sites[0].types[0].price_per_hour == pytest.approx(ours / 7.12)


def test_mixed_currencies_without_a_rate_are_refused_once_each(loaded: Loaded) -> None:
    with pytest.raises(InvalidInput) as caught:
        build_problem(loaded.app, fleet_with(loaded, exchange_rates={}), loaded.assumptions)
    assert [d.what for d in caught.value.diagnostics] == [
        "prices in USD cannot be shown in CNY: there is no exchange rate"
    ]


def test_globs_become_sites_and_externals_become_regions(loaded: Loaded, example: Problem) -> None:
    assert example.external_by_name["mysql-ledger"].regions == ("alibaba-cn/cn-hangzhou", "alibaba-cn/cn-shanghai")
    bank = example.external_by_name["bank-apis"]
    assert bank.internet
    assert bank.callers_from == ("alibaba-cn/cn-hangzhou", "alibaba-cn/cn-shanghai", "aws-cn/cn-north-1")
    only = keep(loaded.app, "search")
    rules = only.spec.services[0].placement.model_copy(update={"sites": ("aws-cn/*",)})
    p = build_problem(keep(only, "search", placement=rules), loaded.fleet, loaded.assumptions)
    sites = p.services[0].allowed_sites
    assert sites and all(s.startswith("aws-cn/") for s in sites)


def test_regions_without_a_link_do_not_reach_each_other(loaded: Loaded, example: Problem) -> None:
    assert all(r.reachable for r in example.routes)
    alone = build_problem(loaded.app, fleet_with(loaded, mesh=False), loaded.assumptions)
    assert all(r.reachable is (r.src == r.dst or r.dst == INTERNET) for r in alone.routes)


def test_only_amd64_and_no_burstable_types_unless_named(loaded: Loaded, example: Problem) -> None:
    names = {t.name for s in example.sites for t in s.types}
    assert names and not any(n.startswith(("t3", "t4g", "Standard_B")) for n in names)
    regions = tuple(r.model_copy(update={"instance_types": ("t3.medium",)}) for r in loaded.fleet.spec.regions[:1])
    others = loaded.fleet.spec.regions[1:]
    p = build_problem(loaded.app, fleet_with(loaded, regions=(*regions, *others)), loaded.assumptions)
    assert {t.name for t in p.sites[0].types} == {"t3.medium"}


def test_a_type_that_nobody_prices_is_named(loaded: Loaded) -> None:
    first = loaded.fleet.spec.regions[0].model_copy(update={"instance_types": ("zz.huge",)})
    with pytest.raises(InvalidInput) as caught:
        build_problem(
            loaded.app, fleet_with(loaded, regions=(first, *loaded.fleet.spec.regions[1:])), loaded.assumptions
        )
    assert "zz.huge" in caught.value.detail


def test_the_example_is_placed_with_a_bound_and_all_rules(loaded: Loaded, placement: Placement) -> None:
    assert sum(sum(s.replicas.values()) for s in placement.services) == 64
    assert 0 < placement.lower_bound_per_hour <= placement.cost.total_per_hour
    assert placement.gap < 0.25
    countries = {s.id: s.region.country for s in loaded.fleet.sites()}
    zones = {s.name: s.zones for s in loaded.app.spec.services}
    for row in placement.services:
        assert row.reasons
        assert all("any" in zones[row.service] or countries[site] in zones[row.service] for site in row.replicas)
    gateway = next(s for s in placement.services if s.service == "edge-gateway")
    assert {site.partition("/")[0] for site in gateway.replicas} == {"aws-cn", "azure-cn", "alibaba-cn"}
    assert 0 < placement.cost.assumed_share < 1
    rules = {r.rule for s in placement.services for r in s.rejections}
    assert {"data_residency", "external", "cost"} <= rules


class Searched(Exception):
    """The whole search was begun."""


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(_search: object) -> None:
        raise Searched

    monkeypatch.setattr("scheduler.solve.Search.run", begun)


def with_replicas(app: Application, name: str, more: int) -> Application:
    services = tuple(
        s.model_copy(update={"replicas": s.replicas + more}) if s.name == name else s for s in app.spec.services
    )
    return app.model_copy(update={"spec": app.spec.model_copy(update={"services": services})})


@pytest.mark.usefixtures("no_search")
def test_placing_again_changes_nothing_and_searches_nothing(loaded: Loaded, placement: Placement) -> None:
    again = place(loaded.app, loaded.fleet, loaded.assumptions, placement)
    assert [(s.service, s.replicas) for s in again.services] == [(s.service, s.replicas) for s in placement.services]
    assert again.pools == placement.pools
    assert [s.nodes for s in again.services] == [s.nodes for s in placement.services]
    assert again.lower_bound_per_hour <= again.cost.total_per_hour
    assert again.gap <= allowed_gap(placement.gap, 0.01)


@pytest.mark.usefixtures("no_search")
def test_a_replica_more_moves_nothing_else(loaded: Loaded, placement: Placement) -> None:
    app = with_replicas(loaded.app, "account-ledger", 1)
    again = place(app, loaded.fleet, loaded.assumptions, placement)
    before = {s.service: s.replicas for s in placement.services}
    assert [s.service for s in again.services if s.replicas != before[s.service]] == ["account-ledger"]
    assert sum(next(s for s in again.services if s.service == "account-ledger").replicas.values()) == 4
    assert 0 < again.gap <= MOST_SLIP + 1e-6
    assert place(app, loaded.fleet, loaded.assumptions, placement) == again


@pytest.mark.usefixtures("no_search")
def test_all_is_searched_where_asked_or_where_too_much_may_be_saved(
    loaded: Loaded, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Searched):
        place(loaded.app, loaded.fleet, loaded.assumptions, placement, replan=True)
    with pytest.raises(Searched):
        place(loaded.app, loaded.fleet, loaded.assumptions, placement, work_limit=400)
    monkeypatch.setattr("scheduler.replan.MOST_SLIP", 0.001)
    problem = build_problem(loaded.app, loaded.fleet, loaded.assumptions, placement)
    with pytest.raises(Searched):
        solve(replace(problem, current_gap=0.0))


@pytest.mark.usefixtures("no_search")
def test_what_is_kept_and_over_the_budget_is_searched_anew(loaded: Loaded, placement: Placement) -> None:
    budget = loaded.fleet.spec.budget
    assert budget is not None and budget.currency == placement.cost.currency
    cost = placement.cost.total_per_hour
    for limit, searched in ((cost * 1.2, False), (cost * 0.99, True)):
        fleet = fleet_with(loaded, budget=budget.model_copy(update={"max_per_hour": limit}))
        with pytest.raises(Searched) if searched else nullcontext():
            place(loaded.app, fleet, loaded.assumptions, placement)


def test_a_gap_grows_a_little_and_not_without_end() -> None:
    assert allowed_gap(0.0, 0.005) == pytest.approx(SLIP + 0.005)
    assert allowed_gap(MOST_SLIP - 0.001, 0.005) == MOST_SLIP
    assert allowed_gap(0.09, 0.005) == 0.09


def test_infeasible_is_an_error_with_the_conflict_and_the_way_out(loaded: Loaded) -> None:
    rules = loaded.app.spec.services[0].placement.model_copy(update={"sites": ("aws/*",), "spread": None})
    with pytest.raises(Infeasible) as caught:
        place(keep(loaded.app, "token-broker", placement=rules), loaded.fleet, loaded.assumptions)
    assert caught.value.exit_code is ExitCode.INFEASIBLE
    assert "must" not in caught.value.summary
    assert "token-broker: its secret data stay in CN" in caught.value.detail
    assert "placement.sites" in caught.value.detail
    assert "give up" in caught.value.mend and "CNY/h" in caught.value.mend


def test_undecided_is_its_own_exit_code(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    from scheduler.verdicts import Undecided

    monkeypatch.setattr("orchestrator.placing.solve", lambda *_a, **_k: Undecided(what="no time", raise_limit_to=9))
    with pytest.raises(PlacementUndecided) as caught:
        place(loaded.app, loaded.fleet, loaded.assumptions)
    assert caught.value.exit_code is ExitCode.UNDECIDED
    assert "9" in caught.value.mend


# -- what the clouds told of zones, quotas and spot prices -------------------------------------------------------------


def sold_elsewhere(example: Problem, place: str) -> tuple[str, RegionOffers]:
    """Every type of that region sold in all of its zones but the first."""
    sites = [s for s in example.sites if s.region == place]
    names = {t.name for s in sites for t in s.types}
    zones = tuple(s.id.rpartition("/")[2] for s in sites)
    return sites[0].id, RegionOffers(place, 0.0, frozenset(names), dict.fromkeys(names, zones[1:]))


def test_a_zone_that_does_not_sell_a_type_does_not_offer_it(loaded: Loaded, example: Problem) -> None:
    first, offers = sold_elsewhere(example, "aws-cn/cn-north-1")
    told = build_problem(loaded.app, loaded.fleet, loaded.assumptions, prices=LivePrices.of([], [offers]))
    for site, before in zip(told.sites, example.sites, strict=True):
        assert site.types == (() if site.id == first else before.types)
    again = build_problem(loaded.app, loaded.fleet, loaded.assumptions, prices=LivePrices.of([], [offers]))
    assert again == told


def test_a_type_that_nobody_asked_about_is_offered_everywhere(loaded: Loaded, example: Problem) -> None:
    asked = RegionOffers("aws-cn/cn-north-1", 0.0, frozenset({"c6i.large"}), {})
    told = build_problem(loaded.app, loaded.fleet, loaded.assumptions, prices=LivePrices.of([], [asked]))
    for site, before in zip(told.sites, example.sites, strict=True):
        gone = {"c6i.large"} if site.region == "aws-cn/cn-north-1" else set()
        assert {t.name for t in site.types} == {t.name for t in before.types} - gone


def test_a_quota_bounds_a_region_only_where_the_fleet_names_none(loaded: Loaded, example: Problem) -> None:
    quota = Quota("L-1", "vCPUs", Counts.VCPU, 100, 40, "test")
    place = "aws-cn/cn-north-1"
    told = LivePrices.of([], [], [RegionQuotas(place, 0.0, (quota,), ours_vcpu=8)])
    bare = fleet_with(
        loaded, regions=tuple(r.model_copy(update={"quota_vcpu": None}) for r in loaded.fleet.spec.regions)
    )
    assert build_problem(loaded.app, bare, loaded.assumptions).region_quota_vcpu == {}
    found = build_problem(loaded.app, bare, loaded.assumptions, prices=told).region_quota_vcpu
    assert found == {place: 68}  # the limit, less what others use
    ours = fleet_with(loaded, regions=tuple(r.model_copy(update={"quota_vcpu": 7}) for r in loaded.fleet.spec.regions))
    assert set(build_problem(loaded.app, ours, loaded.assumptions, prices=told).region_quota_vcpu.values()) == {7}
    beyond = RegionQuotas(place, 0.0, (Quota("L-1", "", Counts.VCPU, 5, None, ""),))
    assert beyond.vcpu == 5
    assert RegionQuotas(place, 0.0, (Quota("F", "", Counts.FAMILY_VCPU, 5, 0, ""),)).vcpu is None
