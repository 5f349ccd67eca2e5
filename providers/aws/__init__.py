"""AWS and AWS China: EC2 networks and instances, EKS, through boto3.

Callers: orchestrator's registration, by `open`. Importing this package costs nothing; boto3 comes with the first open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.base import Account, CloudProvider


def open(account: Account) -> CloudProvider:
    """An adapter for one account; no request is sent yet. Raises Unauthenticated where credentials are missing."""
    from providers.aws.provider import AwsProvider

    return AwsProvider(account)
