"""What the clouds' own APIs told of prices, zones and quotas, as values that outrank the shipped tables. Pure.

Callers: providers (which fetch them), orchestrator.prices (which keeps them), model.facts.book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
class SpotPrice:
    """What preemptible capacity of a type costs now, Linux, per hour: in the dearest of the zones that told one.

    date: YYYY-MM-DD of the newest of these prices, where the API says so, else "".
    """

    instance_type: str
    price_per_hour: float
    currency: str
    date: str
    source: str


class Counts(StrEnum):
    """What a quota counts. FAMILY_VCPU: vCPUs of one family of types, beside a wider quota or in place of one."""

    VCPU = "vcpu"
    SPOT_VCPU = "spot-vcpu"
    FAMILY_VCPU = "family-vcpu"


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of something an account may have in a region. name: as the cloud calls it, for the console and support.

    words: the same for people. used: how much of it is there now, None where that is not told. VCPU: vCPUs of all usual
    on-demand types together; a region has at most one such quota.
    """

    name: str
    words: str
    counts: Counts
    limit: float
    used: float | None
    source: str

    @property
    def left(self) -> float | None:
        """What is still free, never below nothing; None where the usage is not told."""
        return None if self.used is None else max(0.0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class RegionPrices:
    """What one region's API told at a time. fetched_s: seconds since the epoch. place: partition/region.

    spot: () where the cloud told none; spot_s: when, None where it never did.
    """

    place: str
    fetched_s: float
    prices: tuple[ListPrice, ...]
    spot: tuple[SpotPrice, ...] = ()
    spot_s: float | None = None

    def age_s(self, now_s: float) -> float:
        return max(0.0, now_s - self.fetched_s)


@dataclass(frozen=True, slots=True)
class RegionOffers:
    """Which zones sell a type to an account. asked: types that the answer speaks of: those without zones are not sold.

    fetched_s: seconds since the epoch. zones: type -> zones as sites name them.
    """

    place: str
    fetched_s: float
    asked: frozenset[str]
    zones: Mapping[str, tuple[str, ...]]

    def of(self, instance_type: str) -> tuple[str, ...] | None:
        """None where nobody asked."""
        return self.zones.get(instance_type, ()) if instance_type in self.asked else None


@dataclass(frozen=True, slots=True)
class RegionQuotas:
    """An account's quotas in a region. ours_vcpu: of the vCPUs in use, those of the fleet's own machines, so that what
    runs already can stay. fetched_s: seconds since the epoch."""

    place: str
    fetched_s: float
    quotas: tuple[Quota, ...]
    ours_vcpu: float = 0.0

    @property
    def vcpu(self) -> float | None:
        """How many vCPUs the fleet may have in all: the limit, less what others use. None where it is not told."""
        found = next((q for q in self.quotas if q.counts is Counts.VCPU), None)
        if found is None:
            return None
        others = max(0.0, (found.used or 0.0) - self.ours_vcpu)
        return max(0.0, found.limit - others)


@dataclass(frozen=True, slots=True)
class LivePrices:
    """Of all regions that anything was fetched of."""

    regions: Mapping[str, RegionPrices] = field(default_factory=dict)
    offers: Mapping[str, RegionOffers] = field(default_factory=dict)
    quotas: Mapping[str, RegionQuotas] = field(default_factory=dict)

    @classmethod
    def of(
        cls, regions: Iterable[RegionPrices], offers: Iterable[RegionOffers] = (), quotas: Iterable[RegionQuotas] = ()
    ) -> LivePrices:
        return cls({r.place: r for r in regions}, {r.place: r for r in offers}, {r.place: r for r in quotas})

    def of_region(self, place: str) -> Mapping[str, ListPrice]:
        """Machine type -> its price there."""
        found = self.regions.get(place)
        return {} if found is None else {price.instance_type: price for price in found.prices}

    def spot_of(self, place: str) -> Mapping[str, SpotPrice]:
        """Machine type -> its spot price there."""
        found = self.regions.get(place)
        return {} if found is None else {price.instance_type: price for price in found.spot}
