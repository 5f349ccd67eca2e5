"""Spot prices, the zones that sell a machine type, and quotas of vCPUs: what moto makes up or does not have.

Callers: sandbox.aws.server, by the table of Offers. A type of the shipped catalogue is offered as sandbox.prices says;
of all others moto's own answer holds (in China: every type in every zone).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.aws.cloud import Cloud, Handler
from sandbox.aws.wire import AwsError, Incoming
from sandbox.prices import DATE, SPOT_VCPU_LIMIT, VCPU_LIMIT, priced, selling, spot_price

_MOST = 1000
_QUOTAS = {
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", VCPU_LIMIT),
    "L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", SPOT_VCPU_LIMIT),
}
_DEFAULTS = {**_QUOTAS, "L-DB2E81BA": ("Running On-Demand G and VT instances", 64)}
"""What every account has; the last one was never changed, so that it has no value of the account's own."""


class Offers:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {
            "ec2:DescribeSpotPriceHistory": self._history,
            "ec2:DescribeInstanceTypeOfferings": self._offerings,
            "servicequotas:GetServiceQuota": self._quota,
            "servicequotas:GetAWSDefaultServiceQuota": self._default,
        }

    def _zones(self, region: str) -> list[str]:
        return sorted(self._cloud.moto.zones[region])

    def _history(self, incoming: Incoming) -> object:
        """Two rows a zone, the older one dearer, so that whoever does not look at the time gets wrong prices."""
        asked = incoming.params
        wanted = set(asked.get("InstanceTypes") or ())
        products = asked.get("ProductDescriptions") or ["Linux/UNIX", "Windows"]
        rows = []
        for fact, price in priced(incoming.who.partition, incoming.region):
            if wanted and fact.name not in wanted:
                continue
            for number, zone in enumerate(selling(fact, self._zones(incoming.region))):
                for product, factor in (("Linux/UNIX", 1.0), ("Windows", 1.6)):
                    for at, then in ((DATE, 1.0), ("2025-12-31T00:00:00Z", 1.5)):
                        value = spot_price(price, number) * factor * then
                        rows.append(
                            {"AvailabilityZone": zone, "InstanceType": fact.name, "ProductDescription": product,
                             "SpotPrice": f"{value:.6f}", "Timestamp": at}
                        )  # fmt: skip
        return self._page(incoming, "SpotPriceHistory", [row for row in rows if row["ProductDescription"] in products])

    def _offerings(self, incoming: Incoming) -> object:
        from moto.ec2.models.instance_types import INSTANCE_TYPES

        kind = incoming.params.get("LocationType") or "region"
        rows = list(self._offered(incoming, kind, INSTANCE_TYPES))
        for row in incoming.params.get("Filters") or ():
            field = {"instance-type": "InstanceType", "location": "Location"}.get(row.get("Name", ""))
            if field is None:
                raise AwsError("InvalidParameterValue", f"The filter '{row.get('Name')}' is invalid")
            rows = [offer for offer in rows if offer[field] in (row.get("Values") or ())]
        return self._page(incoming, "InstanceTypeOfferings", rows)

    def _offered(self, incoming: Incoming, kind: str, known: Any) -> Iterator[dict[str, str]]:
        from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

        region, ours = incoming.region, {f.name: f for f, _ in priced(incoming.who.partition, incoming.region)}
        zones = self._zones(region)
        theirs = INSTANCE_TYPE_OFFERINGS.get(kind, {}).get(region)
        if kind != "availability-zone" and theirs is not None:
            rows: Any = theirs
        else:
            places = [region] if kind == "region" else zones
            every = [{"InstanceType": name, "Location": place} for place in places for name in known]
            rows = every if theirs is None else theirs
        if kind == "availability-zone":
            rows = [row for row in rows if row["InstanceType"] not in ours]
            rows += [{"InstanceType": n, "Location": z} for n, f in ours.items() for z in selling(f, zones)]
        for row in rows:
            yield {"InstanceType": row["InstanceType"], "LocationType": kind, "Location": row["Location"]}

    def _page(self, incoming: Incoming, member: str, rows: list[dict[str, str]]) -> object:
        size = min(_MOST, self._cloud.page_size or _MOST, int(incoming.params.get("MaxResults") or _MOST))
        try:
            start = int(incoming.params.get("NextToken") or 0)
        except ValueError as exc:
            raise AwsError("InvalidNextToken", "the token is none of ours") from exc
        answer: dict[str, Any] = {member: rows[start : start + size]}
        return answer | {"NextToken": str(start + size) if start + size < len(rows) else ""}

    def _quota(self, incoming: Incoming) -> object:
        return self._told(incoming, _QUOTAS)

    def _default(self, incoming: Incoming) -> object:
        return self._told(incoming, _DEFAULTS)

    def _told(self, incoming: Incoming, known: dict[str, tuple[str, int]]) -> object:
        code = str(incoming.params.get("QuotaCode", ""))
        if incoming.params.get("ServiceCode") != "ec2" or code not in known:
            raise AwsError("NoSuchResourceException", "The request failed because the specified quota does not exist.")
        name, value = known[code]
        told = {"ServiceCode": "ec2", "QuotaCode": code, "QuotaName": name, "Value": float(value), "Unit": "None"}
        return {"Quota": {**told, "Adjustable": True, "GlobalQuota": False}}
