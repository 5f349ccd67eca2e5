"""Reading requests and writing answers: bodies, query options, Status, Tables.

Callers: the HTTP layer and the proxy.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from sandbox.kubernetes.api import Api, Deletion, Write
from sandbox.kubernetes.errors import ApiError, bad_request
from sandbox.kubernetes.kinds import ResourceKind
from sandbox.kubernetes.routes import Target, is_true
from sandbox.kubernetes.store import Object
from sandbox.kubernetes.tables import table
from sandbox.world import Fault

_BODY_LIMIT = 3 * 1024 * 1024

# -- reading requests ----------------------------------------------------------------------------------------------


async def read_body(request: web.BaseRequest) -> Any:
    """The body as data: JSON, or YAML for apply. {} where there is none. ApiError 400 or 413."""
    raw = await request.content.read(_BODY_LIMIT + 1)
    while len(raw) <= _BODY_LIMIT and not request.content.at_eof():
        raw += await request.content.read(_BODY_LIMIT + 1)
    if len(raw) > _BODY_LIMIT:
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_BODY_LIMIT}")
    if not raw.strip():
        return {}
    if request.content_type == "application/vnd.kubernetes.protobuf":
        raise ApiError(415, "UnsupportedMediaType", "protobuf is not spoken here; use application/json")
    try:
        return json.loads(raw)
    except ValueError as exc:
        if "yaml" not in request.content_type:
            raise bad_request(f"the body is no JSON: {exc}") from exc
    try:
        return yaml.load(raw, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as exc:
        raise bad_request(f"error decoding YAML: {exc}") from exc


def write_options(request: web.BaseRequest, target: Target) -> Write:
    query = request.query
    manager = query.get("fieldManager", "")
    if not manager and not request.content_type.startswith("application/apply-patch"):
        manager = re.split(r"[/\s]", request.headers.get("User-Agent", "unknown"), maxsplit=1)[0][:128]
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        raise bad_request(f'fieldValidation: Unsupported value: "{validation}"')
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise bad_request(f'dryRun: Unsupported value: "{dry_run}": supported values: "All"')
    return Write(manager, target.subresource, dry_run == "All", validation, is_true(query, "force"))


def delete_options(request: web.BaseRequest, body: Any) -> Deletion:
    options = body if isinstance(body, dict) else {}
    query, conditions = request.query, options.get("preconditions") or {}
    propagation = query.get("propagationPolicy") or options.get("propagationPolicy") or "Background"
    if propagation not in ("Background", "Foreground", "Orphan"):
        raise bad_request(f'propagationPolicy: Unsupported value: "{propagation}"')
    grace = query.get("gracePeriodSeconds", options.get("gracePeriodSeconds"))
    return Deletion(
        propagation=propagation,
        grace_s=None if grace is None else int(grace),
        uid=conditions.get("uid") or "",
        version=conditions.get("resourceVersion") or "",
        dry_run=bool(query.get("dryRun") or options.get("dryRun")),
    )


def list_token(last: Object) -> str:
    """The continue token after a page whose last object this is."""
    raw = json.dumps([last["metadata"].get("namespace", ""), last["metadata"]["name"]]).encode()
    return base64.urlsafe_b64encode(raw).decode()


def list_position(token: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error) as exc:
        raise bad_request("continue key is not valid") from exc
    return str(namespace), str(name)


def access_review(body: Any, user: str) -> Object:
    attributes = (body.get("spec") or {}).get("resourceAttributes") or {}
    reads = attributes.get("verb") in ("get", "list", "watch")
    review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
    return review | {"spec": body.get("spec") or {}, "status": {"allowed": reads or not user.startswith("reader:")}}


# -- writing answers -----------------------------------------------------------------------------------------------


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


def wants_table(request: web.BaseRequest) -> bool:
    return "as=Table" in request.headers.get("Accept", "")


def shaped(
    request: web.BaseRequest, kind: ResourceKind, obj: Object, api: Api, status: int = 200, write: Write | None = None
) -> web.Response:
    """The object, or its Table where the client asks for one; warnings as headers."""
    headers = (
        {"Warning": ", ".join(f'299 - "{_quoted(w)}"' for w in write.warnings)} if write and write.warnings else None
    )
    if wants_table(request) and request.method == "GET":
        items = obj.get("items", [obj])
        shown = table(kind, items, api.clock(), obj["metadata"].get("resourceVersion", ""))
        shown["metadata"] |= {k: v for k, v in obj["metadata"].items() if k in ("continue", "remainingItemCount")}
        return json_answer(shown)
    return json_answer(obj, status, headers)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def success(kind: ResourceKind, name: str, uid: str = "") -> Object:
    details = {"name": name, "kind": kind.plural} | ({"group": kind.group} if kind.group else {})
    details |= {"uid": uid} if uid else {}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def refusal(error: ApiError) -> web.Response:
    headers = {"Retry-After": str(max(1, round(error.retry_after_s)))} if error.retry_after_s is not None else None
    return json_answer(error.to_status(), error.code, headers)


_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired",
    422: "Invalid", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip


def fault_error(fault: Fault) -> ApiError:
    wait_s = 1.0 if fault.retry_after_s is None and fault.status == 429 else fault.retry_after_s
    reason = fault.code or _REASONS.get(fault.status, "InternalError")
    return ApiError(fault.status, reason, fault.message or reason, retry_after_s=wait_s)
