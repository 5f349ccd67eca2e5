"""What EC2 tells of machine types beside their list prices: spot prices, zones that sell them, quotas with their use.

Callers: provider.py. Sources: EC2 API Reference, DescribeSpotPriceHistory (a start of now answers with the prices that
hold) and DescribeInstanceTypeOfferings; Service Quotas API Reference, GetServiceQuota and GetAWSDefaultServiceQuota;
EC2 User Guide, "EC2 On-Demand Instance quotas": each counts vCPUs of running instances, by the families' letters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from model.errors import NotFound
from model.facts.live import Counts, Quota, SpotPrice
from providers.aws.session import Session
from providers.base import Call

SPOT_SOURCE, QUOTA_SOURCE = "EC2 DescribeSpotPriceHistory", "AWS Service Quotas"
_CURRENCY = {"aws": "USD", "aws-cn": "CNY"}  # the answer names none; EC2 pricing pages of the two partitions
_LINUX = frozenset({"Linux/UNIX", "Linux/UNIX (Amazon VPC)"})  # the second where an account still knows EC2-Classic
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_FILTER_VALUES = 200  # EC2 API Reference, Filter: values of one filter
_STANDARD = frozenset("acdhimrtz")
_OWN_QUOTA = frozenset({"dl", "hpc", "inf", "mac", "trn"})
_RUNNING = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
QUOTAS = (
    ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", Counts.VCPU),
    ("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", Counts.SPOT_VCPU),
    ("L-DB2E81BA", "Running On-Demand G and VT instances", Counts.FAMILY_VCPU),
)
"""Codes of Service Quotas for `ec2`, as its console and AWS's documentation list them."""


def spot_prices(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
    rows = session.pages(
        "ec2", region, "describe_spot_price_history", "SpotPriceHistory", call,
        InstanceTypes=sorted(types), ProductDescriptions=sorted(_LINUX), StartTime=datetime.now(UTC),
    )  # fmt: skip
    return dearest(rows, types, _CURRENCY[session.account.partition])


def dearest(rows: Iterable[Mapping[str, Any]], types: Collection[str], currency: str) -> Iterator[SpotPrice]:
    """Of each zone the newest row; of these the dearest. Rows of another platform or without a price are left out."""
    newest: dict[str, dict[str, tuple[datetime, float]]] = {}
    for row in rows:
        name, price = str(row.get("InstanceType", "")), _number(row.get("SpotPrice"))
        if name not in types or row.get("ProductDescription") not in _LINUX or price <= 0:
            continue
        zone, at = str(row.get("AvailabilityZone", "")), row.get("Timestamp") or _UNKNOWN
        zones = newest.setdefault(name, {})
        if zone not in zones or at > zones[zone][0]:
            zones[zone] = at, price
    for name, zones in sorted(newest.items()):
        at = max(at for at, _ in zones.values())
        date = "" if at == _UNKNOWN else at.date().isoformat()
        yield SpotPrice(name, max(price for _, price in zones.values()), currency, date, SPOT_SOURCE)


def zones_selling(session: Session, region: str, types: Collection[str], call: Call) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    names = sorted(types)
    for start in range(0, len(names), _FILTER_VALUES):
        rows = session.pages(
            "ec2", region, "describe_instance_type_offerings", "InstanceTypeOfferings", call,
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": names[start : start + _FILTER_VALUES]}],
        )  # fmt: skip
        for row in rows:
            if row.get("InstanceType") in types and row.get("Location"):
                found.setdefault(str(row["InstanceType"]), set()).add(str(row["Location"]))
    return {name: tuple(sorted(zones)) for name, zones in sorted(found.items())}


def quotas(session: Session, region: str, call: Call) -> tuple[Quota, ...]:
    """Service Quotas tells no usage of these: running instances are counted."""
    used = _used(session, region, call)
    found = []
    for code, words, counts in QUOTAS:
        limit = _limit(session, region, code, call)
        if limit is not None:
            found.append(Quota(code, words, counts, limit, used[code], QUOTA_SOURCE))
    return tuple(found)


def _limit(session: Session, region: str, code: str, call: Call) -> float | None:
    """The account's own value, else AWS's default for everybody; None where the region has no such quota."""
    asked = {"ServiceCode": "ec2", "QuotaCode": code}
    ways = (("GetServiceQuota", "get_service_quota"), ("GetAWSDefaultServiceQuota", "get_aws_default_service_quota"))
    for operation, method in ways:
        try:
            answer = session.run(
                "service-quotas", region, operation,
                lambda client, method=method: getattr(client, method)(**asked),  # type: ignore[misc]
                call,
            )  # fmt: skip
        except NotFound:
            continue
        value = (answer.get("Quota") or {}).get("Value")
        if value is not None:
            return float(value)
    return None


def _used(session: Session, region: str, call: Call) -> Mapping[str, float]:
    used = dict.fromkeys((code for code, _, _ in QUOTAS), 0.0)
    for reservation in session.pages("ec2", region, "describe_instances", "Reservations", call, Filters=_RUNNING):
        for row in reservation.get("Instances") or ():
            code = bucket(str(row.get("InstanceType", "")), spot=row.get("InstanceLifecycle") == "spot")
            if code in used:
                used[code] += _vcpus(row)
    return used


def bucket(instance_type: str, *, spot: bool) -> str:
    """The code of the quota that a running instance counts against, "" for one that is not asked. Pure."""
    family = instance_type.partition(".")[0]
    letters = family[: next((i for i, c in enumerate(family) if not c.isalpha()), len(family))]
    if letters in _OWN_QUOTA or not letters:
        return ""
    if letters[0] in _STANDARD:
        return "L-34B43A08" if spot else "L-1216C47A"
    return "L-DB2E81BA" if letters in ("g", "gr", "vt") and not spot else ""


def _vcpus(row: Mapping[str, Any]) -> float:
    options = row.get("CpuOptions") or {}
    return float(options.get("CoreCount") or 0) * float(options.get("ThreadsPerCore") or 1)


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0
