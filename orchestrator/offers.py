"""Which zones sell a type to an account, and how many vCPUs it may have: fetched when asked, kept beside the prices.

Callers: prices.py (zones, with each refresh of the prices), cli.providers (quotas), load.py by way of prices.py. A plan
looks at what is kept alone, so that it is the same for the same files; its age is told. Quotas bound a placement once
somebody fetched them, and until `duoyun providers quotas --forget`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, DuoyunError, Interrupted
from model.facts import catalogue
from model.facts.live import Counts, Quota, RegionOffers, RegionQuotas
from model.resources import Instance, InstanceGroup, Kind, NodePool, State
from model.spec.fleet import AccountSpec, Fleet, RegionSpec
from orchestrator import cache
from orchestrator.accounts import named
from orchestrator.targets import Targets
from providers.base import Call, Provider, QuotaSource

SCHEMA_VERSION = 1
_WORKERS = 8
_MACHINES = (Kind.INSTANCE, Kind.INSTANCE_GROUP, Kind.NODE_POOL)


def zones_file(account: AccountSpec, region: str) -> Path:
    return cache.of_account(account) / f"{region}.zones.json"


def quotas_file(account: AccountSpec, region: str) -> Path:
    return cache.of_account(account) / f"{region}.quotas.json"


# -- what is kept ----------------------------------------------------------------------------------------------


def kept_zones(account: AccountSpec, region: str) -> tuple[RegionOffers | None, Diagnostic | None]:
    return cache.read(
        zones_file(account, region), _offers, "what zones sell", "every zone is taken to sell every type",
        "duoyun providers prices --refresh asks anew",
    )  # fmt: skip


def kept_quotas(account: AccountSpec, region: str) -> tuple[RegionQuotas | None, Diagnostic | None]:
    return cache.read(
        quotas_file(account, region), _quotas, "the quotas", "no quota bounds a placement there",
        "duoyun providers quotas --refresh asks anew",
    )  # fmt: skip


def _offers(data: Any) -> RegionOffers:
    _check(data)
    zones = {str(name): tuple(str(z) for z in zones) for name, zones in data["zones"].items()}
    return RegionOffers(str(data["place"]), float(data["fetched_s"]), frozenset(data["asked"]), zones)


def _quotas(data: Any) -> RegionQuotas:
    _check(data)
    rows = tuple(Quota(**{**row, "counts": Counts(row["counts"])}) for row in data["quotas"])
    if any(not 0 <= row.limit < float("inf") for row in rows):
        raise ValueError("a limit is none")
    return RegionQuotas(str(data["place"]), float(data["fetched_s"]), rows, float(data["ours_vcpu"]))


def _check(data: Any) -> None:
    if data["schema_version"] != SCHEMA_VERSION:
        raise ValueError("of another version")


def keep_zones(account: AccountSpec, region: str, offers: RegionOffers) -> None:
    told = {**asdict(offers), "asked": sorted(offers.asked)}
    cache.write(zones_file(account, region), {"schema_version": SCHEMA_VERSION, **told})


# -- quotas ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuotasOf:
    """What is known of a region's quotas. vcpu: how many the fleet may have; planned: whether plans hold to it, which
    they do where the fleet file names no quota_vcpu. age_s: None where nobody asked. error: of this fetch."""

    place: str
    account: str
    quotas: tuple[Quota, ...] = ()
    ours_vcpu: float = 0.0
    vcpu: float | None = None
    planned: bool = False
    age_s: float | None = None
    error: DuoyunError | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "place": self.place,
            "account": self.account,
            "quotas": [{**asdict(q), "counts": q.counts.value, "left": q.left} for q in self.quotas],
            "ours_vcpu": self.ours_vcpu,
            "vcpu": self.vcpu,
            "planned": self.planned,
            "age_s": self.age_s,
            "error": None if self.error is None else self.error.to_dict(),
        }


def told(fleet: Fleet, now_s: float, accounts: Iterable[str] = ()) -> tuple[tuple[QuotasOf, ...], list[Diagnostic]]:
    """Of each region what is kept; a warning for each file that cannot be read."""
    wanted, warnings, rows = set(accounts), [], []
    for region in fleet.spec.regions:
        account = fleet.account(region.account)
        if wanted and account.name not in wanted:
            continue
        found, warning = kept_quotas(account, region.region)
        warnings += [warning] if warning is not None else []
        rows.append(_told(account, region, found, now_s))
    return tuple(rows), warnings


def _told(account: AccountSpec, region: RegionSpec, found: RegionQuotas | None, now_s: float) -> QuotasOf:
    place = f"{account.partition}/{region.region}"
    if found is None:
        return QuotasOf(place, account.name)
    planned = region.quota_vcpu is None and found.vcpu is not None
    age_s = max(0.0, now_s - found.fetched_s)
    return QuotasOf(place, account.name, found.quotas, found.ours_vcpu, found.vcpu, planned, age_s)


def refresh(
    fleet: Fleet,
    targets: Targets,
    *,
    accounts: Iterable[str] = (),
    timeout_s: float = 60.0,
    now_s: Callable[[], float] = time.time,
    cancelled: Callable[[], bool] = lambda: False,
) -> Mapping[str, DuoyunError | None]:
    """Fetches and keeps the quotas of the fleet's regions, side by side: place -> None, or why they could not be had.

    timeout_s: for each region. Raises InvalidInput for an account that the fleet does not have, and Interrupted.
    """
    wanted = {named(fleet, name).name for name in accounts} or {a.name for a in fleet.spec.accounts}
    regions = [region for region in fleet.spec.regions if region.account in wanted]

    def one(region: RegionSpec) -> tuple[str, DuoyunError | None]:
        account = fleet.account(region.account)
        place = f"{account.partition}/{region.region}"
        call = Call(time.monotonic() + timeout_s, fleet=fleet.name, cancelled=cancelled)
        try:
            found = replace(_fetch(account, region.region, targets, call), fetched_s=now_s())
            value = {"schema_version": SCHEMA_VERSION, **asdict(found)}
            cache.write(quotas_file(account, region.region), value)
        except Interrupted:
            raise
        except DuoyunError as exc:
            return place, exc
        except OSError as exc:
            return place, DuoyunError(f"the quotas cannot be kept: {exc}", mend=f"look at {cache.folder()}")
        return place, None

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="quotas") as pool:
        return dict(pool.map(one, regions))


def forget(fleet: Fleet, accounts: Iterable[str] = ()) -> int:
    """Drops what is kept of quotas: plans are no longer bound by them. How many regions' there were."""
    wanted = {named(fleet, name).name for name in accounts} or {a.name for a in fleet.spec.accounts}
    files = [quotas_file(fleet.account(r.account), r.region) for r in fleet.spec.regions if r.account in wanted]
    there = [file for file in files if file.is_file()]
    for file in there:
        file.unlink(missing_ok=True)
    return len(there)


def _fetch(account: AccountSpec, region: str, targets: Targets, call: Call) -> RegionQuotas:
    provider = targets.cloud(account)
    if not isinstance(provider, QuotaSource):
        raise DuoyunError(f"account {account.name}: the adapter reads no quotas", mend="give quota_vcpu in the fleet")
    quotas = provider.quotas(region, call)
    if not quotas:
        mend = "give quota_vcpu in the fleet"
        raise DuoyunError(f"{account.partition}/{region}: the account was told no quota", mend=mend)
    return RegionQuotas(f"{account.partition}/{region}", 0.0, quotas, _ours(provider, region, call))


def _ours(provider: Provider, region: str, call: Call) -> float:
    """vCPUs of the fleet's own machines there, by the shipped sizes; a type of unknown size counts as none, which only
    makes the bound tighter."""
    total = 0.0
    for kind in _MACHINES:
        for seen in provider.list(kind, region, call, fleet=call.fleet):
            made = seen.resource
            if seen.state is State.DELETING or not isinstance(made, Instance | InstanceGroup | NodePool):
                continue
            size = catalogue.instance_type_sizes(made.instance_type)
            count = 1 if isinstance(made, Instance) else made.size if isinstance(made, InstanceGroup) else made.count
            total += count * (size.vcpu if size is not None else 0)
    return total
