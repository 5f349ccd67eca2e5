"""Alibaba Cloud's requests and words for the sandbox's fault table. Caller: sandbox.alibaba.server.

Codes: the error tables of ECS, VPC and ACK in the documentation, and error-center.alibabacloud.com.
"""

from __future__ import annotations

from sandbox.alibaba.wire import Raw
from sandbox.gate import Asked, Words

_RPC: Words = {
    "throttled": (400, "Throttling.User", "Request was denied due to user flow control."),
    "quota": (403, "QuotaExceed.ElasticQuota", "The number of vCPUs exceeds the quota of your account."),
    "capacity": (403, "OperationDenied.NoStock", "The requested resource is sold out in the specified zone."),
    "unavailable": (503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
    "internal": (500, "InternalError", "The request processing has failed due to some unknown error."),
    "forbidden": (403, "Forbidden.RAM", "User not authorized to operate on the specified resource."),
    "not_found": (404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist."),
    "conflict": (403, "IncorrectInstanceStatus", "The current status of the resource does not support this operation."),
}
_ACK: Words = {
    **_RPC,
    "quota": (403, "QuotaExceeded.Cluster", "The quota of clusters is exceeded."),
    "not_found": (404, "ErrorClusterNotFound", "The cluster is not found."),
    "conflict": (409, "ErrorClusterState", "The state of the cluster does not allow this operation."),
}


def words(operation: str) -> Words:
    """By the service of `service:Action`."""
    return _ACK if operation.startswith("cs:") else _RPC


_SIGNED = ("Signature", "Timestamp", "AccessKeyId", "SecurityToken", "UserData")
_SECRET = ("SecretData", "Password", "AccountPassword", "PrivateKey", "Key")
"""Parameters that say who asks and when, by how they begin, or hold secrets: no part of what is asked."""


def asked(raw: Raw, operation: str, write: bool, key_id: str) -> Asked:
    """The request as the fault table sees it."""
    what = " ".join(
        f"{k}={v}" for k, v in sorted(raw.params().values.items()) if not k.startswith(_SIGNED) and k not in _SECRET
    )
    detail = what if raw.is_rpc else f"{raw.path} {what} {raw.body.decode('utf-8', 'replace')[:2000]}"
    return Asked("alibaba", operation, detail, write, f"{operation} {key_id} {detail}")
