"""What ECS tells of machine types beside their list prices: spot prices, zones that sell them, quotas with their use.

Callers: provider.py. Sources: ECS API reference, DescribeSpotPriceHistory (one type a request; rows of some zones, with
NextOffset), DescribeAvailableResource (every type of every zone in one answer) and DescribeAccountAttributes (limits
and use of pay-as-you-go and of preemptible vCPUs).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from model.errors import CapacityUnavailable, CloudError, InvalidRequest, NotFound, Unreachable
from model.facts.live import Counts, Quota, SpotPrice
from providers.alibaba.session import Session, inside
from providers.base import Call

SPOT_SOURCE, QUOTA_SOURCE = "Alibaba Cloud ECS DescribeSpotPriceHistory", "Alibaba Cloud ECS DescribeAccountAttributes"
_MOST_PAGES = 100
_GONE = frozenset({"WithoutStock", "ClosedWithoutStock"})
CURRENCY = {"alibaba-cn": "CNY", "alibaba-intl": "USD"}
"""Where an answer names none, as the documented samples of DescribeSpotPriceHistory do not."""
QUOTAS = (
    ("max-postpaid-instance-vcpu-count", "used-postpaid-instance-vcpu-count", "pay-as-you-go vCPUs", Counts.VCPU),
    ("max-spot-instance-vcpu-count", "used-spot-instance-vcpu-count", "preemptible vCPUs", Counts.SPOT_VCPU),
)


def spot_prices(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
    """A type that the region does not sell so is left out. Where not one is answered, the last refusal is raised."""
    refused: CloudError | None = None
    answered = False
    for name in sorted(types):
        try:
            rows, currency = _history(session, region, name, call)
        except (NotFound, InvalidRequest, CapacityUnavailable) as exc:
            refused = exc
            continue
        answered = True
        price = dearest(name, rows, currency or CURRENCY[session.account.partition])
        if price is not None:
            yield price
    if refused is not None and not answered:
        raise refused


def dearest(name: str, rows: Iterable[Mapping[str, Any]], currency: str) -> SpotPrice | None:
    """Of each zone the newest row; of these the dearest. Rows of other types or without a price are passed over."""
    newest: dict[str, tuple[str, float]] = {}
    for row in rows:
        zone, at, price = str(row.get("ZoneId", "")), str(row.get("Timestamp", "")), number(row.get("SpotPrice"))
        if price > 0 and row.get("InstanceType", name) == name and (zone not in newest or at > newest[zone][0]):
            newest[zone] = at, price
    if not newest:
        return None
    date = max(at for at, _ in newest.values())[:10]
    return SpotPrice(name, max(price for _, price in newest.values()), currency, date, SPOT_SOURCE)


def _history(session: Session, region: str, name: str, call: Call) -> tuple[list[Mapping[str, Any]], str]:
    """Rows of the last day in all zones, and their currency, "" where the answer names none."""
    asked: dict[str, Any] = {
        "NetworkType": "vpc", "InstanceType": name, "OSType": "linux", "IoOptimized": "optimized",
        "StartTime": (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    rows: list[Mapping[str, Any]] = []
    currency, offset = "", 0
    for _ in range(_MOST_PAGES):
        answer = session.rpc("Ecs", "DescribeSpotPriceHistory", region, call, {**asked, "Offset": offset})
        page = inside(answer, ("SpotPrices", "SpotPriceType"))
        rows += page
        currency = str(answer.get("Currency") or currency)
        following = int(number(answer.get("NextOffset")))
        if not page or following <= offset:  # the last page of rows may name a next one, which is empty
            return rows, currency
        offset = following
    raise Unreachable(f"DescribeSpotPriceHistory: more than {_MOST_PAGES} pages for {name} in {region}")


def zones_selling(session: Session, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
    asked = {
        "DestinationResource": "InstanceType", "IoOptimized": "optimized", "InstanceChargeType": "PostPaid",
        "ResourceType": "instance",
    }  # fmt: skip
    return selling(session.rpc("Ecs", "DescribeAvailableResource", region, call, asked), types)


def selling(answer: Mapping[str, Any], types: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """What a zone will not have again is not sold there; what is merely short is."""
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
    """StatusCategory where it is told; Status alone in older answers. A category that is not known is not held against
    a type: creating it there would tell."""
    category = row.get("StatusCategory")
    return category not in _GONE if category else row.get("Status") == "Available"


def quotas(session: Session, region: str, call: Call) -> tuple[Quota, ...]:
    names = [name for limit, used, _, _ in QUOTAS for name in (limit, used)]
    return limits(session.rpc("Ecs", "DescribeAccountAttributes", region, call, {"AttributeName": names}))


def limits(answer: Mapping[str, Any]) -> tuple[Quota, ...]:
    """What of it is a number; an attribute that an account lacks is left out."""
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


def number(value: Any) -> float:
    """0 for what is none."""
    return float(value) if _is_number(value) else 0.0
