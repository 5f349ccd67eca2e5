"""What ECS tells of machine types beside their list prices: spot prices, zones that sell them, quotas with their use.

Callers: provider.py. Sources: ECS API reference, DescribeSpotPriceHistory (one type a request; rows of some zones, with
NextOffset), DescribeAvailableResource (every type of every zone in one answer) and DescribeAccountAttributes (limits
and use of pay-as-you-go and of preemptible vCPUs).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from model.errors import CapacityUnavailable, InvalidRequest, NotFound, Unreachable
from model.facts.live import Counts, Quota, SpotPrice
from providers.alibaba.session import Session, inside
from providers.base import Call

SPOT_SOURCE, QUOTA_SOURCE = "Alibaba Cloud ECS DescribeSpotPriceHistory", "Alibaba Cloud ECS DescribeAccountAttributes"
_MOST_PAGES = 100
_SOLD = frozenset({"WithStock", "ClosedWithStock"})
QUOTAS = (
    ("max-postpaid-instance-vcpu-count", "used-postpaid-instance-vcpu-count", "pay-as-you-go vCPUs", Counts.VCPU),
    ("max-spot-instance-vcpu-count", "used-spot-instance-vcpu-count", "preemptible vCPUs", Counts.SPOT_VCPU),
)


def spot_prices(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
    """Of each zone the newest row; of these the dearest. A type that the region does not sell so is left out."""
    for name in sorted(types):
        try:
            rows, currency = _history(session, region, name, call)
        except (NotFound, InvalidRequest, CapacityUnavailable):
            continue
        newest: dict[str, tuple[str, float]] = {}
        for row in rows:
            zone, at, price = str(row.get("ZoneId", "")), str(row.get("Timestamp", "")), _number(row.get("SpotPrice"))
            if price > 0 and row.get("InstanceType", name) == name and (zone not in newest or at > newest[zone][0]):
                newest[zone] = at, price
        if newest and currency:
            date = max(at for at, _ in newest.values())[:10]
            yield SpotPrice(name, max(price for _, price in newest.values()), currency, date, SPOT_SOURCE)


def _history(session: Session, region: str, name: str, call: Call) -> tuple[list[Mapping[str, Any]], str]:
    """Rows of the last hours in all zones, and their currency."""
    asked: dict[str, Any] = {
        "NetworkType": "vpc", "InstanceType": name, "OSType": "linux", "IoOptimized": "optimized",
    }  # fmt: skip
    rows: list[Mapping[str, Any]] = []
    currency, offset = "", 0
    for _ in range(_MOST_PAGES):
        answer = session.rpc("Ecs", "DescribeSpotPriceHistory", region, call, {**asked, "Offset": offset})
        page = inside(answer, ("SpotPrices", "SpotPriceType"))
        rows += page
        currency = str(answer.get("Currency") or currency)
        following = int(_number(answer.get("NextOffset")))
        if not page or following <= offset:
            return rows, currency
        offset = following
    raise Unreachable(f"DescribeSpotPriceHistory: more than {_MOST_PAGES} pages for {name} in {region}")


def zones_selling(session: Session, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
    """What is out of stock for good is not sold; what is merely short is."""
    asked = {
        "DestinationResource": "InstanceType", "IoOptimized": "optimized", "InstanceChargeType": "PostPaid",
        "ResourceType": "instance",
    }  # fmt: skip
    answer = session.rpc("Ecs", "DescribeAvailableResource", region, call, asked)
    found: dict[str, set[str]] = {}
    for zone in inside(answer, ("AvailableZones", "AvailableZone")):
        for resource in inside(zone, ("AvailableResources", "AvailableResource")):
            if resource.get("Type", "InstanceType") != "InstanceType":
                continue
            for row in inside(resource, ("SupportedResources", "SupportedResource")):
                if row.get("Value") in types and _sold(row) and zone.get("ZoneId"):
                    found.setdefault(str(row["Value"]), set()).add(str(zone["ZoneId"]))
    return {name: tuple(sorted(zones)) for name, zones in sorted(found.items())}


def _sold(row: Mapping[str, Any]) -> bool:
    """StatusCategory where it is told; Status alone in older answers."""
    category = row.get("StatusCategory")
    return category in _SOLD if category else row.get("Status") == "Available"


def quotas(session: Session, region: str, call: Call) -> tuple[Quota, ...]:
    names = [name for limit, used, _, _ in QUOTAS for name in (limit, used)]
    answer = session.rpc("Ecs", "DescribeAccountAttributes", region, call, {"AttributeName": names})
    told: dict[str, float] = {}
    for row in inside(answer, ("AccountAttributeItems", "AccountAttributeItem")):
        values = [v.get("Value") for v in inside(row, ("AttributeValues", "ValueItem"))]
        if values and _is_number(values[0]):
            told[str(row.get("AttributeName", ""))] = float(values[0])
    return tuple(
        Quota(limit, words, counts, told[limit], told.get(used), QUOTA_SOURCE)
        for limit, used, words, counts in QUOTAS
        if limit in told
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else 0.0
