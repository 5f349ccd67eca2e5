"""What the API refuses, as Kubernetes words it: an exception that becomes a `Status` body.

Reasons and codes: kubernetes.io/docs/reference/using-api/api-concepts and metav1.Status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.kinds import ResourceKind


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of an Invalid or Conflict answer. field like `spec.template.spec.containers[0].image`."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        body = {"reason": self.reason, "message": self.message}
        return body | ({"field": self.field} if self.field else {})


class ApiError(Exception):
    """A refusal. code is the HTTP status, reason the machine-readable word of metav1.Status."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        kind: ResourceKind | None = None,
        name: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.kind, self.name, self.causes, self.retry_after_s = kind, name, causes, retry_after_s
        self.token = ""  # with which an expired list may go on

    def to_status(self) -> dict[str, Any]:
        details: dict[str, Any] = {}
        if self.name:
            details["name"] = self.name
        if self.kind is not None:
            if self.kind.group:
                details["group"] = self.kind.group
            # Invalid names the kind, the others the resource; the real API does so too.
            details["kind"] = self.kind.kind if self.reason == "Invalid" else self.kind.plural
        if self.causes:
            details["causes"] = [c.to_dict() for c in self.causes]
        if self.retry_after_s is not None:
            details["retryAfterSeconds"] = max(1, round(self.retry_after_s))
        meta = {"continue": self.token} if self.token else {}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": meta, "status": "Failure", "message": self.message}
        return status | {"reason": self.reason} | ({"details": details} if details else {}) | {"code": self.code}


def not_found(kind: ResourceKind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{kind.qualified} "{name}" not found', kind=kind, name=name)


def unknown_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(kind: ResourceKind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', kind=kind, name=name)


def stale(kind: ResourceKind, name: str) -> ApiError:
    message = (
        f'Operation cannot be fulfilled on {kind.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, kind=kind, name=name)


def invalid(kind: ResourceKind, name: str, causes: list[Cause]) -> ApiError:
    parts = [f"{c.field}: {c.message}" for c in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    where = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return ApiError(422, "Invalid", f'{where} "{name}" is invalid: {text}', kind=kind, name=name, causes=tuple(causes))


def invalid_options(options: str, causes: list[Cause]) -> ApiError:
    """422 for the query of a request, as the real API tells of its ListOptions, PatchOptions and the like."""
    parts = [f"{c.field}: {c.message}" for c in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    return ApiError(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: {text}', causes=tuple(causes))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def forbidden(message: str, kind: ResourceKind | None = None, name: str = "", cause: Cause | None = None) -> ApiError:
    return ApiError(403, "Forbidden", message, kind=kind, name=name, causes=(cause,) if cause else ())


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unavailable(message: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", message)
