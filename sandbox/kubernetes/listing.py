"""Lists: which state they show, in which pages. Pure but for the store it reads.

Callers: the HTTP layer. Meaning of resourceVersion, resourceVersionMatch, limit and continue:
kubernetes.io/docs/reference/using-api/api-concepts, "Semantics for get and list" and "Retrieving large results sets".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.errors import ApiError, Cause, bad_request, expired, invalid_options
from sandbox.kubernetes.kinds import ResourceKind
from sandbox.kubernetes.store import Key, Object, Store, key_of

EXACT, NOT_OLDER = "Exact", "NotOlderThan"
Matches = Callable[[Mapping[str, Any]], bool]


def number(query: Mapping[str, str], name: str) -> int:
    """A query's integer, 0 where it is not given. ApiError 400 where it is none."""
    text = query.get(name, "")
    if text and not text.lstrip("+-").isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text or 0)


def resource_version(query: Mapping[str, str]) -> int:
    """0 where it is not given. ApiError 400 where it is no number."""
    text = query.get("resourceVersion", "")
    if text and not text.isdecimal():
        raise bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}"')
    return int(text or 0)


def too_large(wanted: int, current: int) -> ApiError:
    """504 for a version that does not exist yet: the client asks again."""
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {wanted}, current: {current}",
        causes=(Cause("ResourceVersionTooLarge", "Too large resource version"),),
        retry_after_s=1,
    )


@dataclass(frozen=True, slots=True)
class ListOptions:
    """From the query. version 0: the newest; exact: that very version and no later one. after: where to go on."""

    version: int = 0
    exact: bool = False
    limit: int = 0
    after: Key | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> ListOptions:
        """ApiError 400 or 422 where they do not fit together."""
        version, limit = resource_version(query), max(0, number(query, "limit"))
        match, token = query.get("resourceVersionMatch", ""), query.get("continue", "")
        causes = []
        where = "resourceVersionMatch"
        if match:
            if not query.get("resourceVersion"):
                causes.append(_forbidden(where, f"{where} is forbidden unless resourceVersion is provided"))
            if token:
                causes.append(_forbidden(where, f"{where} is forbidden when continue is provided"))
            if match not in (EXACT, NOT_OLDER):
                supported = f'supported values: "{EXACT}", "{NOT_OLDER}"'
                causes.append(Cause("FieldValueNotSupported", f'Unsupported value: "{match}": {supported}', where))
            if match == EXACT and query.get("resourceVersion") == "0":
                causes.append(_forbidden(where, f'{where} "exact" is forbidden for resourceVersion "0"'))
        if query.get("sendInitialEvents"):
            causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
        if causes:
            raise invalid_options("ListOptions", causes)
        if token:
            if version:
                raise bad_request("specifying resource version is not allowed when using continue")
            version, after = _position(token)
            return cls(version, version > 0, limit, after)
        # A page of a version, without saying how it is meant, means that very version (documented as legacy).
        return cls(version, match == EXACT or (not match and limit > 0 and version > 0), limit)


def _forbidden(field: str, text: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {text}", field)


def _token(version: int, last: Key) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": last}, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _position(token: str) -> tuple[int, Key]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = found["start"]
        return int(found["rv"]), (str(namespace), str(name))
    except (ValueError, TypeError, KeyError, binascii.Error) as exc:
        raise bad_request(f"continue key is not valid: {exc}") from exc


def page(
    store: Store, kind: ResourceKind, namespace: str, matches: Matches, options: ListOptions, *, filtered: bool
) -> Object:
    """A List. filtered: a selector bears on it, so that how many remain is not told.

    ApiError 410 where that version is forgotten (after a page: with a token to go on inconsistently), 504 where it
    is not reached yet.
    """
    if options.version > store.version:
        raise too_large(options.version, store.version)
    version = options.version if options.exact else store.version
    objects: Sequence[Object] = store.list(kind, namespace)
    if version < store.version:
        try:
            objects = store.list_at(kind, version, namespace)
        except ApiError as exc:
            if options.after is None:
                raise
            raise _stale_token(options.after) from exc
    found = [o for o in objects if matches(o) and (options.after is None or key_of(o) > options.after)]
    meta: Object = {"resourceVersion": str(version)}
    if 0 < options.limit < len(found):
        if not filtered:
            meta["remainingItemCount"] = len(found) - options.limit
        found = found[: options.limit]
        meta["continue"] = _token(version, key_of(found[-1]))
    items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
    return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}


def _stale_token(after: Key) -> ApiError:
    error = expired("The continue parameter is too old for a consistent list: begin anew, or go on with this token.")
    error.token = _token(0, after)
    return error
