"""Facts, fetched prices and the user's assumptions as one book, each outranking the one before. Pure values.

Callers: orchestrator (building the scheduler's problem, costing a plan). Prices keep their own currency; converting
them is the caller's, with the fleet's exchange rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from model.facts import catalogue
from model.facts.catalogue import INTER_REGION, INTER_ZONE, INTERNET, EgressFact, InstanceTypeFact, RttFact
from model.facts.distance import estimated_rtt
from model.facts.live import ListPrice, LivePrices, SpotPrice
from model.spec.assumptions import Assumptions
from model.spec.fleet import Fleet

_ASSUMED = "the user's assumptions"


class Origin(StrEnum):
    """Where a price comes from: the table that duoyun ships, the cloud's price API, or the user's assumptions."""

    SHIPPED = "shipped"
    LIVE = "live"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Book:
    """What is known or assumed about prices, sizes, round trips and egress. Places are `partition/region`."""

    assumptions: Assumptions
    live: LivePrices = field(default_factory=LivePrices)

    def instance_types(self, partition: str, region: str) -> tuple[InstanceTypeFact, ...]:
        """What a region sells, sorted by name; types that only an assumption prices are included where their size
        is known from another region.

        A spot price in another currency than the list price is left out: the two could not be compared.
        """
        found = {t.name: t for t in catalogue.instance_types(partition, region)}
        for price in self.live.of_region(f"{partition}/{region}").values():
            size = found.get(price.instance_type) or _from_elsewhere(price.instance_type)
            if size is not None:
                found[price.instance_type] = _fetched(size, price)
        date = self.assumptions.spec.date
        for row in self.assumptions.spec.prices:
            if f"{partition}/{region}" not in row.regions:
                continue
            size = found.get(row.instance_type) or _from_elsewhere(row.instance_type)
            if size is not None:
                found[row.instance_type] = replace(
                    size if size.currency == row.currency else _without_spot(size),
                    price_per_hour=row.price_per_hour,
                    spot_price_per_hour=row.spot_price_per_hour,
                    spot_assumed=row.spot_price_per_hour is not None,
                    currency=row.currency,
                    assumed=True,
                    formula=row.formula,
                    price_source=_ASSUMED,
                    price_date=date,
                )
        return tuple(self._told(fact, f"{partition}/{region}") for _, fact in sorted(found.items()))

    def _told(self, fact: InstanceTypeFact, place: str) -> InstanceTypeFact:
        """With the spot price and the zones that the cloud told, where it was asked."""
        spot, offers = self.live.spot_of(place).get(fact.name), self.live.offers.get(place)
        zones = None if offers is None else offers.of(fact.name)
        if spot is not None and spot.currency == fact.currency:
            fact = _with_spot(fact, spot)
        return fact if zones is None else replace(fact, zones=zones)

    def quota_vcpu(self, place: str) -> float | None:
        """How many vCPUs the fleet may have in a region, as the cloud told when it was asked; None where it was not."""
        quotas = self.live.quotas.get(place)
        return None if quotas is None else quotas.vcpu

    def price_of(self, partition: str, region: str) -> Mapping[str, Origin]:
        """Machine type -> where its price comes from."""
        assumed = {r.instance_type for r in self.assumptions.spec.prices if f"{partition}/{region}" in r.regions}
        live = self.live.of_region(f"{partition}/{region}")
        return {
            fact.name: Origin.ASSUMED if fact.name in assumed else Origin.LIVE if fact.name in live else Origin.SHIPPED
            for fact in self.instance_types(partition, region)
        }

    def rtt(self, a: str, b: str) -> RttFact | None:
        """Round trip between two regions: assumed by the user, else measured, else from the distance where the
        assumptions ask for that.

        a == b speaks of two zones of one region. None where it is not known.
        """
        for row in self.assumptions.spec.rtt_ms:
            if set(row.between) == {a, b}:
                return RttFact(row.rtt_ms, True, row.formula, _ASSUMED, self.assumptions.spec.date)
        if (measured := catalogue.measured_rtt(a, b)) is not None:
            return measured
        places = {r.id: r for r in catalogue.regions()}
        if a not in places or b not in places or not (a == b or self.assumptions.spec.rtt_by_distance):
            return None
        return estimated_rtt(places[a], places[b])

    def linked(self, fleet: Fleet) -> Fleet:
        """The fleet with each of its links written out, and the round trip that is known where none is written."""
        rows = [
            link if link.rtt_ms is not None or (rtt := self.rtt(*link.between)) is None
            else link.model_copy(update={"rtt_ms": rtt.rtt_ms})
            for link in fleet.linked()
        ]  # fmt: skip
        return fleet.model_copy(update={"spec": fleet.spec.model_copy(update={"mesh": False, "links": tuple(rows)})})

    def egress(self, src: str, dst: str) -> EgressFact | None:
        """Price per GB from region src to region dst, or to `internet`. None where nothing is known.

        Between zones of one region `inter-zone`, within a partition `inter-region`, else the internet's price: what
        leaves a cloud for another one leaves by the internet unless a row names that pair.
        """
        if src == dst:
            way = INTER_ZONE
        elif dst == INTERNET or src.partition("/")[0] != dst.partition("/")[0]:
            way = INTERNET
        else:
            way = INTER_REGION
        rows = self._assumed_egress()
        ways = [dst, dst.partition("/")[0], way] if src != dst else [way]
        for source in (src, src.partition("/")[0]):
            for to in ways:
                if (source, to) in rows:
                    return rows[source, to]
        for to in ways:
            if (fact := catalogue.egress(src, to)) is not None:
                return fact
        return None

    def _assumed_egress(self) -> Mapping[tuple[str, str], EgressFact]:
        return {
            (r.source, r.to): EgressFact(
                r.source, r.to, r.price_per_gb, r.currency, True, r.formula, _ASSUMED, self.assumptions.spec.date
            )
            for r in self.assumptions.spec.egress
        }


def _from_elsewhere(instance_type: str) -> InstanceTypeFact | None:
    """The type's size, without what another region pays for it as spot, and where that one sells it."""
    fact = catalogue.instance_type_sizes(instance_type)
    return None if fact is None else replace(_without_spot(fact), zones=None)


def _without_spot(fact: InstanceTypeFact) -> InstanceTypeFact:
    return replace(
        fact, spot_price_per_hour=None, spot_assumed=False, spot_formula="", spot_source="", spot_date=""
    )  # fmt: skip


def _with_spot(fact: InstanceTypeFact, spot: SpotPrice) -> InstanceTypeFact:
    return replace(
        fact,
        spot_price_per_hour=spot.price_per_hour,
        spot_assumed=False,
        spot_formula="",
        spot_source=spot.source,
        spot_date=spot.date,
    )


def _fetched(size: InstanceTypeFact, price: ListPrice) -> InstanceTypeFact:
    return replace(
        size if size.currency == price.currency else _without_spot(size),
        price_per_hour=price.price_per_hour,
        currency=price.currency,
        assumed=False,
        formula="",
        price_source=price.source,
        price_date=price.date,
    )
