"""What the types of hashicorp/azurerm mean in the model: one table of all of them.

Callers: orchestrator.registry. Imports no SDK.
"""

from __future__ import annotations

from model.terraform import CloudTable, table
from providers.azure import (
    terraform_convert,
    terraform_convert_more,
    terraform_convert_network,
    terraform_keys,
    terraform_network,
    terraform_services,
    terraform_stores,
)

TERRAFORM = CloudTable(
    prefix="azurerm_",
    types=table(terraform_network.TYPES, terraform_stores.TYPES, terraform_keys.TYPES, terraform_services.TYPES),
    converters={
        **terraform_convert.CONVERTERS,
        **terraform_convert_network.CONVERTERS,
        **terraform_convert_more.CONVERTERS,
    },
    place=terraform_convert.place,
)
