"""What the clouds document of their answers about prices, zones and quotas, read by the adapters' parsers.

The samples are written after the API references; what stands in none of them (a missing member, a word that is not
known, a number that is none) is here as well, because it will come.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.mgmt.compute.models import ResourceSku

from model.facts.live import Counts, ListPrice, Quota, SpotPrice
from providers.alibaba import offers as alibaba
from providers.alibaba import prices as alibaba_prices
from providers.aws import offers as aws
from providers.aws import prices as aws_prices
from providers.azure import offers as azure
from providers.azure.prices import _hourly
from providers.azure.session import Session
from providers.base import Account, Call

# -- EC2 ---------------------------------------------------------------------------------------------------------------


def at(hour: int) -> datetime:
    return datetime(2026, 1, 6, hour, tzinfo=UTC)


def spot_row(zone: str, price: str | None, hour: int, **more: Any) -> dict[str, Any]:
    row = {"InstanceType": "m1.xlarge", "ProductDescription": "Linux/UNIX", "AvailabilityZone": zone}
    return {**row, "Timestamp": at(hour), **({} if price is None else {"SpotPrice": price}), **more}


def test_ec2_spot_history() -> None:
    rows = [
        spot_row("us-west-1b", "0.087000", 7),
        spot_row("us-west-1b", "0.091000", 6),
        spot_row("us-west-1c", "0.089000", 5, ProductDescription="Linux/UNIX (Amazon VPC)"),
        spot_row("us-west-1c", "0.500000", 9, ProductDescription="SUSE Linux (Amazon VPC)"),
        spot_row("us-west-1a", None, 9),
        spot_row("us-west-1a", "none", 9),
        spot_row("us-west-1a", "0.7", 9, InstanceType="x9.unheard"),
        {"InstanceType": "c9.large", "ProductDescription": "Linux/UNIX", "SpotPrice": "0.01"},
    ]
    assert list(aws.dearest(rows, {"m1.xlarge", "c9.large"}, "USD")) == [
        SpotPrice("c9.large", 0.01, "USD", "", aws.SPOT_SOURCE),
        SpotPrice("m1.xlarge", 0.089, "USD", "2026-01-06", aws.SPOT_SOURCE),
    ]


@pytest.mark.parametrize(
    ("name", "spot", "quota"),
    [
        ("m6i.large", False, "L-1216C47A"),
        ("m6i.large", True, "L-34B43A08"),
        ("im4gn.large", False, "L-1216C47A"),
        ("t4g.medium", False, "L-1216C47A"),
        ("g4dn.xlarge", False, "L-DB2E81BA"),
        ("g4dn.xlarge", True, ""),
        ("inf2.xlarge", False, ""),
        ("dl1.24xlarge", False, ""),
        ("hpc7a.12xlarge", False, ""),
        ("u-6tb1.metal", False, ""),
        ("p5.48xlarge", False, ""),
        ("", False, ""),
    ],
)
def test_ec2_counts_instances_by_the_letters_of_their_family(name: str, spot: bool, quota: str) -> None:
    assert aws.bucket(name, spot=spot) == quota


def test_aws_price_list_product() -> None:
    def product(**dimension: Any) -> dict[str, Any]:
        per = {"unit": "Hrs", "pricePerUnit": {"USD": "0.0960000000"}, **dimension}
        return {
            "terms": {"OnDemand": {"A.B": {"effectiveDate": "2025-12-01T00:00:00Z", "priceDimensions": {"C": per}}}}
        }

    assert aws_prices.price_of("m", product()) == ListPrice("m", 0.096, "USD", "2025-12-01", aws_prices.SOURCE)
    assert aws_prices.price_of("m", product(unit="Quantity")) is None
    assert aws_prices.price_of("m", product(pricePerUnit={"USD": "0.0000000000"})) is None
    assert aws_prices.price_of("m", product(pricePerUnit={"USD": "free", "CNY": "0.7"})) is not None
    assert aws_prices.price_of("m", {"terms": {"Reserved": {}}}) is None


# -- ECS ---------------------------------------------------------------------------------------------------------------


def test_ecs_spot_history_of_the_reference_names_no_currency() -> None:
    base = {"IoOptimized": "none", "OriginPrice": 0.028, "NetworkType": "classic", "InstanceType": "ecs.t1.xsmall"}
    rows = [
        {**base, "Timestamp": "2017-09-18T11:00:00Z", "ZoneId": "cn-hangzhou-c", "SpotPrice": 0.007},
        {**base, "Timestamp": "2017-09-18T12:00:00Z", "ZoneId": "cn-hangzhou-c", "SpotPrice": 0.006},
        {**base, "Timestamp": "2017-09-18T12:00:00Z", "ZoneId": "cn-hangzhou-b"},
    ]
    found = alibaba.dearest("ecs.t1.xsmall", rows, "CNY")
    assert found == SpotPrice("ecs.t1.xsmall", 0.006, "CNY", "2017-09-18", alibaba.SPOT_SOURCE)
    assert alibaba.dearest("ecs.t1.xsmall", rows[2:], "CNY") is None


def test_ecs_price_without_a_currency_or_details() -> None:
    row = {"Resource": "instanceType", "OriginalPrice": 0.5, "TradePrice": 0.4}
    whole = {"PriceInfo": {"Price": {"DetailInfos": {"DetailInfo": [{"Resource": "image"}, row]}}}}
    assert alibaba_prices.price_of("t", whole, "USD") == ListPrice("t", 0.5, "USD", "", alibaba_prices.SOURCE)
    assert alibaba_prices.price_of("t", {"PriceInfo": {"Price": {"OriginalPrice": 1.0}}}, "USD") is None
    assert alibaba_prices.price_of("t", {}, "USD") is None


def test_ecs_available_resource() -> None:
    def row(value: str, status: str, category: str | None) -> dict[str, str]:
        return {"Value": value, "Status": status, **({} if category is None else {"StatusCategory": category})}

    def zone(name: str, *rows: dict[str, str]) -> dict[str, Any]:
        one = {"Type": "InstanceType", "SupportedResources": {"SupportedResource": list(rows)}}
        disk = {"Type": "SystemDisk", "SupportedResources": {"SupportedResource": [row("ecs.a", "Available", None)]}}
        return {"ZoneId": name, "AvailableResources": {"AvailableResource": [disk, one]}}

    answer = {
        "AvailableZones": {
            "AvailableZone": [
                zone("z-a", row("ecs.a", "Available", "WithStock"), row("ecs.b", "SoldOut", "ClosedWithoutStock")),
                zone("z-b", row("ecs.a", "SoldOut", "WithoutStock"), row("ecs.b", "Available", None)),
                zone("z-c", row("ecs.a", "Available", "ClosedWithStock"), row("ecs.b", "Available", "AWordOf2031")),
                {"ZoneId": "z-d", "Status": "SoldOut"},
            ]
        }
    }
    assert alibaba.selling(answer, {"ecs.a", "ecs.b", "ecs.c"}) == {"ecs.a": ("z-a", "z-c"), "ecs.b": ("z-b", "z-c")}
    assert alibaba.selling({}, {"ecs.a"}) == {}


def test_ecs_account_attributes() -> None:
    def row(name: str, *values: Any) -> dict[str, Any]:
        return {"AttributeName": name, "AttributeValues": {"ValueItem": [{"Value": value} for value in values]}}

    rows = [
        row("max-postpaid-instance-vcpu-count", "500"),
        row("used-postpaid-instance-vcpu-count"),
        row("max-spot-instance-vcpu-count", "unlimited"),
        row("a-new-attribute", "7"),
    ]
    assert alibaba.limits({"AccountAttributeItems": {"AccountAttributeItem": rows}}) == (
        Quota(
            "max-postpaid-instance-vcpu-count", "pay-as-you-go vCPUs", Counts.VCPU, 500.0, None, alibaba.QUOTA_SOURCE
        ),
    )


# -- Azure -------------------------------------------------------------------------------------------------------------


def sku(**body: Any) -> Any:
    place = {"location": "eastus", "zones": ["2", "1", "3"]}
    whole = {"resourceType": "virtualMachines", "name": "Standard_A1_v2", "locationInfo": [place], "restrictions": []}
    return ResourceSku({**whole, **body}) if hasattr(ResourceSku, "as_dict") else ResourceSku.deserialize(whole | body)


@pytest.mark.parametrize(
    ("restrictions", "zones"),
    [
        ([], {"1", "2", "3"}),
        ([{"type": "Zone", "values": ["eastus"], "restrictionInfo": {"locations": ["eastus"], "zones": ["2"]},
           "reasonCode": "NotAvailableForSubscription"}], {"1", "3"}),
        ([{"type": "Location", "values": ["eastus"], "reasonCode": "QuotaId"}], set()),
        ([{"type": "AWordOf2031", "reasonCode": "AnotherOne"}], {"1", "2", "3"}),
        ([{"type": "Zone", "reasonCode": "NotAvailableForSubscription"}], {"1", "2", "3"}),
    ],
)  # fmt: skip
def test_azure_sku_restrictions(restrictions: list[dict[str, Any]], zones: set[str]) -> None:
    assert set(azure.zones_of(sku(restrictions=restrictions), "eastus", ("1", "2", "3"))) == zones


def test_azure_sku_in_a_region_without_zones_and_in_another_region() -> None:
    assert set(azure.zones_of(sku(locationInfo=[{"location": "EastUS"}]), "eastus", ())) == {"1"}
    assert set(azure.zones_of(sku(), "westus", ("1",))) == set()
    assert set(azure.zones_of(sku(locationInfo=None), "eastus", ("1",))) == set()


@pytest.mark.parametrize(
    ("changed", "on_demand", "spot"),
    [
        ({}, True, False),
        ({"skuName": "D2s v5 Spot", "meterName": "D2s v5 Spot"}, False, True),
        ({"skuName": "D2s v5 Low Priority"}, False, False),
        ({"productName": "Virtual Machines Dsv5 Series Windows", "skuName": "D2s v5 Spot"}, False, False),
        ({"productName": "Dsv5 Series Cloud Services"}, False, False),
        ({"type": "Reservation", "unitOfMeasure": "1 Hour"}, False, False),
        ({"type": "AWordOf2031"}, False, False),
        ({"unitOfMeasure": None, "skuName": None}, False, False),
    ],
)
def test_azure_retail_rows(changed: dict[str, Any], on_demand: bool, spot: bool) -> None:
    row = {
        "productName": "Virtual Machines Dsv5 Series", "skuName": "D2s v5", "meterName": "D2s v5",
        "serviceName": "Virtual Machines", "unitOfMeasure": "1 Hour", "type": "Consumption",
    } | changed  # fmt: skip
    assert (_hourly(row, False), _hourly(row, True)) == (on_demand, spot)


def test_azure_asks_for_its_zones_once_however_many_threads_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account("a", "azure", "azure", "id", endpoint="http://127.0.0.1:1", secrets={"secret": "s"})
    session, second = Session(account), threading.Barrier(2)
    asked, told = [], []

    def ask(_operation: str, _path: str, _call: Call, **_params: str) -> dict[str, Any]:
        asked.append(threading.get_ident())
        with suppress(threading.BrokenBarrierError):  # a second one that asks meanwhile is let in
            second.wait(0.2)
        return {"value": [{"name": "eastus", "availabilityZoneMappings": [{"logicalZone": "1"}]}]}

    monkeypatch.setattr(session, "get_json", ask)
    threads = [threading.Thread(target=lambda: told.append(session.zones("eastus", Call()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [("1",)] * 8
    assert len(asked) == 1
