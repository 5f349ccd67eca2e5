"""What lies between two places: round trip, jitter, loss and resets. Pure.

Callers: sandbox.network. A place is `partition/region` of model.facts, the name of a cloud (its API, which one address
serves for all regions here), or `vantage`: where the caller stands, itself a `partition/region` or a city of the facts.
Round trips come from model.facts (measured) or from the distance (assumed); rows that a user sets outrank both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from model.facts import catalogue
from model.facts.catalogue import RegionFact
from model.facts.distance import estimated_rtt
from sandbox.partitions import CLOUD_OF
from sandbox.words import check_keys, did_you_mean

VANTAGE = "vantage"
DEFAULT_VANTAGE = "Shanghai"
PROFILES = ("calm", "harsh")
CALM_JITTER = 0.02
"""Standard deviation of the round trip over the round trip on a quiet day; Atlas series lie between 0.5 and 5 %."""
HARSH_RTT_MS, HARSH_JITTER_MS, HARSH_LOSS, HARSH_RESETS = 600.0, 60.0, 0.05, 0.01


class NetworkError(ValueError):
    """What was asked for is no network. The sentence names the field and the mend."""


@dataclass(frozen=True, slots=True)
class Link:
    """One way there and back. rtt_ms: without jitter. jitter_ms: standard deviation. loss: share of packets lost in
    each direction. resets: share of exchanges in which the connection is reset. cut: nothing passes."""

    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    resets: float = 0.0
    cut: bool = False
    assumed: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A user's own link; a and b are globs over places, in either order. None leaves what the profile says."""

    a: str
    b: str
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    resets: float | None = None
    cut: bool = False

    def fits(self, a: str, b: str) -> bool:
        return _both(self.a, self.b, a, b) or _both(self.a, self.b, b, a)


@dataclass(frozen=True, slots=True)
class Settings:
    """The network as it is set. profile "" with no links: off."""

    profile: str = ""
    vantage: str = DEFAULT_VANTAGE
    links: tuple[Row, ...] = field(default=())

    @property
    def on(self) -> bool:
        return bool(self.profile or self.links)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Settings:
        """From JSON data. NetworkError says what is wrong with it."""
        if not isinstance(data, Mapping):
            raise NetworkError(f"a network is an object with profile, vantage and links, not {data!r}")
        known = [f.name for f in fields(cls)]
        check_keys("a network", data, known, NetworkError)
        profile, vantage = data.get("profile") or "", data.get("vantage") or DEFAULT_VANTAGE
        if profile and profile not in PROFILES:
            raise NetworkError(f"no network profile {profile!r}{did_you_mean(profile, PROFILES)}")
        where(vantage)
        links = data.get("links") or []
        if not isinstance(links, list):
            raise NetworkError("links must be a list")
        return cls(profile, vantage, tuple(_row(row) for row in links))

    def with_link(self, data: Mapping[str, Any]) -> Settings:
        """One more link; it outranks those before it."""
        return replace(self, links=(*self.links, _row(data)))

    def describe(self) -> dict[str, Any]:
        rows = [{k: v for k, v in asdict(row).items() if v is not None and v is not False} for row in self.links]
        return {"on": self.on, "profile": self.profile or None, "vantage": self.vantage, "links": rows}

    def link(self, a: str, b: str) -> Link:
        """What lies between two places. A place without coordinates is next door."""
        found = _profile_link(self, a, b)
        for row in reversed(self.links):
            if row.fits(a, b):
                given = {k: v for k, v in asdict(row).items() if k not in ("a", "b") and v is not None}
                source = found.source if row.rtt_ms is None else "set by hand"
                assumed = found.assumed and row.rtt_ms is None
                return replace(found, **given, source=source, assumed=assumed)
        return found


def _profile_link(settings: Settings, a: str, b: str) -> Link:
    if not settings.profile or a == b:
        return Link()
    if settings.profile == "harsh":
        return Link(HARSH_RTT_MS, HARSH_JITTER_MS, HARSH_LOSS, HARSH_RESETS, source="profile harsh")
    rtt_ms, assumed, source = round_trip(_real(settings, a), _real(settings, b))
    return Link(rtt_ms, CALM_JITTER * rtt_ms, assumed=assumed, source=source)


def _real(settings: Settings, place: str) -> str:
    return settings.vantage if place == VANTAGE else place


def round_trip(a: str, b: str) -> tuple[float, bool, str]:
    """(ms, assumed, source): measured, else by distance; for a cloud's API the median over its regions, assumed."""
    if (measured := catalogue.measured_rtt(a, b)) is not None:
        return measured.rtt_ms, False, measured.source
    found = [estimated_rtt(x, y) for x in where(a) for y in where(b)]
    if not found:
        return 0.0, True, "no place"
    source = "distance" if len(found) == 1 else "distance, median over the cloud's regions"
    return median(f.rtt_ms for f in found), True, source


def where(place: str) -> tuple[RegionFact, ...]:
    """The regions that a place stands for; none for a name that has no coordinates ("").

    Raises NetworkError for one that is unknown.
    """
    if not place:
        return ()
    regions = catalogue.regions()
    if found := tuple(r for r in regions if r.id == place):
        return found
    if found := tuple(r for r in regions if CLOUD_OF.get(r.partition) == place):
        return found
    if found := tuple(r for r in regions if r.city == place):
        return found[:1]
    names = sorted({r.id for r in regions} | {r.city for r in regions})
    mend = did_you_mean(place, names) or "; name a partition/region or a city"
    raise NetworkError(f"no place {place!r}{mend}")


def places() -> tuple[str, ...]:
    """Every place that a link may name."""
    return (VANTAGE, *sorted(set(CLOUD_OF.values())), *sorted(r.id for r in catalogue.regions()))


def _both(first: str, second: str, a: str, b: str) -> bool:
    return fnmatchcase(a, first) and fnmatchcase(b, second)


def _row(data: Any) -> Row:
    if not isinstance(data, Mapping):
        raise NetworkError(f"a link is an object with a and b, not {data!r}")
    known = [f.name for f in fields(Row)]
    check_keys("a link", data, known, NetworkError)
    for side in ("a", "b"):
        glob = data.get(side)
        if not isinstance(glob, str) or not glob:
            raise NetworkError(f"a link needs {side}: a place, or a glob over places")
        if not any(fnmatchcase(place, glob) for place in places()):
            raise NetworkError(f"link: no place is {glob!r}{did_you_mean(glob, places())}")
    for name, low, high in (("rtt_ms", 0, 60_000), ("jitter_ms", 0, 60_000), ("loss", 0, 0.9), ("resets", 0, 1)):
        value = data.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise NetworkError(f"link {name} {value!r} must be a number from {low} to {high}")
    if not isinstance(data.get("cut", False), bool):
        raise NetworkError(f"link cut must be true or false, not {data['cut']!r}")
    return Row(**data)
