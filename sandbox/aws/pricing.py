"""The Price List Query API: GetProducts for EC2 instances. moto has none that works.

Callers: sandbox.aws.server, by the table of Pricing. Answers like AWS's: each product a JSON text of its own, in pages;
among them Windows machines and dedicated ones, so that whoever forgets a filter gets wrong prices here, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws.cloud import Cloud, Handler
from sandbox.aws.wire import AwsError, Incoming
from sandbox.prices import DATE, priced

_MOST = 100
_REGIONS = frozenset({"us-east-1", "eu-central-1", "ap-south-1", "cn-northwest-1"})
"""Where the service answers (AWS General Reference)."""
_VARIANTS = (
    ({"operatingSystem": "Windows", "preInstalledSw": "NA", "tenancy": "Shared"}, 1.9),
    ({"operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Shared"}, 1.0),
    ({"operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Dedicated"}, 1.1),
)


class Pricing:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {"pricing:GetProducts": self._products}

    def _products(self, incoming: Incoming) -> object:
        if incoming.region not in _REGIONS:
            raise AwsError("AccessDeniedException", f"there is no price list in {incoming.region}", 400)
        asked = incoming.params
        if asked.get("ServiceCode") != "AmazonEC2":
            raise AwsError("InvalidParameterException", "ServiceCode must be AmazonEC2 here")
        rows = list(_matching(incoming.who.partition, asked.get("Filters") or ()))
        size = min(_MOST, self._cloud.page_size or _MOST, int(asked.get("MaxResults") or _MOST))
        try:
            start = int(asked.get("NextToken") or 0)
        except ValueError as exc:
            raise AwsError("InvalidNextTokenException", "the token is none of ours") from exc
        answer = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(row) for row in rows[start : start + size]]}
        return answer | ({"NextToken": str(start + size)} if start + size < len(rows) else {})


def _matching(partition: str, filters: Any) -> Iterator[dict[str, Any]]:
    wanted = {f["Field"]: f["Value"] for f in filters}
    region = wanted.get("regionCode", "")
    for fact, price in priced(partition, region):
        for variant, factor in _VARIANTS:
            attributes = {
                "instanceType": fact.name, "regionCode": region, "vcpu": str(fact.vcpu), "capacitystatus": "Used",
                "memory": f"{fact.memory_mib / 1024:g} GiB", "marketoption": "OnDemand", "servicecode": "AmazonEC2",
                **variant,
            }  # fmt: skip
            if all(attributes.get(field) == value for field, value in wanted.items()):
                yield _product(attributes, price * factor, fact.currency)


def _product(attributes: Mapping[str, str], price: float, currency: str) -> dict[str, Any]:
    sku = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()[:16].upper()
    offer = f"{sku}.JRTCKXETXF"
    dimension = {
        "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "appliesTo": [], "rateCode": f"{offer}.6YS6EN2CT7",
        "description": f"{price:.10f} per On Demand {attributes['operatingSystem']} {attributes['instanceType']}",
        "pricePerUnit": {currency: f"{price:.10f}"},
    }  # fmt: skip
    term = {
        "sku": sku, "offerTermCode": "JRTCKXETXF", "effectiveDate": DATE, "termAttributes": {},
        "priceDimensions": {dimension["rateCode"]: dimension},
    }  # fmt: skip
    return {
        "product": {"productFamily": "Compute Instance", "attributes": dict(attributes), "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {offer: term}},
        "version": "20260101000000",
        "publicationDate": DATE,
    }
