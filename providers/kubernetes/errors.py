"""The one place where what a Kubernetes API answers becomes one of model.errors.

By HTTP status and `reason` of the Status object (kubernetes/apimachinery, pkg/apis/meta/v1/types.go, StatusReason).
Never raises; what it does not know becomes UnknownCloudError, whole.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException

from model.errors import (
    AlreadyExists,
    CallSite,
    CloudError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
    UnknownCloudError,
    Unreachable,
)
from providers.kubernetes.paths import from_kubernetes

_TEXT_MAX = 600
_QUOTA = re.compile(r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.+?), used: (?P<used>.+?), limited: ")
_CONFLICT_MANAGER = re.compile(r'conflicts? with "([^"]+)"')


def map_error(exc: BaseException, operation: str, site: CallSite | None = None) -> CloudError:
    """operation: `patch deployments shop/web`, in the words of RBAC: verb, resource, object."""
    base = site or CallSite()
    if isinstance(exc, CloudError):
        return exc
    if isinstance(exc, ApiException) and exc.status:
        return _by_status(exc, operation, base)
    if isinstance(exc, ApiException | urllib3.exceptions.HTTPError | OSError):
        return _unreachable(exc, operation, base)
    if isinstance(exc, ValueError):  # json.JSONDecodeError and UnicodeDecodeError are ValueErrors
        return Unreachable(
            f"{operation}: the answer is no JSON, so something else than a Kubernetes API answered",
            call=_site(base, operation, "", ""),
            detail=_short(str(exc)),
            mend="check the cluster's endpoint and proxy_url",
        )
    return UnknownCloudError(
        f"{operation}: {type(exc).__name__}", call=_site(base, operation, "", ""), detail=_short(str(exc))
    )


def status_body(exc: ApiException) -> Mapping[str, Any]:
    """The Status object of an answer; empty where the body is none."""
    body = exc.body
    try:
        parsed = json.loads(body) if body else {}
    except (ValueError, TypeError):
        return {}
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}


def retry_after_s(exc: ApiException) -> float | None:
    """The Retry-After header in seconds; None where absent or a date."""
    headers = exc.headers or {}
    value = next((v for k, v in headers.items() if str(k).lower() == "retry-after"), None)
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


def _by_status(exc: ApiException, operation: str, base: CallSite) -> CloudError:  # noqa: PLR0911  (a table)
    body = status_body(exc)
    code, reason = int(exc.status), str(body.get("reason") or "")
    said = _short(str(body.get("message") or exc.reason or ""))
    site = _site(base, operation, reason or str(code), _audit_id(exc))
    if code == 401:
        return Unauthenticated(
            f"{operation}: the cluster does not know us",
            call=site,
            detail=said,
            mend="check the account's credential, and that it may use this cluster",
        )
    if code == 403:
        return _forbidden(body, operation, said, site)
    if code == 404:
        return NotFound(f"{operation}: not found", call=site, detail=said)
    if code == 409:
        return _conflict(body, operation, reason, said, site)
    if code in (400, 405, 406, 413, 415, 422):
        causes = _causes(body)
        return InvalidRequest(f"{operation}: refused as invalid", call=site, detail="\n".join([said, *causes]).strip())
    if code == 429:
        return Throttled(f"{operation}: throttled", call=site, detail=said, retry_after_s=retry_after_s(exc))
    if code == 410:
        return Conflict(f"{operation}: the state asked for is no longer kept", call=site, detail=said)
    if code >= 500 or code == 408:
        return Transient(f"{operation}: the API server stumbled ({code})", call=site, detail=said)
    return UnknownCloudError(f"{operation}: unexpected answer {code}", call=site, detail=said)


def _forbidden(body: Mapping[str, Any], operation: str, said: str, site: CallSite) -> CloudError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in _cause_rows(body)):
        return Transient(f"{operation}: the namespace is still being deleted", call=site, detail=said)
    quota = _QUOTA.search(said)
    if quota is not None:
        return QuotaExceeded(
            f"{operation}: quota {quota['quota']} of the namespace is exhausted",
            call=site,
            detail=said,
            quota=quota["quota"],
            mend="raise the ResourceQuota, or ask for less",
        )
    verb, _, rest = operation.partition(" ")
    return Forbidden(
        f"not allowed to {operation}",
        call=site,
        detail=said,
        mend=f"grant the verb {verb} on {rest.split(' ')[0]} by a Role or ClusterRole",
    )


def _conflict(body: Mapping[str, Any], operation: str, reason: str, said: str, site: CallSite) -> CloudError:
    if reason == "AlreadyExists":
        return AlreadyExists(f"{operation}: exists already", call=site, detail=said)
    fields = []
    for cause in _cause_rows(body):
        if cause.get("reason") == "FieldManagerConflict":
            manager = _CONFLICT_MANAGER.search(str(cause.get("message", "")))
            fields.append(
                f"{from_kubernetes(str(cause.get('field', '')))} is owned by {manager[1] if manager else '?'}"
            )
    if fields:
        return Conflict(
            f"{operation}: {'; '.join(fields)}",
            call=site,
            detail=said,
            mend="leave the field to that manager, or take it over with --take-over",
        )
    return Conflict(f"{operation}: changed by somebody else meanwhile", call=site, detail=said)


def _unreachable(exc: BaseException, operation: str, base: CallSite) -> Unreachable:
    text = _short(str(exc.reason if isinstance(exc, ApiException) else exc))
    mend = "check the network, the cluster's endpoint and proxy_url"
    if "SSL" in type(exc).__name__ or isinstance(exc, ssl.SSLError) or "certificate" in text.lower():
        mend = "the TLS certificate does not hold: check ca_bundle, the endpoint's name and the clock"
    return Unreachable(
        f"{operation}: no answer from the cluster ({type(exc).__name__})",
        call=_site(base, operation, "", ""),
        detail=text,
        mend=mend,
    )


def _site(base: CallSite, operation: str, code: str, request_id: str) -> CallSite:
    return CallSite(
        cloud=base.cloud,
        account=base.account,
        region=base.region,
        operation=operation,
        request_id=request_id,
        code=code,
    )


def _audit_id(exc: ApiException) -> str:
    return next((str(v) for k, v in (exc.headers or {}).items() if str(k).lower() == "audit-id"), "")


def _cause_rows(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = body.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    return [c for c in causes or () if isinstance(c, Mapping)]


def _causes(body: Mapping[str, Any]) -> list[str]:
    return [f"{c.get('field') or '?'}: {_short(str(c.get('message', '')))}" for c in _cause_rows(body)]


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}..."
