"""List prices as the clouds tell them: fetched region by region, kept in the user's cache folder, told with their age.

Callers: load.py (what is kept), cli.providers (fetching), cli.placing and cli.releases (telling). A region whose price
API does not answer is a row with its error; the kept prices hold on, else the shipped ones, and the row says which.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, DuoyunError, Interrupted
from model.facts import catalogue
from model.facts.book import Book, Origin
from model.facts.live import ListPrice, LivePrices, RegionPrices
from model.spec.fleet import SANDBOX, AccountSpec, Fleet, RegionSpec
from orchestrator.accounts import named
from orchestrator.targets import Targets
from providers.base import Call, PriceSource

SCHEMA_VERSION = 1
_WORKERS = 8
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class PricesOf:
    """What is known of a region's prices. types: Origin -> how many machine types. oldest, newest: days of the prices
    themselves, "" where none is told; age_s: since they were fetched, None where none were. error: of this fetch."""

    place: str
    account: str
    types: Mapping[Origin, int]
    oldest: str
    newest: str
    sources: tuple[str, ...]
    age_s: float | None
    error: DuoyunError | None = None

    def to_dict(self) -> dict[str, Any]:
        told = asdict(replace(self, error=None)) | {"types": {o.value: n for o, n in self.types.items()}}
        return {**told, "error": self.error.to_dict() if self.error is not None else None}

    @property
    def words(self) -> str:
        """`30 live (Azure retail prices API, 2 h old), 4 assumed; of 2023-09-01 to 2026-01-01`."""
        age = "" if self.age_s is None else f" ({', '.join(self.sources)}, {age_words(self.age_s)} old)"
        parts = [f"{n} {o.value}{age if o is Origin.LIVE else ''}" for o, n in sorted(self.types.items()) if n]
        days = " to ".join(dict.fromkeys(day for day in (self.oldest, self.newest) if day))
        return (", ".join(parts) or "none known") + (f"; of {days}" if days else "")


def age_words(seconds: float) -> str:
    """`40 s`, `12 min`, `5 h`, `9 days`."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


# -- what is kept ----------------------------------------------------------------------------------------------


def folder(environ: Mapping[str, str] | None = None) -> Path:
    """$XDG_CACHE_HOME/duoyun/prices (default ~/.cache)."""
    env = os.environ if environ is None else environ
    cache = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".cache")
    return Path(cache) / "duoyun" / "prices"


def _file(account: AccountSpec, region: str) -> Path:
    """The sandbox's prices never pass for a cloud's."""
    plane = SANDBOX if account.endpoint == SANDBOX else "cloud"
    return folder() / plane / account.partition / f"{region}.json"


def kept(fleet: Fleet) -> tuple[LivePrices, tuple[Diagnostic, ...]]:
    """The prices that were fetched earlier, of the fleet's regions; a warning for each file that cannot be read."""
    accounts = {account.name: account for account in fleet.spec.accounts}
    found: list[RegionPrices] = []
    warnings: list[Diagnostic] = []
    for region in fleet.spec.regions:
        account = accounts.get(region.account)
        path = _file(account, region.region) if account is not None else None
        if path is None or not path.is_file():
            continue
        try:
            found.append(_read(path))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            what = f"the kept prices in {path} cannot be read ({type(exc).__name__}): the shipped ones are used"
            warnings.append(Diagnostic("", what, "duoyun providers prices --refresh fetches them anew", "warning"))
    return LivePrices.of(found), tuple(warnings)


def _read(path: Path) -> RegionPrices:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("too large")
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["schema_version"] != SCHEMA_VERSION:
        raise ValueError("of another version")
    prices = tuple(ListPrice(**row) for row in data["prices"])
    if any(not 0 < price.price_per_hour < float("inf") for price in prices):
        raise ValueError("a price is none")
    return RegionPrices(str(data["place"]), float(data["fetched_s"]), prices)


def _write(path: Path, prices: RegionPrices) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"schema_version": SCHEMA_VERSION, **asdict(prices)}), encoding="utf-8")
    temporary.replace(path)


# -- telling and fetching --------------------------------------------------------------------------------------


def told(fleet: Fleet, book: Book, now_s: float) -> tuple[PricesOf, ...]:
    """Of each region, where its prices come from. Pure but for the shipped tables."""
    return tuple(_told(fleet.account(r.account), r.region, book, now_s) for r in fleet.spec.regions)


def _told(account: AccountSpec, region: str, book: Book, now_s: float) -> PricesOf:
    place = f"{account.partition}/{region}"
    origins = book.price_of(account.partition, region)
    facts = book.instance_types(account.partition, region)
    days = sorted(fact.price_date for fact in facts if fact.price_date)
    live = book.live.regions.get(place)
    return PricesOf(
        place=place,
        account=account.name,
        types=Counter(origins.values()),
        oldest=days[0] if days else "",
        newest=days[-1] if days else "",
        sources=tuple(sorted({f.price_source for f in facts if origins[f.name] is Origin.LIVE})),
        age_s=None if live is None else live.age_s(now_s),
    )


def summary(rows: Iterable[PricesOf]) -> list[str]:
    """A line for each way in which regions know their prices: `prices of 7 regions: 31 shipped; of ...`."""
    ways: dict[tuple[str, ...], list[PricesOf]] = {}
    for row in rows:
        ways.setdefault((*sorted(o.value for o, n in row.types.items() if n), *row.sources), []).append(row)
    lines = []
    for same in ways.values():
        days = sorted(day for row in same for day in (row.oldest, row.newest) if day)
        ages = [row.age_s for row in same if row.age_s is not None]
        types: Counter[Origin] = Counter()
        for row in same:
            types.update(row.types)
        whole = replace(
            same[0], types=types, oldest=days[0] if days else "", newest=days[-1] if days else "",
            age_s=max(ages) if ages else None,
        )  # fmt: skip
        where = same[0].place if len(same) == 1 else f"{len(same)} regions"
        lines.append(f"prices of {where}: {whole.words}")
    return lines


def refresh(
    fleet: Fleet,
    targets: Targets,
    *,
    accounts: Iterable[str] = (),
    timeout_s: float = 60.0,
    now_s: Callable[[], float] = time.time,
    cancelled: Callable[[], bool] = lambda: False,
) -> Mapping[str, DuoyunError | None]:
    """Fetches and keeps the prices of the fleet's regions, side by side: place -> None, or why it could not be had.

    timeout_s: for each region. Raises InvalidInput for an account that the fleet does not have, and Interrupted.
    """
    wanted = {named(fleet, name).name for name in accounts} or {a.name for a in fleet.spec.accounts}
    regions = [region for region in fleet.spec.regions if region.account in wanted]

    def one(region: RegionSpec) -> tuple[str, DuoyunError | None]:
        account = fleet.account(region.account)
        call = Call(time.monotonic() + timeout_s, fleet=fleet.name, cancelled=cancelled)
        try:
            _write(_file(account, region.region), _fetch(account, region.region, targets, call, now_s()))
        except Interrupted:
            raise
        except DuoyunError as exc:
            return f"{account.partition}/{region.region}", exc
        except OSError as exc:
            error = DuoyunError(f"the prices cannot be kept: {exc}", mend=f"look at {folder()}")
            return f"{account.partition}/{region.region}", error
        return f"{account.partition}/{region.region}", None

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="prices") as pool:
        return dict(pool.map(one, regions))


def _fetch(account: AccountSpec, region: str, targets: Targets, call: Call, now_s: float) -> RegionPrices:
    provider = targets.cloud(account)
    if not isinstance(provider, PriceSource):
        raise DuoyunError(f"account {account.name}: the adapter has no price list", mend="the shipped prices are used")
    types = {t.name for t in catalogue.instance_types(account.partition, region)} or {
        t.name
        for other in catalogue.regions(account.partition)
        for t in catalogue.instance_types(account.partition, other.region)
    }
    prices = tuple(sorted(provider.prices(region, types, call), key=lambda price: price.instance_type))
    if not prices:
        raise DuoyunError(
            f"{account.partition}/{region}: the price list tells nothing of {len(types)} machine types",
            mend="the prices that were known before are used",
        )
    return RegionPrices(f"{account.partition}/{region}", now_s, prices)
