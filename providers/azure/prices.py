"""Consumption and Spot prices of virtual machines, from Azure's retail price API; no credential is wanted or sent.

Callers: provider.py. Source: learn.microsoft.com/rest/api/cost-management/retail-prices. Azure global answers a filter
in pages; 21Vianet has one CSV of everything, at a URL that its API hands out ("azure-retail-prices-china"). Both name
the columns alike. The account's proxy and CA bundle hold here, too.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.pipeline.policies import ProxyPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest

from model.errors import InvalidRequest, Unreachable
from model.facts.live import ListPrice, SpotPrice
from providers.azure.session import Session
from providers.base import Call

SOURCE = "Azure retail prices API"
HOSTS = {"azure": "https://prices.azure.com", "azure-cn": "https://prices.azure.cn"}
_LIST, _LIST_VERSION = "/api/retail/prices", "2023-01-01-preview"
_SHEET, _SHEET_VERSION = "/api/retail/pricesheet/download", "2023-06-01-preview"
_MOST_PAGES = 200  # of 100 to 1,000 rows: a region has some 5,000
_MOST_BYTES = 512 * 2**20  # the whole sheet of 21Vianet has some 50,000 rows
_READ_TIMEOUT_S = 60.0


def of(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[ListPrice]:
    """One price a type: of several meters, the one that began last."""
    for name, (price, currency, date) in _newest(session, region, types, call, spot=False).items():
        yield ListPrice(name, price, currency, date, SOURCE)


def spot_prices(session: Session, region: str, types: Collection[str], call: Call) -> Iterator[SpotPrice]:
    """The same of the Spot meters; Azure has one spot price for all zones of a region."""
    for name, (price, currency, date) in _newest(session, region, types, call, spot=True).items():
        yield SpotPrice(name, price, currency, date, SOURCE)


def _newest(
    session: Session, region: str, types: Collection[str], call: Call, *, spot: bool
) -> Mapping[str, tuple[float, str, str]]:
    """Type -> price, currency and day since when. A row that lacks one of them, or has begun not yet, is left out."""
    rows = _sheet(session, call) if session.account.partition == "azure-cn" else _pages(session, region, call, spot)
    by_lower, today = {name.lower(): name for name in types}, datetime.now(UTC).date().isoformat()
    found: dict[str, tuple[float, str, str]] = {}
    for row in rows:
        name = by_lower.get(str(row.get("armSkuName") or "").lower())
        if name is None or row.get("armRegionName") != region or not _hourly(row, spot):
            continue
        price, currency, date = (
            _number(row),
            str(row.get("currencyCode") or ""),
            str(row.get("effectiveStartDate"))[:10],
        )
        if price > 0 and currency and date <= today and (name not in found or date > found[name][2]):
            found[name] = price, currency, date if date[:1].isdigit() else ""
    return found


def _number(row: Mapping[str, Any]) -> float:
    try:
        return float(row.get("retailPrice") or 0)
    except (TypeError, ValueError):
        return 0.0


def _hourly(row: Mapping[str, Any], spot: bool) -> bool:
    """Linux by the hour, never Low Priority: Spot, or neither."""
    words = f"{row.get('productName')} {row.get('skuName')} {row.get('meterName')}"
    return (
        row.get("serviceName") == "Virtual Machines"
        and row.get("type") == "Consumption"
        and row.get("unitOfMeasure") == "1 Hour"
        and not any(word in words for word in ("Windows", "Low Priority", "Cloud Services", "CloudServices"))
        and ("Spot" in words) == spot
    )


# -- Azure global ----------------------------------------------------------------------------------------------


def _pages(session: Session, region: str, call: Call, spot: bool) -> Iterator[Mapping[str, Any]]:
    if not region.isalnum():
        raise InvalidRequest(f"{region!r} is no region of Azure")  # it goes into a filter
    asked = f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and priceType eq 'Consumption'"
    if spot:
        asked += " and contains(meterName, 'Spot')"
    base = _base(session)
    url, params = base + _LIST, {"api-version": _LIST_VERSION, "$filter": asked}
    for _ in range(_MOST_PAGES):
        page = _json(session, url, params, call)
        yield from page.get("Items") or ()
        following = str(page.get("NextPageLink") or "")
        if not following:
            return
        if urlsplit(following).hostname != urlsplit(base).hostname:
            raise Unreachable(f"prices: the next page would be at {urlsplit(following).hostname}")
        url, params = following, {}
    raise Unreachable(f"prices: more than {_MOST_PAGES} pages for {region}")


# -- 21Vianet --------------------------------------------------------------------------------------------------


def _sheet(session: Session, call: Call) -> Iterator[Mapping[str, Any]]:
    told = _json(session, _base(session) + _SHEET, {"api-version": _SHEET_VERSION}, call)
    url = str(told.get("DownloadUrl") or "")
    if not session.loopback and urlsplit(url).scheme != "https":
        raise Unreachable("prices: the price sheet is not offered over https")

    def fetch() -> Any:
        response = _send(session, url, {}, call, stream=True)
        response.raise_for_status()
        return response

    response = session.calls.run("prices.sheet", fetch, call, api="prices")
    with response:
        yield from csv.DictReader(_lines(response.iter_bytes()))


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Text lines as they come, whatever the chunks cut through. Unreachable for an answer without end."""
    decode, rest, size = codecs.getincrementaldecoder("utf-8-sig")(), "", 0
    for chunk in chunks:
        size += len(chunk)
        if size > _MOST_BYTES:
            raise Unreachable(f"prices: the price sheet is larger than {_MOST_BYTES} bytes")
        *whole, rest = (rest + decode.decode(chunk)).split("\n")
        yield from (line + "\n" for line in whole)
    if rest:
        yield rest


# -- sending ---------------------------------------------------------------------------------------------------


def _base(session: Session) -> str:
    return session.base_url if session.loopback else HOSTS[session.account.partition]


def _json(session: Session, url: str, params: Mapping[str, str], call: Call) -> dict[str, Any]:
    def fetch() -> dict[str, Any]:
        response = _send(session, url, params, call)
        response.raise_for_status()
        found: dict[str, Any] = response.json()
        return found

    return session.calls.run("prices.list", fetch, call, api="prices")


def _send(session: Session, url: str, params: Mapping[str, str], call: Call, *, stream: bool = False) -> Any:
    account, left = session.account, max(0.1, call.remaining_s())
    proxies = {"http": account.proxy_url, "https": account.proxy_url} if account.proxy_url else {}
    with PipelineClient(
        base_url=_base(session),
        transport=RequestsTransport(use_env_settings=not session.loopback),
        policies=[ProxyPolicy(proxies=proxies)],
    ) as client:
        return client.send_request(
            HttpRequest("GET", url, params=dict(params) or None),
            stream=stream,
            connection_timeout=min(10.0, left),
            read_timeout=min(_READ_TIMEOUT_S, left),
            connection_verify=account.ca_bundle or True,
        )
