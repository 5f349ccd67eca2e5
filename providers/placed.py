"""Errors say where: cloud, account, region and operation are filled in where a failure leaves an adapter.

Callers: the clouds' adapters, one decorator on each method of the protocol. What an error says already stays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

from model.errors import CloudError
from model.resources import Address, Kind, Observed
from providers.base import Account

F = TypeVar("F", bound=Callable[..., Any])


def placed(method: F) -> F:
    """For methods of a Provider whose first argument is an address, something observed, or a kind and a region."""

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        first = args[0]
        address = first.address if isinstance(first, Observed) else first if isinstance(first, Address) else None
        region = address.region if address is not None else str(args[1])
        kind = first if isinstance(first, Kind) else address.kind if address is not None else ""
        operation = f"{method.__name__} {kind}"
        with placing(self.account, region, operation, address):
            result = method(self, *args, **kwargs)
        if isinstance(result, Iterator):
            return _each(result, self.account, region, operation)
        return result

    return cast(F, run)


def _each(rows: Iterator[Any], account: Account, region: str, operation: str) -> Iterator[Any]:
    """Pages are fetched while somebody iterates."""
    with placing(account, region, operation, None):
        yield from rows


@contextmanager
def placing(account: Account, region: str, operation: str, address: Address | None) -> Iterator[None]:
    """Completes every CloudError that passes through."""
    try:
        yield
    except CloudError as exc:
        said = exc.call
        whole = replace(
            said,
            cloud=said.cloud or account.cloud,
            account=said.account or account.name,
            region=said.region or region,
            operation=said.operation or operation,
        )
        exc.detail = exc.detail.replace(str(said), str(whole)) if str(said) else exc.detail or str(whole)
        exc.call = whole
        exc.address = exc.address or (str(address) if address is not None else "")
        raise
