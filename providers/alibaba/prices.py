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
from providers.alibaba.offers import CURRENCY, number
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
        price = price_of(name, answer, CURRENCY[session.account.partition])
        if price is not None:
            yield price


def price_of(name: str, answer: Any, currency: str) -> ListPrice | None:
    """The machine's own share. currency: where the answer names none."""
    price = inside(answer, ("PriceInfo", "Price"))
    for row in inside(price, ("DetailInfos", "DetailInfo")) if price else ():
        if row.get("Resource") == "instanceType" and (amount := number(row.get("OriginalPrice"))) > 0:
            return ListPrice(name, amount, str(price.get("Currency") or currency), "", SOURCE)
    return None
