"""Shipped facts about the clouds: regions, instance types with prices, round trips, egress prices.

Callers: model.spec.check_fleet, model.facts.book (which lets the user's assumptions outrank these), orchestrator,
sandbox. The tables lie beside this file (tables/*.csv, one source and date per row; README.md says how they were
made). Read once, on first use. Non-goals: discounts, stock; the providers' live catalogues.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

INTERNET = "internet"
INTER_REGION = "inter-region"
INTER_ZONE = "inter-zone"


@dataclass(frozen=True, slots=True)
class RegionFact:
    """A region. latitude and longitude in degrees, of its city. zones: as sites name them (partition/zone)."""

    partition: str
    region: str
    country: str
    city: str
    latitude: float
    longitude: float
    zones: tuple[str, ...]
    source: str
    date: str

    @property
    def id(self) -> str:
        return f"{self.partition}/{self.region}"


@dataclass(frozen=True, slots=True)
class InstanceTypeFact:
    """A machine type as one region sells it. allocatable_*: what pods may use of it after the kubelet's share.

    memory_mib and vcpu are nominal. arch: amd64 or arm64. price_per_hour: on-demand list price in `currency`;
    assumed: no public table gives it for this region, and formula says how it was derived. spot_price_per_hour: of
    preemptible capacity, in the same currency; None where nobody told it (then none is sold as spot, for all we know);
    spot_assumed, spot_formula, spot_source and spot_date say of it what their namesakes say of the list price.
    local_disk_gib: disks in the machine that are lost with it, formatted or not; 0: none. zones: of the region, those
    that sell the type, as sites name them; None where nobody told, and then any may.
    """

    name: str
    vcpu: int
    memory_mib: int
    gpu: int
    arch: str
    burstable: bool
    allocatable_cpu_millicores: int
    allocatable_memory_mib: int
    max_pods: int
    price_per_hour: float
    currency: str
    assumed: bool
    formula: str
    source: str
    price_source: str
    price_date: str
    spot_price_per_hour: float | None = None
    spot_assumed: bool = False
    spot_formula: str = ""
    spot_source: str = ""
    spot_date: str = ""
    local_disk_gib: int = 0
    zones: tuple[str, ...] | None = None

    def sold_in(self, zone: str) -> bool:
        """Whether the zone sells the type, for all we know."""
        return self.zones is None or zone in self.zones


@dataclass(frozen=True, slots=True)
class EgressFact:
    """Price of one GB (10^9 bytes) that leaves `src` towards `to` (internet, inter-region, inter-zone, a place)."""

    src: str
    to: str
    price_per_gb: float
    currency: str
    assumed: bool
    formula: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class RttFact:
    """Median round trip between two regions, in milliseconds. formula: how, where assumed."""

    rtt_ms: float
    assumed: bool
    formula: str
    source: str
    date: str


def _rows(table: str) -> Iterator[dict[str, str]]:
    text = files("model.facts").joinpath("tables", f"{table}.csv").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


@cache
def _sources() -> dict[str, str]:
    return {r["id"]: f"{r['text']} ({r['licence']})" for r in _rows("sources")}


@cache
def _regions() -> dict[tuple[str, str], RegionFact]:
    found = {}
    for r in _rows("regions"):
        found[r["partition"], r["region"]] = RegionFact(
            r["partition"], r["region"], r["country"], r["city"], float(r["latitude"]), float(r["longitude"]),
            tuple(r["zones"].split()), _sources()[r["source"]], r["date"],
        )  # fmt: skip
    return found


@cache
def _instance_types() -> dict[tuple[str, str], tuple[InstanceTypeFact, ...]]:
    sizes = {r["instance_type"]: r for r in _rows("instance_types")}
    found: dict[tuple[str, str], list[InstanceTypeFact]] = {}
    spot = {(r["partition"], r["region"], r["instance_type"]): r for r in _rows("spot")}
    for p in _rows("prices"):
        place = p["partition"], p["region"]
        found.setdefault(place, []).append(
            _fact(sizes[p["instance_type"]], p, spot.get((*place, p["instance_type"])))
        )  # fmt: skip
    return {k: tuple(sorted(v, key=lambda f: f.name)) for k, v in found.items()}


def _fact(size: dict[str, str], price: dict[str, str], spot: dict[str, str] | None) -> InstanceTypeFact:
    everywhere = price["zones"] == "all"
    return InstanceTypeFact(
        name=size["instance_type"],
        vcpu=int(size["vcpu"]),
        memory_mib=int(size["memory_mib"]),
        gpu=int(size["gpu"]),
        arch=size["arch"],
        burstable=size["burstable"] == "1",
        allocatable_cpu_millicores=int(size["allocatable_cpu_millicores"]),
        allocatable_memory_mib=int(size["allocatable_memory_mib"]),
        max_pods=int(size["max_pods"]),
        price_per_hour=float(price["price_per_hour"]),
        currency=price["currency"],
        assumed=price["assumed"] == "1",
        formula=price["formula"],
        source=_sources()[size["source"]],
        price_source=_sources()[price["source"]],
        price_date=price["date"],
        spot_price_per_hour=float(spot["price_per_hour"]) if spot else None,
        spot_assumed=bool(spot and spot["assumed"] == "1"),
        spot_formula=spot["formula"] if spot else "",
        spot_source=_sources()[spot["source"]] if spot else "",
        spot_date=spot["date"] if spot else "",
        local_disk_gib=int(size["local_disk_gib"]),
        zones=_regions()[price["partition"], price["region"]].zones if everywhere else None,
    )


@cache
def _egress() -> dict[tuple[str, str], EgressFact]:
    found = {}
    for r in _rows("egress"):
        src = f"{r['source_partition']}/{r['source_region']}".rstrip("/")
        found[src, r["to"]] = EgressFact(
            src, r["to"], float(r["price_per_gb"]), r["currency"], r["assumed"] == "1", r["formula"],
            _sources()[r["source"]], r["date"],
        )  # fmt: skip
    return found


@cache
def _round_trips() -> dict[frozenset[str], RttFact]:
    return {
        frozenset((r["a"], r["b"])): RttFact(float(r["rtt_ms"]), False, "", _sources()[r["source"]], r["date"])
        for r in _rows("rtt")
    }


# -- what callers ask ------------------------------------------------------------------------------------------


def regions(partition: str | None = None) -> tuple[RegionFact, ...]:
    """All regions that we know something about, of one partition or of all."""
    return tuple(r for r in _regions().values() if partition in (None, r.partition))


def region(partition: str, name: str) -> RegionFact:
    """One region. KeyError where we know nothing about it."""
    return _regions()[partition, name]


def instance_types(partition: str, region_name: str) -> tuple[InstanceTypeFact, ...]:
    """What the region sells, sorted by name; () where we know nothing about it."""
    return _instance_types().get((partition, region_name), ())


def instance_type_sizes(name: str) -> InstanceTypeFact | None:
    """The type by name, with the price of whichever region comes first: for its sizes only. None where unknown."""
    return next((t for types in _instance_types().values() for t in types if t.name == name), None)


def egress(src: str, to: str) -> EgressFact | None:
    """The row for src (partition/region, else its partition) and exactly that `to`; None where there is none."""
    table = _egress()
    return table.get((src, to)) or table.get((src.partition("/")[0], to))


def measured_rtt(a: str, b: str) -> RttFact | None:
    """The published round trip between two regions (partition/region); None where nobody publishes one."""
    return _round_trips().get(frozenset((a, b)))
