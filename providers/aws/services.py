"""Everything else that carries a tag, as the tagging API lists it: what has no kind of its own.

Callers: provider.py. Source: Resource Groups Tagging API Reference, GetResources: only what is or was tagged shows, so
this is no full inventory; settings are not known by it. Services with kinds of their own are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.resources import Kind, ManagedService, Observed
from providers.aws.listed import Listed, tags_of_pairs
from providers.aws.tags import logical_name, user_tags
from providers.base import Call

_OTHERS = frozenset(
    {"acm", "autoscaling", "cloudtrail", "dynamodb", "ec2", "ecr", "eks", "elasticache", "elasticloadbalancing", "iam",
     "kinesis", "kms", "rds", "redshift", "route53", "s3", "secretsmanager", "sns", "sqs"}
)  # fmt: skip
"""Services whose resources have kinds, or are parts of what has one."""
_SERVICES = {
    "lambda": "function", "cloudfront": "cdn", "elasticfilesystem": "file_system", "fsx": "file_system",
    "apigateway": "api_gateway", "es": "search", "logs": "log_store", "wafv2": "firewall", "ecs": "containers",
    "states": "workflow", "events": "event_bus", "backup": "backup", "glue": "data_pipeline",
    "cognito-idp": "directory",    "sagemaker": "machine_learning", "elasticmapreduce": "data_pipeline", "mq": "broker",
    "kafka": "broker",
}  # fmt: skip
"""Service of an ARN -> its class in the model's words."""


class ManagedServices(Listed):
    """By their Name tag, else by the last part of their ARN."""

    kind = Kind.MANAGED_SERVICE

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        rows = self.session.pages("resourcegroupstaggingapi", region, "get_resources", "ResourceTagMappingList", call)
        for row in rows:
            _, _, service, _, _, rest = row["ResourceARN"].split(":", 5)
            if service not in _OTHERS:
                yield self._observed(region, row, service, rest)

    def _observed(self, region: str, row: Mapping[str, Any], service: str, rest: str) -> Observed:
        arn, tags = row["ResourceARN"], tags_of_pairs(row.get("Tags"))
        what, _, last = rest.replace(":", "/").rpartition("/")
        return self.observed(
            region,
            ManagedService(
                name=logical_name(tags, last or rest),
                tags=user_tags(tags),
                service=_SERVICES.get(service, "other"),
                native_type=f"{service}:{what.partition('/')[0]}".rstrip(":"),
            ),
            arn,
            raw={"tags": tags},
        )
