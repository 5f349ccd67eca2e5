"""AWS's words for the sandbox's fault table, and the operations that a row may name.

Callers: sandbox.aws.server. Codes and statuses: EC2 API Reference, "Error codes"; EKS API Reference, "Common errors";
"Common errors" of the query services.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from sandbox.aws.wire import operations_of
from sandbox.gate import Words

_EC2: Words = {
    "throttled": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "quota": (
        400,
        "VcpuLimitExceeded",
        "You have requested more vCPU capacity than your current vCPU limit allows for the instance bucket that the "
        "specified instance type belongs to.",
    ),
    "capacity": (
        500,
        "InsufficientInstanceCapacity",
        "There is not enough capacity in the requested Availability Zone to fulfil the request.",
    ),
    "unavailable": (503, "Unavailable", "The server is overloaded and can't handle the request."),
    "internal": (500, "InternalError", "An internal error has occurred"),
    "forbidden": (403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
    "not_found": (400, "InvalidInstanceID.NotFound", "The instance ID does not exist"),
    "conflict": (400, "DependencyViolation", "The specified object has dependent resources."),
}
_EKS: Words = {
    "throttled": (400, "ThrottlingException", "Rate exceeded"),
    "quota": (400, "ResourceLimitExceededException", "You have reached a service limit for this resource."),
    "capacity": (
        400,
        "UnsupportedAvailabilityZoneException",
        "At least one of the Availability Zones does not support the cluster.",
    ),
    "unavailable": (503, "ServiceUnavailableException", "The service is unavailable. Back off and retry."),
    "internal": (500, "ServerException", "These errors are usually caused by a server-side issue."),
    "forbidden": (403, "AccessDeniedException", "You do not have sufficient access to perform this action."),
    "not_found": (404, "ResourceNotFoundException", "The specified resource could not be found."),
    "conflict": (409, "ResourceInUseException", "The specified resource is in use."),
}
_OTHERS: Words = {
    "throttled": (400, "Throttling", "Rate exceeded"),
    "quota": (409, "LimitExceeded", "The request was rejected because it attempted to create more than the limit."),
    "capacity": (500, "InsufficientInstanceCapacity", "There is not enough capacity to fulfil the request."),
    "unavailable": (503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
    "internal": (500, "InternalFailure", "The request processing has failed because of an unknown error."),
    "forbidden": (403, "AccessDenied", "You do not have sufficient access to perform this action."),
    "not_found": (404, "NoSuchEntity", "The entity was not found."),
    "conflict": (409, "EntityAlreadyExists", "The entity exists already, or is in use."),
}
SERVICES = (
    "ec2", "eks", "sts", "iam", "autoscaling", "elasticloadbalancing", "cloudtrail", "ssm", "kms", "route53", "ecr",
    "s3", "rds", "elasticache", "sqs", "sns", "acm", "tagging", "secretsmanager", "dynamodb", "kinesis",
    "pricing", "servicequotas",
)  # fmt: skip
"""Signing names, as requests and the fault table have them. moto serves more; what is here can be made to fail."""

_LIKE_EKS = frozenset({"eks", "ecr", "acm", "secretsmanager", "dynamodb", "kinesis", "pricing", "servicequotas"})
"""JSON services, whose errors end in Exception."""


def words(operation: str) -> Words:
    """By the service of `service:Operation`."""
    service = operation.partition(":")[0]
    return _EC2 if service == "ec2" else _EKS if service in _LIKE_EKS else _OTHERS


def operations(glob: str) -> Collection[str]:
    """`ec2:RunInstances` and so on, of the services that the glob's first part means; else what services there are."""
    wanted, colon, _ = glob.partition(":")
    if not colon:
        wanted = "*" if wanted.endswith("*") else wanted
    services = [name for name in SERVICES if fnmatchcase(name, wanted)]
    if not services:
        return [f"{name}:*" for name in SERVICES]
    return [f"{name}:{operation}" for name in services for operation in operations_of(name)]
