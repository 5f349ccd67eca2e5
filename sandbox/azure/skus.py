"""Rows of Compute's list of SKUs. Caller: subscription.py. Among them are disks, and sizes that a subscription may not
use in one zone or anywhere, so that whoever does not look gets wrong offers here, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.azure.catalog import REGIONS
from sandbox.prices import priced, selling


def sku_rows(partition: str, region: str) -> Iterator[dict[str, Any]]:
    """As learn.microsoft.com/rest/api/compute/resource-skus/list shows them."""
    zones = REGIONS.get(partition, {}).get(region, ())
    for fact, _ in priced(partition, region):
        missing = sorted(set(zones) - set(selling(fact, zones)))
        barred = {"type": "Zone", "values": [region], "reasonCode": "NotAvailableForSubscription",
                  "restrictionInfo": {"locations": [region], "zones": missing}}  # fmt: skip
        yield _row("virtualMachines", fact.name, region, zones, [barred] if missing else [])
    yield _row("disks", "Standard_LRS", region, zones, [])
    nowhere = {"type": "Location", "values": [region], "reasonCode": "NotAvailableForSubscription",
               "restrictionInfo": {"locations": [region]}}  # fmt: skip
    yield _row("virtualMachines", "Standard_M128s", region, zones, [nowhere])


def _row(kind: str, name: str, region: str, zones: tuple[str, ...], restrictions: list[Any]) -> dict[str, Any]:
    return {
        "resourceType": kind, "name": name, "tier": "Standard", "size": name.partition("_")[2], "locations": [region],
        "locationInfo": [{"location": region, "zones": list(zones), "zoneDetails": []}], "capabilities": [],
        "restrictions": restrictions,
    }  # fmt: skip
