"""The example keeps what was promised of it: counts, law, sites, and how its assumptions were made."""

from __future__ import annotations

import csv
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path

import pytest

from model.facts import catalogue
from model.facts.book import Book
from model.facts.distance import estimated_rtt
from model.resources import Ownership
from model.spec.app import Runtime
from model.spec.graph import waves
from orchestrator.load import Loaded

EXTERNAL_OF = {"(api.weixin.qq.com)": "weixin-api", "(bank APIs)": "bank-apis"}


def test_counts(example: Loaded) -> None:
    services = example.app.spec.services
    assert len(services) == 27
    assert sum(s.replicas for s in services) == 64
    assert sum(s.zones == ("CN",) for s in services) == 24
    assert sum(s.zones == ("any",) for s in services) == 3
    assert {s.name for s in services if s.icp} == {"edge-gateway", "mp-bff", "ws-push", "wxpay-notify"}
    assert example.warnings == ()


def test_at_least_thirty_sites_over_six_partitions(example: Loaded) -> None:
    sites = list(example.fleet.sites())
    assert len(sites) >= 30
    assert len({s.id for s in sites}) == len(sites)
    mainland = {s.partition for s in sites if s.region.country == "CN"}
    assert mainland == {"aws-cn", "azure-cn", "alibaba-cn"}
    outside = {s.region_id for s in sites if s.region.country != "CN"}
    assert len(outside) == 3
    assert all(s.region.icp == (s.region.country == "CN") for s in sites)


def test_everything_is_ours_and_goes_to_the_sandbox(example: Loaded) -> None:
    assert all(a.endpoint == "sandbox" for a in example.fleet.spec.accounts)
    for region in example.fleet.spec.regions:
        assert region.cluster is not None
        assert {region.network.ownership, region.cluster.ownership} == {Ownership.OWN}
        assert region.gateway is not None


def test_no_firewall_opens_a_port_of_administration_or_databases(example: Loaded) -> None:
    allowed = {"443", "8080", "15443"}
    rules = [r for region in example.fleet.spec.regions for f in region.firewalls for r in f.rules]
    assert {r.ports for r in rules} == allowed
    assert {r.ports for r in rules if r.cidr == "0.0.0.0/0"} == {"443", "8080"}


def test_the_edge_is_in_each_of_three_clouds(example: Loaded) -> None:
    edge = example.app.service("edge-gateway")
    assert edge.runtime is Runtime.KUBERNETES
    assert edge.placement.spread is not None
    assert (edge.placement.spread.over, edge.placement.spread.min_domains, edge.placement.spread.min_each) == (
        "cloud",
        3,
        1,
    )
    legal = {s.cloud for s in example.fleet.sites() if s.region.country in edge.zones and s.region.icp}
    assert len(legal) == 3
    assert any(p.public for p in edge.ports)


def test_every_service_has_a_legal_site_with_a_machine_that_holds_it(example: Loaded) -> None:
    book = Book(example.assumptions)
    for service in example.app.spec.services:
        held = False
        for site in example.fleet.sites():
            if "any" not in service.zones and site.region.country not in service.zones:
                continue
            held |= any(
                t.arch in service.architectures
                and t.allocatable_cpu_millicores >= service.resources.cpu
                and t.allocatable_memory_mib >= service.resources.memory
                for t in book.instance_types(site.partition, site.region.region)
            )
        assert held, service.name


def test_stores_are_where_the_law_lets_them_be(example: Loaded) -> None:
    for external in example.app.spec.externals:
        if "any" in external.zones or external.sites == ("internet",):
            continue
        for site in example.fleet.sites():
            if any(fnmatchcase(site.id, glob) for glob in external.sites):
                assert site.region.country in external.zones, (external.name, site.id)


def test_waves_begin_with_the_callees(example: Loaded) -> None:
    depth = waves(example.app)
    assert depth["edge-gateway"] == max(depth.values()) == 6
    names = set(depth)
    for service in example.app.spec.services:
        assert all(depth[d.name] < depth[service.name] for d in service.depends_on if d.name in names)


def test_assumed_prices_are_what_their_formula_says(example: Loaded) -> None:
    source = {t.name: t.price_per_hour for t in catalogue.instance_types("azure", "southeastasia")}
    beijing = {t.name: t.price_per_hour for t in catalogue.instance_types("aws-cn", "cn-north-1")}
    assert example.assumptions.spec.prices
    for row in example.assumptions.spec.prices:
        if row.formula == "price in azure/southeastasia (USD) x 7.12":
            assert row.price_per_hour == pytest.approx(source[row.instance_type] * 7.12, rel=1e-4)
        else:
            assert row.formula == "price in aws-cn/cn-north-1"
            assert row.price_per_hour == pytest.approx(beijing[row.instance_type], rel=1e-4)
        assert row.currency == "CNY"


def test_each_pair_of_regions_has_a_link_and_a_round_trip(example: Loaded) -> None:
    regions = sorted({s.region_id for s in example.fleet.sites()})
    places = {r.id: r for r in catalogue.regions()}
    book = Book(example.assumptions)
    links = {frozenset(link.between): link.rtt_ms for link in example.linked_fleet.spec.links}
    assumed = {frozenset(r.between): r.rtt_ms for r in example.assumptions.spec.rtt_ms}
    for a, b in combinations(regions, 2):
        pair = frozenset((a, b))
        found = book.rtt(a, b)
        assert found is not None
        assert links[pair] == pytest.approx(found.rtt_ms, abs=0.05)
        assert (pair in assumed) == (catalogue.measured_rtt(a, b) is None)
        if pair in assumed:
            assert assumed[pair] == pytest.approx(estimated_rtt(places[a], places[b]).rtt_ms, abs=0.05)


def test_egress_is_known_between_all_regions(example: Loaded) -> None:
    book = Book(example.assumptions)
    regions = sorted({s.region_id for s in example.fleet.sites()})
    for a in regions:
        for b in (*regions, "internet"):
            assert book.egress(a, b) is not None, (a, b)


@pytest.mark.reference
def test_agrees_with_the_reference_table(example: Loaded, reference_data: Path) -> None:
    with (reference_data / "miniprogram" / "services.csv").open(newline="") as file:
        rows = {r["name"]: r for r in csv.DictReader(file)}
    assert set(rows) == {s.name for s in example.app.spec.services}
    for service in example.app.spec.services:
        row = rows[service.name]
        assert service.replicas == int(row["replicas"])
        assert service.resources.cpu == int(row["cpu_m"])
        assert service.resources.memory == int(row["mem_mi"])
        assert service.data_class == row["data_class"]
        assert service.zones == (row["zone"].removesuffix("-ICP"),)
        assert service.icp == row["zone"].endswith("-ICP")
        assert service.p99_ms == (float(row["p99_ms"]) if row["p99_ms"].isdigit() else None)
        assert service.runtime == ("vm" if row["target"] == "vm" else "kubernetes")
        deps = [EXTERNAL_OF.get(d, d) for d in row["deps"].split(";") if d]
        assert [d.name for d in service.depends_on] == deps
    called = {d.name for s in example.app.spec.services for d in s.depends_on}
    assert {e.name for e in example.app.spec.externals} == called - set(rows)
