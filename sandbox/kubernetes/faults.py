"""Kubernetes' words for the sandbox's fault table, and the operations that a row may name.

Callers: sandbox.kubernetes.http and the app. Reasons and codes: metav1.Status.
"""

from __future__ import annotations

from collections.abc import Collection

from sandbox.gate import Words
from sandbox.kubernetes.kinds import KINDS

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WORDS: Words = {
    "throttled": (
        429,
        "TooManyRequests",
        "the server has received too many requests and has asked us to try again later",
    ),
    "quota": (403, "Forbidden", "exceeded quota"),
    "capacity": (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    "unavailable": (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    "internal": (500, "InternalError", "an error on the server has prevented the request from succeeding"),
    "forbidden": (403, "Forbidden", "the user cannot do this to the resource"),
    "not_found": (404, "NotFound", "the server could not find the requested resource"),
    "conflict": (
        409,
        "Conflict",
        "the object has been modified; please apply your changes to the latest version and try again",
    ),
}
_PATHS = ("/version", "/api", "/api/v1", "/apis", "/openapi/v2", "/openapi/v3", "/healthz", "/livez", "/readyz")


def operations() -> Collection[str]:
    """`POST deployments`, `PATCH deployments/scale`, `GET /version`."""
    resources = [
        name for kind in KINDS for name in (kind.plural, *(f"{kind.plural}/{sub}" for sub in kind.subresources))
    ]
    groups = sorted({f"/apis/{kind.group}/{kind.version}" for kind in KINDS if kind.group})
    return [
        *(f"{method} {resource}" for method in METHODS for resource in resources),
        *(f"GET {path}" for path in (*_PATHS, *groups)),
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    ]
