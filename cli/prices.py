"""Where prices and quotas come from and how old they are: `duoyun providers prices` and `quotas`, and the lines under a
placement.

Callers: cli.providers (the command), cli.placing and cli.releases (the lines).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from model.errors import DuoyunError
    from orchestrator.load import Loaded
    from orchestrator.offers import QuotasOf
    from orchestrator.prices import PricesOf


def known_prices(loaded: Loaded) -> tuple[PricesOf, ...]:
    from orchestrator.prices import told

    return told(loaded.fleet, loaded.book, time.time())


def with_errors(rows: Iterable[PricesOf], errors: Mapping[str, Mapping[str, DuoyunError]]) -> tuple[PricesOf, ...]:
    """errors: place -> part -> why it could not be fetched."""
    told = []
    for row in rows:
        parts = dict(errors.get(row.place, {}))
        told.append(replace(row, error=parts.pop("prices", None), errors=parts))
    return tuple(told)


def show_summary(console: Console, rows: Iterable[PricesOf]) -> None:
    """Under a placement: where its prices come from."""
    from orchestrator.prices import summary

    for line in summary(rows):
        console.print(f"  {line}", markup=False, soft_wrap=True)


def show_prices(console: Console, rows: Iterable[PricesOf]) -> None:
    """A region a line; what could not be fetched says what is used instead."""
    for row in rows:
        console.print(f"{row.place}: {row.words}", markup=False, soft_wrap=True)
        if row.error is not None:
            used = "the prices kept from before are used" if row.age_s is not None else "the shipped prices are used"
            console.print(f"  not fetched: {row.error.summary}; {used}", markup=False, soft_wrap=True)
        for part, error in sorted(row.errors.items()):
            console.print(
                f"  {part} not fetched: {error.summary}; what was known before holds", markup=False, soft_wrap=True
            )


def show_quotas(console: Console, rows: Iterable[QuotasOf]) -> None:
    """A line a region, then one a quota: what is used of it, and what plans make of it."""
    from orchestrator.prices import age_words

    for row in rows:
        if row.age_s is None:
            told = "not asked yet: duoyun providers quotas --refresh"
        else:
            told = f"told {age_words(row.age_s)} ago"
            told += f"; plans use at most {row.vcpu:g} vCPUs" if row.planned and row.vcpu is not None else ""
            told += "; the fleet's quota_vcpu outranks it" if not row.planned and row.vcpu is not None else ""
        console.print(f"{row.place}: {told}", markup=False, soft_wrap=True)
        for quota in row.quotas:
            used = "use not told" if quota.used is None else f"{quota.used:g} used"
            line = f"  {quota.words}: {used} of {quota.limit:g} ({quota.name})"
            console.print(line, markup=False, soft_wrap=True)
        if row.error is not None:
            console.print(f"  not fetched: {row.error.summary}", markup=False, soft_wrap=True)
