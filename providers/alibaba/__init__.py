"""Alibaba Cloud: VPC, vSwitch, security group, ACK cluster and node pool, ECS instance.

Callers: orchestrator, through `open`. The SDK is imported on the first call, not here.
"""

from __future__ import annotations

from providers.base import Account, CloudProvider

__project__ = "duoyun"


def open(account: Account) -> CloudProvider:
    """The adapter of one account. Raises InvalidRequest for an endpoint that is neither https nor loopback."""
    from providers.alibaba.provider import AlibabaProvider

    return AlibabaProvider(account)
