"""What the types of hashicorp/aws mean in the model: one table of all of them.

Callers: orchestrator.registry. Imports no SDK.
"""

from __future__ import annotations

from model.terraform import CloudTable, table
from providers.aws import (
    terraform_ask,
    terraform_ask_more,
    terraform_ask_stores,
    terraform_buckets,
    terraform_compute,
    terraform_convert,
    terraform_network,
    terraform_security,
    terraform_services,
    terraform_stores,
)

TERRAFORM = CloudTable(
    prefix="aws_",
    types=table(
        terraform_network.TYPES,
        terraform_compute.TYPES,
        terraform_buckets.TYPES,
        terraform_stores.TYPES,
        terraform_security.TYPES,
        terraform_services.TYPES,
    ),
    converters={
        **terraform_ask.CONVERTERS,
        **terraform_ask_stores.CONVERTERS,
        **terraform_ask_more.CONVERTERS,
        **terraform_convert.CONVERTERS,
    },
    place=terraform_convert.place,
    default_tags=terraform_convert.default_tags,
)
