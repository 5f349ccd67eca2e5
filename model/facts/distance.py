"""Round trips that nobody publishes, from the distance between two regions. Pure."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

from model.facts.catalogue import RegionFact, RttFact

EARTH_RADIUS_KM = 6371.0
FIBRE_KM_PER_MS = 200.0  # light in glass: two thirds of its speed in vacuum
STRETCH = 1.5  # cables are no great circles: the median of (rtt - base) over direct distance of tables/rtt.csv is 1.49
BASE_MS = 2.0  # within a city, one operator
BETWEEN_CLOUDS_MS = 2.0  # handed over at an exchange: measured 4 ms between two clouds of one city
BORDER_MS = 40.0  # mainland China to elsewhere: the detour by an international gateway
WITHIN_REGION_MS = 1.0
DATE = "2026-07-01"
FORMULA = (
    "2 ms + 1.5 x 2 x great-circle km / 200 km per ms; + 2 ms between partitions; + 40 ms across the mainland's border"
)


def great_circle_km(a: RegionFact, b: RegionFact) -> float:
    """Haversine distance on a sphere (Sinnott, Sky and Telescope 68, 1984)."""
    lat_a, lat_b = radians(a.latitude), radians(b.latitude)
    half_lat, half_lon = (lat_b - lat_a) / 2, radians(b.longitude - a.longitude) / 2
    h = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


def estimated_rtt(a: RegionFact, b: RegionFact) -> RttFact:
    """The assumed round trip, by FORMULA; 1 ms within one region."""
    if a.id == b.id:
        return RttFact(WITHIN_REGION_MS, True, "1 ms between zones of a region", "assumption", DATE)
    rtt_ms = BASE_MS + STRETCH * 2 * great_circle_km(a, b) / FIBRE_KM_PER_MS
    rtt_ms += BETWEEN_CLOUDS_MS if a.partition != b.partition else 0.0
    rtt_ms += BORDER_MS if (a.country == "CN") != (b.country == "CN") else 0.0
    return RttFact(round(rtt_ms, 1), True, FORMULA, "assumption", DATE)
