"""Prices as the clouds tell them, spot prices too, and which zones sell what: fetched region by region, kept in the
user's cache folder, told with their age.

Callers: load.py (what is kept), cli.providers (fetching), cli.placing and cli.releases (telling). A region whose price
API does not answer is a row with its error; the kept prices hold on, else the shipped ones, and the row says which. The
same holds for its spot prices and its zones, each by itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, DuoyunError, Interrupted
from model.facts import catalogue
from model.facts.book import Book, Origin
from model.facts.live import ListPrice, LivePrices, RegionOffers, RegionPrices, RegionQuotas, SpotPrice
from model.spec.fleet import AccountSpec, Fleet, RegionSpec
from orchestrator import cache, offers
from orchestrator.accounts import named
from orchestrator.cache import folder
from orchestrator.targets import Targets
from providers.base import Call, OfferSource, PriceSource, SpotSource

SCHEMA_VERSION = 2
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class PricesOf:
    """What is known of a region's prices. types: Origin -> how many machine types. oldest, newest: days of the prices
    themselves, "" where none is told; age_s: since they were fetched, None where none were. error: of this fetch.

    spot, spot_assumed: how many types have a spot price, and how many of these are assumed. zoned: types whose zones
    are known; the ages as above. quota_vcpu: what a placement may use there, as the cloud told; None where the fleet
    says it, or nobody. errors: of this fetch, by part: `spot`, `zones`."""

    place: str
    account: str
    types: Mapping[Origin, int]
    oldest: str
    newest: str
    sources: tuple[str, ...]
    age_s: float | None
    error: DuoyunError | None = None
    spot: int = 0
    spot_assumed: int = 0
    spot_age_s: float | None = None
    zoned: int = 0
    zones_age_s: float | None = None
    quota_vcpu: float | None = None
    quota_age_s: float | None = None
    errors: Mapping[str, DuoyunError] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        told = asdict(replace(self, error=None, errors={})) | {"types": {o.value: n for o, n in self.types.items()}}
        errors = {part: error.to_dict() for part, error in self.errors.items()}
        return {**told, "error": self.error.to_dict() if self.error is not None else None, "errors": errors}

    @property
    def words(self) -> str:
        """`30 live (Azure retail prices API, 2 h old), 4 assumed; of 2023-09-01 to 2026-01-01`."""
        age = "" if self.age_s is None else f" ({', '.join(self.sources)}, {age_words(self.age_s)} old)"
        parts = [f"{n} {o.value}{age if o is Origin.LIVE else ''}" for o, n in sorted(self.types.items()) if n]
        days = " to ".join(dict.fromkeys(day for day in (self.oldest, self.newest) if day))
        more = [f"; of {days}" if days else "", self._spot_words(), self._zone_words()]
        return (", ".join(parts) or "none known") + "".join(more)

    def _spot_words(self) -> str:
        if not self.spot:
            return ""
        told = [f"{self.spot_assumed} assumed"] if self.spot_assumed else []
        told += [f"{age_words(self.spot_age_s)} old"] if self.spot_age_s is not None else []
        return f"; spot of {self.spot}" + (f" ({', '.join(told)})" if told else "")

    def _zone_words(self) -> str:
        if self.zones_age_s is None:
            return ""
        return f"; zones of {self.zoned} as the account told ({age_words(self.zones_age_s)} old)"


def age_words(seconds: float) -> str:
    """`40 s`, `12 min`, `5 h`, `9 days`."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


# -- what is kept ----------------------------------------------------------------------------------------------


def _file(account: AccountSpec, region: str) -> Path:
    return cache.of_partition(account) / f"{region}.json"


def kept(fleet: Fleet) -> tuple[LivePrices, tuple[Diagnostic, ...]]:
    """What was fetched earlier of the fleet's regions: prices, zones and quotas; a warning for each file that cannot be
    read."""
    accounts = {account.name: account for account in fleet.spec.accounts}
    prices: list[RegionPrices] = []
    zones: list[RegionOffers] = []
    quotas: list[RegionQuotas] = []
    warnings: list[Diagnostic] = []
    for region in fleet.spec.regions:
        account = accounts.get(region.account)
        if account is None:
            continue
        price, *warned = _kept_prices(account, region.region)
        prices += [price] if price is not None else []
        zone, warning = offers.kept_zones(account, region.region)
        zones += [zone] if zone is not None else []
        quota, other = offers.kept_quotas(account, region.region)
        quotas += [quota] if quota is not None else []
        warnings += [w for w in (*warned, warning, other) if w is not None]
    return LivePrices.of(prices, zones, quotas), tuple(warnings)


def _kept_prices(account: AccountSpec, region: str) -> tuple[RegionPrices | None, Diagnostic | None]:
    mend = "duoyun providers prices --refresh fetches them anew"
    return cache.read(_file(account, region), _parse, "the kept prices", "the shipped ones are used", mend)


def _parse(data: Any) -> RegionPrices:
    if data["schema_version"] not in (1, SCHEMA_VERSION):  # 1 had no spot prices
        raise ValueError("of another version")
    prices = tuple(ListPrice(**row) for row in data["prices"])
    spot = tuple(SpotPrice(**row) for row in data.get("spot") or ())
    amounts = [*(price.price_per_hour for price in prices), *(price.price_per_hour for price in spot)]
    if any(not 0 < amount < float("inf") for amount in amounts):
        raise ValueError("a price is none")
    spot_s = data.get("spot_s")
    return RegionPrices(
        str(data["place"]), float(data["fetched_s"]), prices, spot, None if spot_s is None else float(spot_s)
    )


# -- telling and fetching --------------------------------------------------------------------------------------


def told(fleet: Fleet, book: Book, now_s: float) -> tuple[PricesOf, ...]:
    """Of each region, where its prices come from. Pure but for the shipped tables."""
    return tuple(_told(fleet.account(r.account), r, book, now_s) for r in fleet.spec.regions)


def _told(account: AccountSpec, spec: RegionSpec, book: Book, now_s: float) -> PricesOf:
    region = spec.region
    place = f"{account.partition}/{region}"
    origins = book.price_of(account.partition, region)
    facts = book.instance_types(account.partition, region)
    days = sorted(fact.price_date for fact in facts if fact.price_date)
    live, zones, quotas = book.live.regions.get(place), book.live.offers.get(place), book.live.quotas.get(place)
    bound = None if spec.quota_vcpu is not None else book.quota_vcpu(place)
    spot = [fact for fact in facts if fact.spot_price_per_hour is not None]
    return PricesOf(
        place=place,
        account=account.name,
        types=Counter(origins.values()),
        oldest=days[0] if days else "",
        newest=days[-1] if days else "",
        sources=tuple(sorted({f.price_source for f in facts if origins[f.name] is Origin.LIVE})),
        age_s=None if live is None else live.age_s(now_s),
        spot=len(spot),
        spot_assumed=sum(1 for fact in spot if fact.spot_assumed),
        spot_age_s=None if live is None or live.spot_s is None else max(0.0, now_s - live.spot_s),
        zoned=sum(1 for fact in facts if fact.zones is not None),
        zones_age_s=None if zones is None else max(0.0, now_s - zones.fetched_s),
        quota_vcpu=bound,
        quota_age_s=None if bound is None or quotas is None else max(0.0, now_s - quotas.fetched_s),
    )


def summary(rows: Iterable[PricesOf]) -> list[str]:
    """A line for each way in which regions know their prices: `prices of 7 regions: 31 shipped; of ...`; then one for
    each region whose quota the cloud told."""
    ways: dict[tuple[object, ...], list[PricesOf]] = {}
    every = list(rows)
    for row in every:
        asked = row.spot_age_s is not None, row.zones_age_s is not None
        key = (*sorted(o.value for o, n in row.types.items() if n), *row.sources, asked)
        ways.setdefault(key, []).append(row)
    return [_together(same) for same in ways.values()] + [
        f"{row.place}: {row.quota_vcpu:g} vCPUs at most, as the cloud told ({age_words(row.quota_age_s or 0.0)} ago)"
        for row in every
        if row.quota_vcpu is not None
    ]


def _together(same: list[PricesOf]) -> str:
    """One line for regions that know their prices in the same way: the numbers added up, the greatest ages."""
    days = sorted(day for row in same for day in (row.oldest, row.newest) if day)
    types: Counter[Origin] = Counter()
    for row in same:
        types.update(row.types)
    whole = replace(
        same[0], types=types, oldest=days[0] if days else "", newest=days[-1] if days else "",
        age_s=_oldest(row.age_s for row in same), spot=sum(row.spot for row in same),
        spot_assumed=sum(row.spot_assumed for row in same), spot_age_s=_oldest(row.spot_age_s for row in same),
        zoned=sum(row.zoned for row in same), zones_age_s=_oldest(row.zones_age_s for row in same),
    )  # fmt: skip
    where = same[0].place if len(same) == 1 else f"{len(same)} regions"
    return f"prices of {where}: {whole.words}"


def _oldest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in ages if age is not None), default=None)


def refresh(
    fleet: Fleet,
    targets: Targets,
    *,
    accounts: Iterable[str] = (),
    timeout_s: float = 60.0,
    now_s: Callable[[], float] = time.time,
    cancelled: Callable[[], bool] = lambda: False,
) -> Mapping[str, Mapping[str, DuoyunError]]:
    """Fetches and keeps the prices of the fleet's regions, their spot prices and what their zones sell, side by side.

    Answers place -> why a part could not be had: `prices`, `spot`, `zones`; {} where all could. timeout_s: for each
    region. Raises InvalidInput for an account that the fleet does not have, and Interrupted.
    """
    wanted = {named(fleet, name).name for name in accounts} or {a.name for a in fleet.spec.accounts}
    regions = [region for region in fleet.spec.regions if region.account in wanted]

    def one(region: RegionSpec) -> tuple[str, Mapping[str, DuoyunError]]:
        account = fleet.account(region.account)
        call = Call(time.monotonic() + timeout_s, fleet=fleet.name, cancelled=cancelled)
        fetch = _Fetch(account, region.region, targets, call, now_s)
        for part, step in (("prices", fetch.prices), ("spot", fetch.spot), ("zones", fetch.zones)):
            fetch.attempt(part, step)
        return f"{account.partition}/{region.region}", fetch.errors

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="prices") as pool:
        return dict(pool.map(one, regions))


class _Fetch:
    """One region's. A part that fails leaves what was kept of it as it is."""

    def __init__(
        self, account: AccountSpec, region: str, targets: Targets, call: Call, now_s: Callable[[], float]
    ) -> None:
        self._account, self._region, self._call, self._now_s = account, region, call, now_s
        self._targets, self._place = targets, f"{account.partition}/{region}"
        self._types = {t.name for t in catalogue.instance_types(account.partition, region)} or {
            t.name
            for other in catalogue.regions(account.partition)
            for t in catalogue.instance_types(account.partition, other.region)
        }
        self.errors: dict[str, DuoyunError] = {}

    def attempt(self, part: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Interrupted:
            raise
        except DuoyunError as exc:
            self.errors[part] = exc
        except OSError as exc:
            self.errors[part] = DuoyunError(f"the {part} cannot be kept: {exc}", mend=f"look at {folder()}")

    def prices(self) -> None:
        provider = self._targets.cloud(self._account)
        if not isinstance(provider, PriceSource):
            mend = "the shipped prices are used"
            raise DuoyunError(f"account {self._account.name}: the adapter has no price list", mend=mend)
        found = provider.prices(self._region, self._types, self._call)
        prices = tuple(sorted(found, key=lambda price: price.instance_type))
        if not prices:
            raise DuoyunError(
                f"{self._place}: the price list tells nothing of {len(self._types)} machine types",
                mend="the prices that were known before are used",
            )
        before = self._before()
        spot, spot_s = ((), None) if before is None else (before.spot, before.spot_s)
        self._keep(RegionPrices(self._place, self._now_s(), prices, spot, spot_s))

    def spot(self) -> None:
        """Kept beside list prices; where there are none yet, the next refresh brings both."""
        provider, before = self._targets.cloud(self._account), self._before()
        if before is None or not isinstance(provider, SpotSource):
            return
        found = provider.spot_prices(self._region, self._types, self._call)
        spot = tuple(sorted(found, key=lambda price: price.instance_type))
        self._keep(replace(before, spot=spot, spot_s=self._now_s()))

    def zones(self) -> None:
        provider = self._targets.cloud(self._account)
        if not isinstance(provider, OfferSource):
            return
        found = provider.zones_selling(self._region, self._types, self._call)
        if not found:
            raise DuoyunError(
                f"{self._place}: the cloud names no zone for any of {len(self._types)} machine types",
                mend="what was known of zones before is used",
            )
        asked = RegionOffers(self._place, self._now_s(), frozenset(self._types), found)
        offers.keep_zones(self._account, self._region, asked)

    def _before(self) -> RegionPrices | None:
        return _kept_prices(self._account, self._region)[0]

    def _keep(self, prices: RegionPrices) -> None:
        cache.write(_file(self._account, self._region), {"schema_version": SCHEMA_VERSION, **asdict(prices)})
