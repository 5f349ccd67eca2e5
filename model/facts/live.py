"""List prices that a cloud's own price API told, as values: what the shipped table is outranked by. Pure.

Callers: providers (which fetch them), orchestrator.prices (which keeps them), model.facts.book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ListPrice:
    """On-demand list price of one machine type in a region, Linux, shared hardware, per hour in `currency`.

    date: YYYY-MM-DD since when it holds, where the API says so, else "". source: the API's name, for people.
    """

    instance_type: str
    price_per_hour: float
    currency: str
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class RegionPrices:
    """What one region's API told at a time. fetched_s: seconds since the epoch. place: partition/region."""

    place: str
    fetched_s: float
    prices: tuple[ListPrice, ...]

    def age_s(self, now_s: float) -> float:
        return max(0.0, now_s - self.fetched_s)


@dataclass(frozen=True, slots=True)
class LivePrices:
    """Of all regions that anything was fetched of."""

    regions: Mapping[str, RegionPrices] = field(default_factory=dict)

    @classmethod
    def of(cls, regions: Iterable[RegionPrices]) -> LivePrices:
        return cls({region.place: region for region in regions})

    def of_region(self, place: str) -> Mapping[str, ListPrice]:
        """Machine type -> its price there."""
        found = self.regions.get(place)
        return {} if found is None else {price.instance_type: price for price in found.prices}
