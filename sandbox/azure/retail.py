"""Azure's retail prices: for Azure global a filtered list in pages, for 21Vianet a CSV behind a URL. Nobody signs in.

Callers: server.py. Among the rows are Windows, Spot and Low Priority ones, so that whoever forgets to leave them out
gets wrong prices here, too.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from sandbox.prices import DATE, SPOT_SHARE, priced

LIST, SHEET, FILE = "/api/retail/prices", "/api/retail/pricesheet/download", "/retailpricesasync/AzureRetailPrices.csv"
PATHS = frozenset({LIST, SHEET, FILE})
_MOST = 100
_TERM = re.compile(r"(\w+) eq '([^']*)'")
_CONTAINS = re.compile(r"contains\((\w+), '([^']*)'\)")
_VARIANTS = ((" Windows", "", 1.8), ("", "", 1.0), ("", " Spot", SPOT_SHARE), ("", " Low Priority", 0.25),
             (" Windows", " Spot", 0.5))  # fmt: skip


class BadFilter(ValueError):
    """The filter is none that is understood here."""


def rows(partition: str, region: str) -> Iterator[dict[str, Any]]:
    """Each machine type of a region, as a meter for each way of buying it."""
    for fact, price in priced(partition, region):
        words = fact.name.removeprefix("Standard_").replace("_", " ")
        for product, sku, factor in _VARIANTS:
            yield {
                "currencyCode": fact.currency, "tierMinimumUnits": 0.0, "retailPrice": round(price * factor, 6),
                "unitPrice": round(price * factor, 6), "armRegionName": region, "location": region,
                "effectiveStartDate": DATE, "meterName": words + sku, "skuName": words + sku,
                "productName": f"Virtual Machines {words[0]} Series{product}", "serviceName": "Virtual Machines",
                "serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": "Consumption",
                "isPrimaryMeterRegion": True, "armSkuName": fact.name,
            }  # fmt: skip


def page(base: str, query: Mapping[str, str], size: int) -> dict[str, Any]:
    """One page of Azure global's list. Raises BadFilter."""
    wanted, within = _terms(query.get("$filter", ""))
    kind = wanted.pop("priceType", "Consumption")
    found = [
        row
        for row in rows("azure", wanted.get("armRegionName", ""))
        if row["type"] == kind
        and all(str(row.get(name)) == value for name, value in wanted.items())
        and all(value in str(row.get(name)) for name, value in within.items())
    ]
    skip, size = int(query.get("$skip", "0")), min(size or _MOST, _MOST)
    following = {k: v for k, v in query.items() if k != "$skip"} | {"$skip": str(skip + size)}
    items = found[skip : skip + size]
    return {
        "BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "Items": items,
        "NextPageLink": f"{base}{LIST}?{urlencode(following)}" if skip + size < len(found) else None,
        "Count": len(items),
    }  # fmt: skip


def _terms(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """What fields equal, and what they contain."""
    equal: dict[str, str] = {}
    within: dict[str, str] = {}
    for part in text.split(" and ") if text else []:
        if term := _TERM.fullmatch(part.strip()):
            equal[term[1]] = term[2]
        elif term := _CONTAINS.fullmatch(part.strip()):
            within[term[1]] = term[2]
        else:
            raise BadFilter(f"Invalid OData parameters supplied: {text}")
    return equal, within


def told(base: str) -> dict[str, str]:
    """Where 21Vianet's sheet lies."""
    return {"DownloadUrl": f"{base}{FILE}?sv=sandbox", "LastRefreshedAt": DATE, "ExpiryTime": "2027-01-01T00:00:00Z"}


def sheet(regions: Iterator[str] | tuple[str, ...]) -> str:
    """21Vianet's whole price sheet."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for region in regions:
        for row in rows("azure-cn", region):
            if writer is None:
                writer = csv.DictWriter(out, list(row), lineterminator="\r\n")
                writer.writeheader()
            writer.writerow(row)
    return out.getvalue()
