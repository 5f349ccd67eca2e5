"""Which clouds there are: the one table that a fourth cloud adds a row to.

Callers: targets.py. Modules are named, not imported, so that a command pays only for the SDKs it uses.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from model.errors import NotBuiltYet
from model.terraform import TableSource

if TYPE_CHECKING:
    from model.terraform import CloudTable
    from providers.base import Account, CloudProvider


@dataclass(frozen=True, slots=True)
class Cloud:
    """module: has `open(account) -> CloudProvider`. extra: what to install where its SDK is missing.

    terraform: module whose `TERRAFORM` says what its Terraform types mean (model.terraform.CloudTable); "" for none.
    prefix: how those types begin. spot_taint: `key=value:Effect` that the cloud itself puts on spot nodes of managed
    clusters; "" where it puts none. node_pools: how many a cluster may have there before somebody asks for more.
    """

    module: str
    extra: str
    title: str
    terraform: str = ""
    prefix: str = ""
    spot_taint: str = ""
    node_pools: int = 100


CLOUDS = {
    "aws": Cloud("providers.aws", "aws", "AWS", "providers.aws.terraform", "aws_", node_pools=30),
    "azure": Cloud(
        "providers.azure",
        "azure",
        "Azure",
        "providers.azure.terraform",
        "azurerm_",
        spot_taint="kubernetes.azure.com/scalesetpriority=spot:NoSchedule",
    ),
    "alibaba": Cloud("providers.alibaba", "alibaba", "Alibaba Cloud", "providers.alibaba.terraform", "alicloud_"),
}

PARTITION_TITLES = {
    "aws": "AWS",
    "aws-cn": "AWS China",
    "azure": "Azure",
    "azure-cn": "Azure China (21Vianet)",
    "alibaba-cn": "Alibaba Cloud mainland",
    "alibaba-intl": "Alibaba Cloud international",
}


def open_cloud(account: Account) -> CloudProvider:
    """The adapter for an account's cloud. Raises NotBuiltYet where its SDK is not installed."""
    cloud = CLOUDS[account.cloud]
    try:
        module = importlib.import_module(cloud.module)
        return cast("CloudProvider", module.open(account))
    except ModuleNotFoundError as exc:
        raise NotBuiltYet(
            f"account {account.name} needs {cloud.title}'s SDK ({exc.name}), which is not installed",
            mend=f"pip install 'duoyun[{cloud.extra}]'",
        ) from exc


def terraform_tables() -> tuple[CloudTable, ...]:
    """What the Terraform types of every cloud mean. Imports no SDK."""
    return tuple(source.open() for source in terraform_sources())


def terraform_sources() -> tuple[TableSource, ...]:
    """Where policies.loaders gets these tables: each is imported only where an input needs it."""
    return tuple(TableSource(c.prefix, partial(_table, c.terraform)) for c in CLOUDS.values() if c.terraform)


def _table(module: str) -> CloudTable:
    return cast("CloudTable", importlib.import_module(module).TERRAFORM)


def terraform_prefix(cloud: str) -> str:
    """How a cloud's Terraform types begin; "" where it has none."""
    known = CLOUDS.get(cloud)
    return known.prefix if known else ""
