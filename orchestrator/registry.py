"""Which clouds there are: the one table that a fourth cloud adds a row to.

Callers: targets.py. Modules are named, not imported, so that a command pays only for the SDKs it uses.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import cast

from model.errors import NotBuiltYet
from model.terraform import CloudTable
from providers.base import Account, CloudProvider


@dataclass(frozen=True, slots=True)
class Cloud:
    """module: has `open(account) -> CloudProvider`. extra: what to install where its SDK is missing.

    terraform: module whose `TERRAFORM` says what its Terraform types mean (model.terraform.CloudTable); "" for none.
    """

    module: str
    extra: str
    title: str
    terraform: str = ""


CLOUDS = {
    "aws": Cloud("providers.aws", "aws", "AWS", "providers.aws.terraform"),
    "azure": Cloud("providers.azure", "azure", "Azure", "providers.azure.terraform"),
    "alibaba": Cloud("providers.alibaba", "alibaba", "Alibaba Cloud", "providers.alibaba.terraform"),
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
        return cast(CloudProvider, module.open(account))
    except ModuleNotFoundError as exc:
        raise NotBuiltYet(
            f"account {account.name} needs {cloud.title}'s SDK ({exc.name}), which is not installed",
            mend=f"pip install 'duoyun[{cloud.extra}]'",
        ) from exc


def terraform_tables() -> tuple[CloudTable, ...]:
    """What the Terraform types of every cloud mean; for policies.loaders. Imports no SDK."""
    modules = (cloud.terraform for cloud in CLOUDS.values())
    return tuple(cast(CloudTable, importlib.import_module(m).TERRAFORM) for m in modules if m)


def terraform_prefix(cloud: str) -> str:
    """How a cloud's Terraform types begin; "" where it has none. Imports no SDK."""
    known = CLOUDS.get(cloud)
    if known is None or not known.terraform:
        return ""
    return cast(CloudTable, importlib.import_module(known.terraform).TERRAFORM).prefix
