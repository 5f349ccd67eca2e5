"""Price lists: the same contract on every cloud's adapter, and `duoyun providers prices` with its cache."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from model.facts import catalogue
from model.facts.book import Book
from model.facts.live import Counts
from model.spec.assumptions import Assumptions
from model.spec.fleet import Fleet
from orchestrator.load import load_fleet
from orchestrator.targets import Targets
from providers.base import Call, CloudProvider, OfferSource, PriceSource, QuotaSource, SpotSource
from sandbox.prices import DATE, FACTOR, SPOT_SHARE, SPOT_VCPU_LIMIT, VCPU_LIMIT

PLACES = (
    ("aws-cn", "aws-cn", "222222222222", "cn-north-1"),
    ("aws", "aws", "111111111111", "ap-southeast-1"),
    ("azure-cn", "azure-cn", "00000000-0000-0000-0000-000000000002", "chinanorth3"),
    ("azure", "azure", "00000000-0000-0000-0000-000000000001", "southeastasia"),
    ("alibaba-cn", "alibaba-cn", "5000000000000002", "cn-hangzhou"),
    ("alibaba-intl", "alibaba-intl", "5000000000000001", "ap-southeast-1"),
)
Json = Callable[..., tuple[int, dict[str, Any]]]


def document() -> str:
    accounts, regions = [], []
    for number, (name, partition, account_id, region) in enumerate(PLACES):
        accounts.append({"name": name, "partition": partition, "account_id": account_id, "endpoint": "sandbox"})
        fact = catalogue.region(partition, region)
        zone = {"zone": fact.zones[0].rpartition("/")[2], "subnet_cidr": f"10.{number}.0.0/20"}
        network = {"name": "main", "cidr": f"10.{number}.0.0/16"}
        regions.append(
            {"account": name, "region": region, "country": fact.country, "zones": [zone], "network": network}
        )
    spec = {"accounts": accounts, "regions": regions}
    return json.dumps({"apiVersion": "duoyun.dev/v1", "kind": "Fleet", "metadata": {"name": "prices"}, "spec": spec})


@pytest.fixture
def path(running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text(json.dumps(running.endpoints), encoding="utf-8")
    monkeypatch.setenv("DUOYUN_SANDBOX", str(endpoints))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "fleet.yaml"
    file.write_text(document(), encoding="utf-8")
    return file


@pytest.fixture
def fleet(path: Path) -> Fleet:
    return load_fleet(path)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Json:
    def ask(*args: str) -> tuple[int, dict[str, Any]]:
        code = run(["-o", "json", *args])
        return code, json.loads(capsys.readouterr().out)

    return ask


@contextmanager
def pages_of(running: Any, partition: str, size: int) -> Iterator[None]:
    """Lists of that cloud in pages of so many rows; 0: as it does by itself."""
    cloud = importlib.import_module(f"tools.conformance.strangers.{partition.partition('-')[0]}").MORE
    usual = cloud.page_size(running, size) if size else 0
    try:
        yield
    finally:
        if size:
            cloud.page_size(running, usual)


def opened(fleet: Fleet, account: str) -> CloudProvider:
    return Targets(fleet).cloud(fleet.account(account))


@pytest.mark.parametrize(("account", "partition", "_id", "region"), PLACES, ids=[p[0] for p in PLACES])
def test_a_price_list_tells_the_list_price_of_linux_by_the_hour_and_leaves_out_what_is_not_sold(
    fleet: Fleet, account: str, partition: str, _id: str, region: str
) -> None:
    provider = opened(fleet, account)
    assert isinstance(provider, PriceSource)
    shipped = {t.name: t.price_per_hour for t in catalogue.instance_types(partition, region)}
    currency = {t.name: t.currency for t in catalogue.instance_types(partition, region)}
    wanted = sorted(shipped)[:3]
    found = {p.instance_type: p for p in provider.prices(region, [*wanted, "no.such.type"], Call())}
    assert sorted(found) == wanted
    for name, price in found.items():
        assert price.price_per_hour == pytest.approx(shipped[name] * FACTOR, rel=1e-4)
        assert price.currency == currency[name]
        assert price.date in (DATE[:10], "")
        assert price.source


@pytest.mark.parametrize("page_size", [0, 1], ids=["whole", "page-of-one"])
@pytest.mark.parametrize(("account", "partition", "_id", "region"), PLACES, ids=[p[0] for p in PLACES])
def test_a_spot_price_is_the_newest_one_of_linux_in_the_dearest_zone(
    running: Any, fleet: Fleet, account: str, partition: str, _id: str, region: str, page_size: int
) -> None:
    provider = opened(fleet, account)
    assert isinstance(provider, SpotSource)
    shipped = {t.name: t for t in catalogue.instance_types(partition, region)}
    wanted = sorted(shipped)[:2]
    with pages_of(running, partition, page_size):
        found = {p.instance_type: p for p in provider.spot_prices(region, [*wanted, "no.such.type"], Call())}
    assert sorted(found) == wanted
    for name, price in found.items():
        assert price.price_per_hour == pytest.approx(shipped[name].price_per_hour * FACTOR * SPOT_SHARE, rel=1e-4)
        assert (price.currency, price.date) == (shipped[name].currency, DATE[:10])
        assert price.source


@pytest.mark.parametrize(("account", "partition", "_id", "region"), PLACES, ids=[p[0] for p in PLACES])
def test_zones_that_do_not_sell_a_type_are_left_out(
    fleet: Fleet, account: str, partition: str, _id: str, region: str
) -> None:
    provider = opened(fleet, account)
    assert isinstance(provider, OfferSource)
    facts = catalogue.instance_types(partition, region)
    with_disk = next(t.name for t in facts if t.local_disk_gib and not t.burstable)
    without = next(t.name for t in facts if not t.local_disk_gib)
    found = provider.zones_selling(region, [with_disk, without, "no.such.type"], Call())
    assert sorted(found) == sorted([with_disk, without])
    everywhere = set(found[without])
    assert everywhere <= set(catalogue.region(partition, region).zones)
    assert everywhere - set(found[with_disk]) == {max(everywhere)}
    assert list(found[without]) == sorted(everywhere)


@pytest.mark.parametrize(("account", "partition", "_id", "region"), PLACES, ids=[p[0] for p in PLACES])
def test_quotas_tell_their_limit_and_use(fleet: Fleet, account: str, partition: str, _id: str, region: str) -> None:
    provider = opened(fleet, account)
    assert isinstance(provider, QuotaSource)
    found = {q.counts: q for q in provider.quotas(region, Call()) if q.counts is not Counts.FAMILY_VCPU}
    assert {c: q.limit for c, q in found.items()} == {Counts.VCPU: VCPU_LIMIT, Counts.SPOT_VCPU: SPOT_VCPU_LIMIT}
    for quota in found.values():
        assert quota.used is not None
        assert 0 <= quota.used <= quota.limit
        assert quota.left == quota.limit - quota.used
        assert quota.name
        assert quota.words
        assert quota.source


def test_what_is_fetched_is_kept_and_told_with_its_age(path: Path, said: Json) -> None:
    code, before = said("providers", "prices", "--fleet", str(path), "--account", "aws")
    assert (code, set(before["regions"][0]["types"])) == (0, {"shipped"})
    assert before["regions"][0]["age_s"] is None
    code, _ = said("providers", "prices", "--fleet", str(path), "--account", "aws", "--refresh")
    assert code == 0
    code, after = said("providers", "prices", "--fleet", str(path), "--account", "aws")
    (row,) = after["regions"]
    assert (code, set(row["types"]), row["newest"]) == (0, {"live"}, DATE[:10])
    assert 0 <= row["age_s"] < 600
    assert row["spot"] == row["types"]["live"]
    assert row["zoned"] == row["types"]["live"]
    assert 0 <= row["spot_age_s"] < 600
    assert 0 <= row["zones_age_s"] < 600
    assert row["sources"] == ["AWS Price List API"]


@pytest.mark.parametrize("kept_before", [True, False])
def test_a_price_list_that_does_not_answer_is_said_and_what_was_known_is_used(
    running: Any, path: Path, said: Json, kept_before: bool
) -> None:
    ask = ("providers", "prices", "--fleet", str(path), "--account", "azure", "--refresh", "--timeout", "3s")
    if kept_before:
        assert said(*ask)[0] == 0
    running.sandbox.faults.add(
        {"id": "prices", "service": "azure", "operation": "GET retail/prices", "error": "unavailable", "count": -1}
    )
    try:
        code, data = said(*ask)
    finally:
        running.sandbox.faults.remove("prices")
    (row,) = data["regions"]
    assert code == 75
    assert row["error"]["summary"]
    assert set(row["types"]) == ({"live"} if kept_before else {"shipped"})


def test_a_kept_file_that_is_broken_is_said_and_not_used(path: Path, said: Json, fleet: Fleet) -> None:
    from orchestrator.prices import kept

    assert said("providers", "prices", "--fleet", str(path), "--account", "aws", "--refresh")[0] == 0
    assert len(kept(fleet)[0].regions) == 1
    (file,) = (path.parent / "cache").rglob("ap-southeast-1.json")
    assert "sandbox" in file.parts  # never taken for the cloud's own
    whole = file.read_text(encoding="utf-8")
    for text in ("{", '{"schema_version": 1}', whole.replace('"price_per_hour": 0', '"price_per_hour": -0')):
        file.write_text(text, encoding="utf-8")
        live, warnings = kept(fleet)
        assert live.regions == {}
        assert "shipped ones are used" in warnings[0].what


# -- quotas ------------------------------------------------------------------------------------------------------------


def test_quotas_are_kept_bound_plans_until_they_are_forgotten_and_are_told_with_their_age(
    path: Path, said: Json, fleet: Fleet
) -> None:
    from orchestrator.prices import kept, summary, told

    ask = ("providers", "quotas", "--fleet", str(path), "--account", "azure")
    code, before = said(*ask)
    assert (code, before["regions"][0]["age_s"], before["regions"][0]["planned"]) == (0, None, False)
    assert said(*ask, "--refresh")[0] == 0
    code, after = said(*ask)
    (row,) = after["regions"]
    assert (code, row["planned"], row["vcpu"]) == (0, True, VCPU_LIMIT)
    assert 0 <= row["age_s"] < 600
    assert {q["counts"] for q in row["quotas"]} == {"vcpu", "spot-vcpu"}
    book = Book(Assumptions.none(), kept(fleet)[0])
    assert book.quota_vcpu("azure/southeastasia") == VCPU_LIMIT
    fetched_s = book.live.quotas["azure/southeastasia"].fetched_s
    line = f"azure/southeastasia: {VCPU_LIMIT} vCPUs at most, as the cloud told (2 h ago)"
    assert line in summary(told(fleet, book, fetched_s + 7200))
    assert said(*ask, "--forget")[1]["regions"][0]["age_s"] is None
    assert kept(fleet)[0].quotas == {}


def test_an_account_that_does_not_tell_its_quota_is_said_and_what_was_known_holds(
    running: Any, path: Path, said: Json
) -> None:
    ask = ("providers", "quotas", "--fleet", str(path), "--account", "alibaba-cn", "--refresh", "--timeout", "3s")
    code, data = said(*ask)
    assert code == 0
    known = data["regions"][0]["vcpu"]  # less than the limit where other tests' machines run
    assert 0 < known <= VCPU_LIMIT
    row = {"id": "quotas", "service": "alibaba", "operation": "ecs:DescribeAccountAttributes", "error": "forbidden"}
    running.sandbox.faults.add({**row, "count": -1})
    try:
        code, data = said(*ask)
    finally:
        running.sandbox.faults.remove("quotas")
    (told,) = data["regions"]
    assert (code, told["vcpu"], bool(told["error"]["summary"])) == (75, known, True)


def test_quotas_of_another_executors_partition_are_not_asked_for(
    path: Path, said: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOYUN_PARTITION", "aws")
    code, data = said("providers", "quotas", "--fleet", str(path), "--account", "azure", "--refresh")
    (row,) = data["regions"]
    assert (code, row["age_s"]) == (75, None)
    assert "this executor works for aws alone" in row["error"]["summary"]


def test_zones_that_an_account_does_not_tell_are_said_and_the_prices_are_kept_all_the_same(
    running: Any, path: Path, said: Json
) -> None:
    row = {"id": "skus", "service": "azure", "operation": "GET Microsoft.Compute/skus", "error": "forbidden"}
    running.sandbox.faults.add({**row, "count": -1})
    try:
        code, data = said("providers", "prices", "--fleet", str(path), "--account", "azure", "--refresh")
    finally:
        running.sandbox.faults.remove("skus")
    (told,) = data["regions"]
    assert (code, told["error"], sorted(told["errors"])) == (75, None, ["zones"])
    assert (set(told["types"]), told["zones_age_s"]) == ({"live"}, None)
    assert told["spot"] == told["types"]["live"]
