"""The shipped tables are whole, plausible and say where each row comes from."""

from __future__ import annotations

import csv
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.facts import catalogue
from model.facts.book import Book
from model.facts.countries import COUNTRIES
from model.facts.distance import estimated_rtt, great_circle_km
from model.facts.live import ListPrice, LivePrices, RegionOffers, RegionPrices, SpotPrice
from model.spec.assumptions import Assumptions, AssumptionsSpec
from model.spec.fleet import PARTITIONS

TABLES = Path(catalogue.__file__).parent / "tables"
REGIONS = catalogue.regions()
ALL_TYPES = [(r, t) for r in REGIONS for t in catalogue.instance_types(r.partition, r.region)]


def assumptions(**spec: object) -> Assumptions:
    return Assumptions.model_validate(
        {"apiVersion": "duoyun.dev/v1", "kind": "Assumptions", "metadata": {"name": "t"}, "spec": spec}
    )


def test_regions() -> None:
    assert {r.partition for r in REGIONS} == set(PARTITIONS)
    for r in REGIONS:
        assert r.country in COUNTRIES
        assert -90 <= r.latitude <= 90
        assert -180 <= r.longitude <= 180
        assert r.zones
        assert len(set(r.zones)) == len(r.zones)
        assert catalogue.region(r.partition, r.region) is r
    with pytest.raises(KeyError):
        catalogue.region("aws", "atlantis-1")


def test_every_region_sells_enough_to_choose_from() -> None:
    for r in REGIONS:
        types = catalogue.instance_types(r.partition, r.region)
        assert len(types) >= 15, r.id
        assert [t.name for t in types] == sorted(t.name for t in types)
        assert {2, 4, 8} <= {t.vcpu for t in types}
    assert len({t.name for _, t in ALL_TYPES}) >= 120
    assert len({r.id for r, _ in ALL_TYPES}) >= 14
    for cloud in ("aws", "azure", "alibaba"):
        some = [t for r, t in ALL_TYPES if r.partition.startswith(cloud)]
        assert {t.arch for t in some} == {"amd64", "arm64"}
        assert any(t.local_disk_gib for t in some), cloud
        assert any(t.gpu for t in some), cloud
    assert catalogue.instance_types("aws", "atlantis-1") == ()


def test_an_account_is_priced_in_the_currency_that_it_is_billed_in() -> None:
    """The mainland's partitions in CNY, all others in USD: also where one company sells in both."""
    found = {(r.partition, t.currency) for r, t in ALL_TYPES}
    assert found == {(p, "CNY" if p.endswith("-cn") else "USD") for p, _ in found}


def test_instance_types_are_plausible() -> None:
    for r, t in ALL_TYPES:
        assert 0.5 * 1000 * t.vcpu < t.allocatable_cpu_millicores < 1000 * t.vcpu
        assert 0.5 * t.memory_mib < t.allocatable_memory_mib < t.memory_mib
        assert 1 <= t.memory_mib / 1024 / t.vcpu <= 8
        assert 8 <= t.max_pods <= 250
        assert t.arch in ("amd64", "arm64")
        usd = t.price_per_hour / (7.12 if t.currency == "CNY" else 1)
        assert 0.004 < usd / t.vcpu < (0.5 if t.gpu else 0.2), (r.id, t.name)
        assert t.local_disk_gib >= 0
        assert t.zones is None or set(t.zones) <= set(r.zones)
        if t.spot_price_per_hour is not None:
            assert 0 < t.spot_price_per_hour < t.price_per_hour, (r.id, t.name)
            assert t.spot_source
            assert len(t.spot_date) == len("2026-01-01")
            assert t.spot_assumed == bool(t.spot_formula)
        assert t.assumed == bool(t.formula)
        assert t.source
        assert t.price_source
        assert len(t.price_date) == len("2026-01-01")


def test_a_larger_machine_of_a_family_costs_more() -> None:
    for r in REGIONS:
        family: dict[str, list[tuple[int, float]]] = {}
        for t in catalogue.instance_types(r.partition, r.region):
            stem = "".join(c for c in t.name.rsplit(".", 1)[0] if not (c.isdigit() and "Standard" in t.name))
            family.setdefault(f"{stem}{t.memory_mib // t.vcpu}", []).append((t.vcpu, t.price_per_hour))
        for rows in family.values():
            rows.sort()
            assert [p for _, p in rows] == sorted(p for _, p in rows), (r.id, rows)


@pytest.mark.parametrize("table", ["regions", "instance_types", "prices", "spot", "egress", "rtt"])
def test_every_row_has_a_source_and_a_date(table: str) -> None:
    with (TABLES / "sources.csv").open(newline="") as file:
        sources = {r["id"] for r in csv.DictReader(file)}
    with (TABLES / f"{table}.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert row["source"] in sources
            assert len(row["date"]) == len("2026-01-01")
            assert row.get("assumed", "0") in ("0", "1")
            assert (row.get("assumed") == "1") == bool(row.get("formula", ""))
            assert None not in row
            assert None not in row.values()


@pytest.mark.parametrize("table", ["prices", "spot"])
def test_no_price_stands_twice(table: str) -> None:
    with (TABLES / f"{table}.csv").open(newline="") as file:
        keys = [(r["partition"], r["region"], r["instance_type"]) for r in csv.DictReader(file)]
    assert len(set(keys)) == len(keys)


@given(st.sampled_from(REGIONS), st.sampled_from(REGIONS), st.sampled_from(REGIONS))
def test_distance_is_a_metric(a: catalogue.RegionFact, b: catalogue.RegionFact, c: catalogue.RegionFact) -> None:
    assert great_circle_km(a, b) == pytest.approx(great_circle_km(b, a))
    assert great_circle_km(a, a) == pytest.approx(0, abs=1e-6)
    assert great_circle_km(a, b) <= great_circle_km(a, c) + great_circle_km(c, b) + 1e-6
    assert 0 < estimated_rtt(a, b).rtt_ms < 400


def test_estimates_lie_near_what_was_measured() -> None:
    """Within a factor of two for every measured pair, and within a third for half of them."""
    ratios = []
    for a, b in combinations(REGIONS, 2):
        measured = catalogue.measured_rtt(a.id, b.id)
        if measured is not None:
            ratios.append(estimated_rtt(a, b).rtt_ms / measured.rtt_ms)
    assert len(ratios) > 15
    assert all(0.5 < r < 2 for r in ratios)
    assert sum(2 / 3 < r < 4 / 3 for r in ratios) >= len(ratios) / 2


def test_book_without_assumptions_is_the_catalogue() -> None:
    book = Book(Assumptions.none())
    for r in REGIONS:
        assert book.instance_types(r.partition, r.region) == catalogue.instance_types(r.partition, r.region)
    same = book.rtt("aws/us-east-1", "aws/us-east-1")
    assert same is not None
    assert same.rtt_ms == 1.0
    measured = book.rtt("azure/westeurope", "aws/us-east-1")
    assert measured is not None
    assert not measured.assumed
    assert book.rtt("aws/us-east-1", "aws/atlantis-1") is None
    far = next((a, b) for a, b in combinations(REGIONS, 2) if catalogue.measured_rtt(a.id, b.id) is None)
    assert book.rtt(far[0].id, far[1].id) is None  # nobody asked for an estimate
    asked = Assumptions.none().model_copy(update={"spec": AssumptionsSpec(rtt_by_distance=True)})
    assert Book(asked).rtt(far[0].id, far[1].id) == estimated_rtt(*far)
    assert Book(asked).rtt("aws/us-east-1", "aws/atlantis-1") is None
    assert book.egress("mars/base-1", "internet") is None


@pytest.mark.parametrize(
    ("src", "dst", "price", "assumed"),
    [
        ("aws/ap-southeast-1", "internet", 0.12, False),
        ("aws/ap-southeast-1", "azure/southeastasia", 0.12, False),
        ("aws/ap-southeast-1", "aws/us-east-1", 0.09, False),
        ("aws/ap-southeast-1", "aws/ap-southeast-1", 0.02, True),
        ("azure/southeastasia", "azure/eastasia", 0.08, True),
        ("alibaba-cn/cn-hangzhou", "aws-cn/cn-north-1", 0.8, True),
    ],
)
def test_egress_by_direction(src: str, dst: str, price: float, assumed: bool) -> None:
    found = Book(Assumptions.none()).egress(src, dst)
    assert found is not None
    assert (found.price_per_gb, found.assumed) == (price, assumed)


def test_assumptions_outrank_facts() -> None:
    made = assumptions(
        date="2026-01-01",
        prices=[
            {
                "regions": ["aws/us-east-1"],
                "instance_type": "m6i.large",
                "price_per_hour": 9,
                "currency": "CNY",
                "formula": "f",
            },
            {
                "regions": ["aws/mars-1"],
                "instance_type": "m6i.large",
                "price_per_hour": 8,
                "currency": "USD",
                "formula": "f",
            },
            {
                "regions": ["aws/mars-1"],
                "instance_type": "unheard-of",
                "price_per_hour": 8,
                "currency": "USD",
                "formula": "f",
            },
        ],
        rtt_ms=[{"between": ["aws/us-east-1", "aws/mars-1"], "rtt_ms": 5000, "formula": "f"}],
        egress=[
            {"from": "aws", "to": "internet", "price_per_gb": 5, "currency": "USD", "formula": "f"},
            {"from": "aws/us-east-1", "to": "azure", "price_per_gb": 0, "currency": "USD", "formula": "a private line"},
        ],
    )
    book = Book(made)
    large = next(t for t in book.instance_types("aws", "us-east-1") if t.name == "m6i.large")
    assert (large.price_per_hour, large.currency, large.assumed, large.formula) == (9, "CNY", True, "f")
    assert large.price_date == "2026-01-01"
    assert [t.name for t in book.instance_types("aws", "mars-1")] == ["m6i.large"]
    far = book.rtt("aws/mars-1", "aws/us-east-1")
    assert far is not None
    assert far.rtt_ms == 5000
    prices = [
        book.egress("aws/us-east-1", to)
        for to in ("internet", "azure/westeurope", "alibaba-cn/cn-beijing", "aws/eu-central-1")
    ]
    assert [p.price_per_gb for p in prices if p is not None] == [5, 0, 5, 0.02]


def test_spot_prices_and_zones_that_a_cloud_told_outrank_the_shipped_ones() -> None:
    place, name = "aws/us-east-1", "m6i.large"
    spot = SpotPrice(name, 0.03, "USD", "2026-02-02", "told")
    listed = ListPrice(name, 0.1, "USD", "2026-01-01", "told")
    offers = RegionOffers(place, 1.0, frozenset({name, "c6i.large"}), {name: ("us-east-1a",)})
    live = LivePrices.of([RegionPrices(place, 1.0, (listed,), (spot,), 1.0)], [offers])
    found = {t.name: t for t in Book(Assumptions.none(), live).instance_types("aws", "us-east-1")}
    told = found[name]
    assert (told.price_per_hour, told.spot_price_per_hour, told.spot_date) == (0.1, 0.03, "2026-02-02")
    assert (told.spot_assumed, told.spot_source, told.zones) == (False, "told", ("us-east-1a",))
    assert told.sold_in("us-east-1a") and not told.sold_in("us-east-1b")
    assert found["c6i.large"].zones == ()  # asked about, and sold nowhere
    assert found["m6i.xlarge"].zones == catalogue.instance_types("aws", "us-east-1")[0].zones


def test_a_spot_price_is_never_compared_across_currencies_or_regions() -> None:
    place = "aws/us-east-1"
    spot = SpotPrice("m6i.large", 0.2, "CNY", "", "told")
    live = LivePrices.of([RegionPrices(place, 1.0, (), (spot,), 1.0)])
    found = {t.name: t for t in Book(Assumptions.none(), live).instance_types("aws", "us-east-1")}
    assert found["m6i.large"].spot_price_per_hour != 0.2
    rows = [
        {"regions": [place], "instance_type": "m6i.large", "price_per_hour": 9, "currency": "CNY", "formula": "f"},
        {
            "regions": ["aws/mars-1"],
            "instance_type": "m6i.large",
            "price_per_hour": 9,
            "currency": "USD",
            "formula": "f",
        },
    ]
    book = Book(assumptions(date="2026-01-01", prices=rows))
    assert {t.name: t for t in book.instance_types("aws", "us-east-1")}["m6i.large"].spot_price_per_hour is None
    (elsewhere,) = book.instance_types("aws", "mars-1")
    assert (elsewhere.spot_price_per_hour, elsewhere.spot_source, elsewhere.zones) == (None, "", None)


def test_catalogue_is_light() -> None:
    code = (
        "import sys, model.facts.catalogue as c; c.regions(); print('pydantic' in sys.modules, 'yaml' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
