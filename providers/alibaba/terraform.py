"""What the types of aliyun/alicloud mean in the model: one table of all of them.

Callers: orchestrator.registry. Imports no SDK.
"""

from __future__ import annotations

from model.terraform import CloudTable, table
from providers.alibaba import terraform_ask, terraform_convert, terraform_network, terraform_services, terraform_stores

TERRAFORM = CloudTable(
    prefix="alicloud_",
    types=table(terraform_network.TYPES, terraform_stores.TYPES, terraform_services.TYPES),
    converters={**terraform_convert.CONVERTERS, **terraform_ask.CONVERTERS},
    place=terraform_convert.place,
)
