"""What the sandbox's price APIs answer: the shipped table's prices, all lower by one factor.

Callers: the clouds' price lists, spot histories and lists of offers. The factor tells what was fetched from what was
shipped, in tests and by eye.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.facts import catalogue
from model.facts.catalogue import InstanceTypeFact

FACTOR = 0.97
SPOT_SHARE = 0.3
"""Of that price, what preemptible capacity costs in a region's dearest zone; in each further one 2 % less."""
VCPU_LIMIT, SPOT_VCPU_LIMIT = 2000, 500
"""Quota of an account in each region: wide, so that it is met on purpose only."""
DATE = "2026-01-01T00:00:00Z"
"""Since when each of these prices holds, as they say."""


def priced(partition: str, region: str) -> tuple[tuple[InstanceTypeFact, float], ...]:
    """What a region sells, by name, and its price per hour in the fact's currency."""
    return tuple((t, round(t.price_per_hour * FACTOR, 6)) for t in catalogue.instance_types(partition, region))


def spot_price(price: float, zone: int = 0) -> float:
    """What the region's zone number `zone` takes for preemptible capacity."""
    return round(price * SPOT_SHARE * (1 - 0.02 * zone), 6)


def selling(fact: InstanceTypeFact, zones: Sequence[str]) -> tuple[str, ...]:
    """Of a region's zones those that sell the type: machines with a local disk are not to be had in the last one."""
    return tuple(zones[:-1] if fact.local_disk_gib and len(zones) > 1 else zones)
