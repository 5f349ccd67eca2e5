"""`kind: Assumptions`: what nobody publishes, and what we take it to be: prices, round trips, egress.

A row here outranks the shipped facts (model.facts), and every cost shown says what share of it rests on such rows.
Callers: model.spec.load, model.facts.book. Non-goals: guessing; each row carries the formula it was made with.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from model.spec.app import API_VERSION, Metadata, Strict

PlaceId = Annotated[str, Field(pattern=r"^[a-z0-9-]+(/[A-Za-z0-9-]+)?$", description="partition, or partition/region")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class AssumedRow(Strict):
    """assumed is always true here: the word stands in each row so that no copy of it loses it."""

    assumed: Literal[True] = True
    formula: Annotated[str, Field(min_length=1)]


class PriceRow(AssumedRow):
    """On-demand price of one instance, per hour, in each of the regions (partition/region); of a spot machine, too,
    where it may be had there as one."""

    regions: Annotated[tuple[PlaceId, ...], Field(min_length=1)]
    instance_type: str
    price_per_hour: Annotated[float, Field(gt=0)]
    spot_price_per_hour: Annotated[float, Field(gt=0)] | None = None
    currency: Currency


class RttRow(AssumedRow):
    """Median round trip between two regions (partition/region), either way."""

    between: tuple[PlaceId, PlaceId]
    rtt_ms: Annotated[float, Field(gt=0)]


class EgressRow(AssumedRow):
    """Price of one GB (10^9 bytes) that leaves `from`.

    to: `internet`; `inter-region` (same partition, another region); `inter-zone`; or a partition or region.
    """

    source: Annotated[PlaceId, Field(alias="from")]
    to: PlaceId
    price_per_gb: Annotated[float, Field(ge=0)]
    currency: Currency


class AssumptionsSpec(Strict):
    """rtt_by_distance: where a link's round trip is neither given nor measured, take it from the distance."""

    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = "1970-01-01"
    prices: tuple[PriceRow, ...] = ()
    rtt_ms: tuple[RttRow, ...] = ()
    rtt_by_distance: bool = False
    egress: tuple[EgressRow, ...] = ()


class Assumptions(Strict):
    """The document. `Assumptions.none()` assumes nothing."""

    api_version: Annotated[Literal["duoyun.dev/v1"], Field(alias="apiVersion")]
    kind: Literal["Assumptions"]
    metadata: Metadata
    spec: AssumptionsSpec = AssumptionsSpec()

    @classmethod
    def none(cls) -> Assumptions:
        return cls.model_validate({"apiVersion": API_VERSION, "kind": "Assumptions", "metadata": {"name": "none"}})

    def to_plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)
