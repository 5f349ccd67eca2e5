"""What Compute tells of machine types beside their prices: zones that sell them, and quotas with their use.

Callers: provider.py. Sources: learn.microsoft.com/rest/api/compute/resource-skus/list (locationInfo names the zones;
restrictions of type Location or Zone take them away from this subscription) and .../rest/api/compute/usage/list.
Spot prices are prices.py's: they stand in the same list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from model.facts.live import Counts, Quota
from providers.azure.session import Session
from providers.base import Call

QUOTA_SOURCE = "Azure Compute usages"
_COUNTS = {"cores": Counts.VCPU, "lowprioritycores": Counts.SPOT_VCPU}
"""Names of the regional quotas, in lower case. Every other one that ends in `Family` is a family's."""


def zones_selling(session: Session, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
    """In a region without zones, its one site. A size that the subscription may not use there is left out."""
    known = session.zones(region, call)
    by_lower = {name.lower(): name for name in types}
    found: dict[str, set[str]] = {}
    skus = session.pages(
        "compute.skus.list", session.compute.resource_skus.list, call=call, filter=f"location eq '{region}'"
    )
    for sku in skus:
        name = by_lower.get(str(getattr(sku, "name", "") or "").lower())
        if name is None or str(sku.resource_type or "").lower() != "virtualmachines":
            continue
        for zone in zones_of(sku, region, known):
            found.setdefault(name, set()).add(f"{region}-{zone}")
    return {name: tuple(sorted(zones)) for name, zones in sorted(found.items())}


def zones_of(sku: Any, region: str, known: tuple[str, ...]) -> Collection[str]:
    """Numbers of the zones that sell the SKU to this subscription; `1` stands for a region without zones."""
    places = [info for info in sku.location_info or () if str(info.location or "").lower() == region.lower()]
    if not places:
        return ()
    zones = {str(zone) for info in places for zone in info.zones or ()} if known else {"1"}
    for restriction in sku.restrictions or ():
        info, kind = restriction.restriction_info, str(getattr(restriction.type, "value", restriction.type) or "")
        if kind.lower() == "location":
            return ()  # the filter lets this region's rows through alone
        if kind.lower() == "zone" and info is not None:
            zones -= {str(zone) for zone in info.zones or ()}
    return zones


def quotas(session: Session, region: str, call: Call) -> tuple[Quota, ...]:
    found = []
    for row in session.pages("compute.usages.list", session.compute.usage.list, region, call=call):
        name = str(getattr(row.name, "value", "") or "")
        counts = _COUNTS.get(name.lower(), Counts.FAMILY_VCPU if name.lower().endswith("family") else None)
        if counts is None or row.limit is None or (counts is Counts.FAMILY_VCPU and not row.current_value):
            continue  # a subscription has hundreds of families that nothing runs of
        words = str(getattr(row.name, "localized_value", "") or name)
        used = None if row.current_value is None else float(row.current_value)
        found.append(Quota(name, words, counts, float(row.limit), used, QUOTA_SOURCE))
    return tuple(found)
