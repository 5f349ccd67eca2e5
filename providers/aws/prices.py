"""On-demand prices from the AWS Price List Query API. Callers: provider.py.

GetProducts answers for all regions of a partition from one of them (session._ONLY_IN): in dollars, in China in CNY.
Source: AWS Billing User Guide, "Using the AWS Price List Query API"; its filters name the attributes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from model.errors import CallSite, Unreachable
from model.facts.live import ListPrice
from providers.aws.session import Session
from providers.base import Call

SOURCE = "AWS Price List API"
_FILTERS = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
_PAGE = 100  # GetProducts, MaxResults
_MOST_PAGES = 100  # a region has some 1,200 such products


def of(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
    """One price a type: of several products of a type, the first that has an hourly price."""
    left = set(types)
    for product in _products(session, region, call):
        name = str(product.get("product", {}).get("attributes", {}).get("instanceType", ""))
        price = price_of(name, product) if name in left else None
        if price is not None:
            left.discard(name)
            yield price


def _products(session: Session, region: str, call: Call) -> Iterator[Mapping[str, Any]]:
    session.place("ec2", region)  # an unknown region is refused, not empty
    terms = {**_FILTERS, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in terms.items()]
    token: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        page = session.run(
            "pricing", region, "GetProducts",
            lambda client, token=token: client.get_products(  # type: ignore[misc]
                ServiceCode="AmazonEC2", FormatVersion="aws_v1", MaxResults=_PAGE, Filters=filters, **token
            ),
            call,
        )  # fmt: skip
        for text in page.get("PriceList") or ():
            yield json.loads(text)
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}
    raise Unreachable(
        f"GetProducts: more than {_MOST_PAGES} pages for {region}",
        call=CallSite(cloud="aws", account=session.account.name, region=region, operation="GetProducts"),
    )


def price_of(name: str, product: Mapping[str, Any]) -> ListPrice | None:
    for term in (product.get("terms", {}).get("OnDemand") or {}).values():
        for dimension in (term.get("priceDimensions") or {}).values():
            for currency, text in (dimension.get("pricePerUnit") or {}).items():
                price = _number(text)
                if dimension.get("unit") == "Hrs" and price > 0:
                    return ListPrice(name, price, currency, str(term.get("effectiveDate") or "")[:10], SOURCE)
    return None


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0
