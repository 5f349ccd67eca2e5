"""Where list prices come from and how old they are: `duoyun providers prices`, and the lines under a placement.

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
    from orchestrator.prices import PricesOf


def known_prices(loaded: Loaded) -> tuple[PricesOf, ...]:
    from orchestrator.prices import told

    return told(loaded.fleet, loaded.book, time.time())


def with_errors(rows: Iterable[PricesOf], errors: Mapping[str, DuoyunError | None]) -> tuple[PricesOf, ...]:
    return tuple(replace(row, error=errors.get(row.place)) for row in rows)


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
