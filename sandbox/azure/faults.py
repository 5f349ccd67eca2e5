"""Azure's words for the sandbox's fault table, and the operations that a row may name. Caller: sandbox.azure.server.

Codes: learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors and
.../management/request-limits-and-throttling.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sandbox.azure.kinds import ResourceKind
from sandbox.gate import Words

RETAIL = "GET retail/prices"
"""Price list and price sheet, which are no resources of a subscription."""
_METHODS = ("GET", "PUT", "PATCH", "DELETE")
WORDS: Words = {
    "throttled": (
        429,
        "TooManyRequests",
        "The request is being throttled as the limit has been reached for operation type on this subscription.",
    ),
    "quota": (409, "QuotaExceeded", "Operation could not be completed as it results in exceeding approved quota."),
    "capacity": (
        409,
        "AllocationFailed",
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this region.",
    ),
    "unavailable": (503, "ServiceUnavailable", "The service is unavailable now, retry the request after some time."),
    "internal": (500, "InternalServerError", "An internal server error occurred."),
    "forbidden": (403, "AuthorizationFailed", "The client does not have authorization to perform the action."),
    "not_found": (404, "ResourceNotFound", "The Resource was not found."),
    "conflict": (409, "Conflict", "Another operation on this resource is in progress."),
}


def operations(kinds: Iterable[ResourceKind]) -> Collection[str]:
    """`PUT Microsoft.Compute/virtualMachines`, `POST .../start`, and the resource groups."""
    found = [f"{method} Microsoft.Resources/resourceGroups" for method in _METHODS]
    namespaces = {"Microsoft.Resources"}
    for kind in kinds:
        namespaces.add(kind.type.partition("/")[0])
        methods = [m for m in _METHODS if m != "PATCH" or kind.patchable] if kind.writable else ["GET"]
        found += [f"{method} {kind.type}" for method in methods]
        found += [f"POST {kind.type}/{action}" for action in kind.actions]
    for namespace in sorted(namespaces):
        found += [f"GET {namespace}/locations", f"GET {namespace}/locations/operations"]
    found += ["GET Microsoft.Compute/skus", "GET Microsoft.Compute/locations/usages"]
    return [*found, "GET Microsoft.Insights/eventtypes/values", "GET Microsoft.Authorization/permissions", RETAIL]
