"""What the sandbox's price APIs answer: the shipped table's prices, all lower by one factor.

Callers: the clouds' price lists. The factor tells what was fetched from what was shipped, in tests and by eye.
"""

from __future__ import annotations

from model.facts import catalogue
from model.facts.catalogue import InstanceTypeFact

FACTOR = 0.97
DATE = "2026-01-01T00:00:00Z"
"""Since when each of these prices holds, as they say."""


def priced(partition: str, region: str) -> tuple[tuple[InstanceTypeFact, float], ...]:
    """What a region sells, by name, and its price per hour in the fact's currency."""
    return tuple((t, round(t.price_per_hour * FACTOR, 6)) for t in catalogue.instance_types(partition, region))
