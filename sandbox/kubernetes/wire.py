"""What a request's query says of a write, and answers: objects, Tables, Status.

Callers: the HTTP layer. Bodies are read in bodies.py, lists in listing.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from sandbox.kubernetes.api import Api, Deletion, Write
from sandbox.kubernetes.bodies import APPLY, Body
from sandbox.kubernetes.errors import ApiError, Cause, bad_request, invalid_options
from sandbox.kubernetes.kinds import ResourceKind
from sandbox.kubernetes.negotiation import PARTIAL, TABLE, Wanted
from sandbox.kubernetes.routes import Target, is_true
from sandbox.kubernetes.store import Object
from sandbox.kubernetes.tables import table
from sandbox.world import Fault

_LONGEST_MANAGER = 128
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
_PROPAGATION = ("Background", "Foreground", "Orphan")

# -- reading requests ----------------------------------------------------------------------------------------------


def write_options(request: web.BaseRequest, target: Target, body: Body) -> Write:
    """ApiError 422 where an option is none, or does not fit the request."""
    query, applies = request.query, body.media_type == APPLY
    manager = query.get("fieldManager", "")
    causes = _unsupported("fieldValidation", query.get("fieldValidation", ""), ("Ignore", "Warn", "Strict"))
    causes += _unsupported("dryRun", query.get("dryRun", ""), ("All",))
    if len(manager) > _LONGEST_MANAGER or not manager.isprintable():
        text = f'Invalid value: "{manager}": must be printable and of at most {_LONGEST_MANAGER} bytes'
        causes.append(Cause("FieldValueInvalid", text, "fieldManager"))
    if applies and not manager:
        causes.append(Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager"))
    if request.method == "PATCH" and "force" in query and not applies:
        text = "Forbidden: may not be specified for non-apply patch"
        causes.append(Cause("FieldValueForbidden", text, "force"))
    if causes:
        raise invalid_options(_OPTIONS.get(request.method, "UpdateOptions"), causes)
    if not manager:
        manager = re.split(r"[/\s]", request.headers.get("User-Agent", "unknown"), maxsplit=1)[0][:_LONGEST_MANAGER]
    return Write(
        manager=manager,
        subresource=target.subresource,
        dry_run=query.get("dryRun", "") == "All",
        validation=query.get("fieldValidation", "") or "Warn",
        force=is_true(query, "force"),
        duplicates=body.duplicates,
    )


def _unsupported(field: str, value: str, supported: tuple[str, ...]) -> list[Cause]:
    if value in ("", *supported):
        return []
    names = ", ".join(f'"{s}"' for s in supported)
    return [Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {names}', field)]


def delete_options(request: web.BaseRequest, body: Any) -> Deletion:
    """From the body and the query; the query counts. ApiError 400 or 422 where an option is none."""
    options, query = {} if body is None else body, request.query
    if not isinstance(options, dict) or not isinstance(options.get("preconditions") or {}, dict):
        raise bad_request("the body is no DeleteOptions object")
    conditions = options.get("preconditions") or {}
    said = query.get("propagationPolicy") or options.get("propagationPolicy") or ""
    orphans = query.get("orphanDependents", options.get("orphanDependents"))
    causes = _unsupported("propagationPolicy", str(said), _PROPAGATION)
    dry_run = query.getall("dryRun", []) or options.get("dryRun") or []
    for value in dry_run if isinstance(dry_run, list) else [dry_run]:
        causes += _unsupported("dryRun", str(value), ("All",))
    if said and orphans is not None:
        causes.append(Cause("FieldValueForbidden", "Forbidden: orphanDependents is given as well", "propagationPolicy"))
    if causes:
        raise invalid_options("DeleteOptions", causes)
    if not said and orphans is not None:
        said = "Orphan" if str(orphans).lower() in ("1", "t", "true") else "Background"
    return Deletion(
        propagation=str(said) or "Background",
        grace_s=_grace_s(query.get("gracePeriodSeconds", options.get("gracePeriodSeconds"))),
        uid=str(conditions.get("uid") or ""),
        version=str(conditions.get("resourceVersion") or ""),
        dry_run=bool(dry_run),
    )


def _grace_s(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,18}", str(value)):
        raise bad_request(f'gracePeriodSeconds: strconv.ParseInt: parsing "{value}": invalid syntax')
    return int(value) if int(value) >= 0 else 1


# -- writing answers -----------------------------------------------------------------------------------------------


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


def yaml_answer(body: Any, status: int = 200) -> web.Response:
    text = yaml.dump(body, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return web.Response(text=text, status=status, content_type="application/yaml")


def formed(kind: ResourceKind, obj: Object, api: Api, wanted: Wanted, include: str = "") -> Object:
    """An object or list in the form that is wanted. include: a Table's includeObject."""
    meta = obj["metadata"]
    if wanted.shape == TABLE:
        shown = table(kind, obj.get("items", [obj]), api.clock(), meta.get("resourceVersion", ""), include)
        shown["apiVersion"] = f"meta.k8s.io/{wanted.version}"
        shown["metadata"] |= {k: v for k, v in meta.items() if k in ("continue", "remainingItemCount")}
        return shown
    if wanted.shape == PARTIAL:
        head = {"apiVersion": f"meta.k8s.io/{wanted.version}", "metadata": meta}
        if "items" not in obj:
            return {"kind": "PartialObjectMetadata", **head}
        items = [{"metadata": o["metadata"]} for o in obj["items"]]
        return {"kind": "PartialObjectMetadataList", **head, "items": items}
    return obj


def shaped(
    request: web.BaseRequest,
    wanted: Wanted,
    kind: ResourceKind,
    obj: Object,
    api: Api,
    status: int = 200,
    write: Write | None = None,
) -> web.Response:
    """The object or list as the client wants it; warnings as headers."""
    include = request.query.get("includeObject", "")
    if include not in ("", "None", "Metadata", "Object"):
        raise bad_request(f"unrecognized includeObject value: {include!r}")
    shown = formed(kind, obj, api, wanted, include)
    answer = yaml_answer(shown, status) if wanted.yaml else json_answer(shown, status)
    for warning in write.warnings if write else ():
        answer.headers.add("Warning", f'299 - "{_quoted(warning)}"')
    return answer


def _quoted(text: str) -> str:
    clean = re.sub(r"[\r\n\x00-\x1f]", " ", text)
    return clean.replace("\\", "\\\\").replace('"', '\\"')


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
