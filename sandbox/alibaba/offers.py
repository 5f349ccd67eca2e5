"""Which zones sell a type, what preemptible instances cost, and how many vCPUs an account may have.

Callers: actions.py. sandbox.prices says which zones sell a type of the shipped catalogue; any other is sold everywhere.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba.catalogue import LISTED, instance_type, zones
from sandbox.alibaba.state import Ctx
from sandbox.alibaba.wire import ApiError
from sandbox.prices import DATE, SPOT_VCPU_LIMIT, VCPU_LIMIT, priced, selling, spot_price

_ROWS = 4  # of the price history in one answer, so that whoever does not go on gets wrong prices


def describe_available_resource(ctx: Ctx) -> dict[str, Any]:
    """What a zone does not sell stands there as SoldOut for good, as in life."""
    if ctx.params.require("DestinationResource") != "InstanceType":
        raise ApiError(400, "InvalidDestinationResource", "The sandbox knows DestinationResource InstanceType only.")
    ours = {fact.name: fact for fact, _ in priced(ctx.caller.account.partition, ctx.region)}
    wanted = ctx.params.get("InstanceType")
    types = [wanted] if wanted else sorted({*LISTED, *ours})
    for type_id in types:
        instance_type(type_id)
    every = zones(ctx.region)

    def row(name: str, zone: str) -> dict[str, str]:
        if name in ours and zone not in selling(ours[name], every):
            return {"Value": name, "Status": "SoldOut", "StatusCategory": "ClosedWithoutStock"}
        return {"Value": name, "Status": "Available", "StatusCategory": "WithStock"}

    found = [
        {
            "RegionId": ctx.region,
            "ZoneId": zone,
            "Status": "Available",
            "StatusCategory": "WithStock",
            "AvailableResources": {
                "AvailableResource": [
                    {
                        "Type": "InstanceType",
                        "SupportedResources": {"SupportedResource": [row(name, zone) for name in types]},
                    }
                ]
            },
        }
        for zone in every
        if ctx.params.get("ZoneId", zone) == zone
    ]
    return {"AvailableZones": {"AvailableZone": found}}


def describe_spot_price_history(ctx: Ctx) -> dict[str, Any]:
    """Newest first; of each zone an older price that was higher."""
    kind = instance_type(ctx.params.require("InstanceType"))
    ctx.params.require("NetworkType")
    sold = {fact.name: (fact, price) for fact, price in priced(ctx.caller.account.partition, ctx.region)}
    if kind.id not in sold:
        message = "The specified InstanceType is not authorized or sold out in this region."
        raise ApiError(403, "InvalidInstanceType.ValueUnauthorized", message)
    fact, price = sold[kind.id]
    rows = [
        {
            "ZoneId": zone, "InstanceType": kind.id, "NetworkType": "vpc", "IoOptimized": "optimized", "Timestamp": at,
            "SpotPrice": round(spot_price(price, number) * factor, 6), "OriginPrice": price,
        }
        for at, factor in ((DATE, 1.0), ("2025-12-31T00:00:00Z", 1.5))
        for number, zone in enumerate(selling(fact, zones(ctx.region)))
    ]  # fmt: skip
    start = ctx.params.integer("Offset", 0)
    following = start + _ROWS if start + _ROWS < len(rows) else 0
    part = rows[start : start + _ROWS]
    return {"SpotPrices": {"SpotPriceType": part}, "NextOffset": following, "Currency": fact.currency}


def describe_account_attributes(ctx: Ctx) -> dict[str, Any]:
    asked = ctx.params.repeated("AttributeName")
    used = sum(
        instance_type(m.type).vcpus
        for m in ctx.estate.machines.values()
        if m.region == ctx.region and m.status not in ("Deleting", "Stopped")
    )
    told = {
        "instance-network-type": "vpc",
        "max-postpaid-instance-vcpu-count": str(VCPU_LIMIT),
        "used-postpaid-instance-vcpu-count": str(used),
        "max-spot-instance-vcpu-count": str(SPOT_VCPU_LIMIT),
        "used-spot-instance-vcpu-count": "0",
    }
    if len(asked) > 8 or set(asked) - set(told):
        raise ApiError(400, "InvalidParameter.AttributeName", "The specified AttributeName is not valid.")
    rows = [
        {"AttributeName": name, "AttributeValues": {"ValueItem": [{"Value": value, "ExpiredTime": ""}]}}
        for name, value in told.items()
        if not asked or name in asked
    ]
    return {"AccountAttributeItems": {"AccountAttributeItem": rows}}
