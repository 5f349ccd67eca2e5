"""Azure, global and 21Vianet, behind the provider protocol.

Callers: orchestrator's registration, by `open(account)`. Importing this package loads no SDK; opening does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.base import Account, CloudProvider


def open(account: Account) -> CloudProvider:
    """The adapter for one subscription. Raises Unauthenticated where no credential can be made; calls nothing."""
    from providers.azure.provider import AzureProvider

    return AzureProvider(account)
