"""Pay-as-you-go prices of ECS: DescribePrice, one request a machine type. Callers: provider.py.

Source: ECS API reference, DescribePrice (ResourceType `instance`, PriceUnit `Hour`): DetailInfos tell the machine's own
share, without the disk that every instance has; OriginalPrice is the list price, without an account's discounts. In CNY
for mainland accounts, in USD for international ones. The answer names no date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from model.errors import CapacityUnavailable, InvalidRequest, NotFound
from model.facts.live import ListPrice
from providers.alibaba.session import Session, inside
from providers.base import Call

SOURCE = "Alibaba Cloud ECS DescribePrice"
_DISK = "cloud_essd"


def of(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
    """What the region does not sell is refused by name, and left out."""
    for name in sorted(types):
        asked = {
            "ResourceType": "instance", "InstanceType": name, "InstanceNetworkType": "vpc", "PriceUnit": "Hour",
            "Period": 1, "Amount": 1, "SystemDisk.Category": _DISK, "SystemDisk.Size": 20,
        }  # fmt: skip
        try:
            answer = session.rpc("Ecs", "DescribePrice", region, call, asked)
        except (NotFound, InvalidRequest, CapacityUnavailable):
            continue
        price = _price(name, answer)
        if price is not None:
            yield price


def _price(name: str, answer: Any) -> ListPrice | None:
    price = inside(answer, ("PriceInfo", "Price"))
    for row in inside(price, ("DetailInfos", "DetailInfo")):
        if row.get("Resource") == "instanceType" and float(row.get("OriginalPrice") or 0) > 0:
            return ListPrice(name, float(row["OriginalPrice"]), str(price["Currency"]), "", SOURCE)
    return None
