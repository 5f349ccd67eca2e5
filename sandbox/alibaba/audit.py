"""Actiontrail 2020-07-06 LookupEvents, with the events that it tells about.

Callers: sandbox/alibaba/server.py, which records every write that was executed. Events are visible at once; in life
it takes up to ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.alibaba.state import EVENT_LIMIT, Ctx, iso
from sandbox.alibaba.sts import identity
from sandbox.alibaba.wire import ApiError

_HIDDEN = ("UserData", "Password", "AccountPassword", "SecretData", "Key", "Cert", "PrivateKey")


def record(ctx: Ctx, service: str, action: str, request_id: str, headers: Mapping[str, str]) -> None:
    """Writes one event. What is secret or long in the parameters stays out."""
    who, account = identity(ctx.caller), ctx.caller.account.account_id
    parameters = {k: v for k, v in ctx.params.values.items() if k not in _HIDDEN}
    referenced: dict[str, list[str]] = {}
    for kind, resource_id in ctx.touched:
        referenced.setdefault(kind, []).append(resource_id)
    ctx.estate.events.append(
        {
            "eventId": request_id,
            "requestId": request_id,
            "eventName": action,
            "eventTime": iso(time.time()),
            "eventType": "ApiCall",
            "eventRW": "Write",
            "eventVersion": "1",
            "eventSource": f"{service.lower()}.aliyuncs.com",
            "serviceName": service,
            "acsRegion": ctx.region,
            "apiVersion": headers.get("x-acs-version", ""),
            "sourceIpAddress": "127.0.0.1",
            "userAgent": headers.get("user-agent", ""),
            "userIdentity": {**who, "accountId": account, "accessKeyId": ctx.caller.key_id},
            "requestParameters": parameters,
            "referencedResources": referenced,
            "resourceType": ",".join(referenced),
            "resourceName": ",".join(i for ids in referenced.values() for i in ids),
        }
    )
    del ctx.estate.events[:-EVENT_LIMIT]


_ATTRIBUTES: dict[str, Callable[[dict[str, Any], str], bool]] = {
    "ServiceName": lambda e, v: bool(e["serviceName"].lower() == v.lower()),
    "EventName": lambda e, v: bool(e["eventName"] == v),
    "EventId": lambda e, v: bool(e["eventId"] == v),
    "EventRW": lambda e, v: v in ("All", e["eventRW"]),
    "User": lambda e, v: bool(e["userIdentity"]["userName"] == v),
    "EventAccessKeyId": lambda e, v: bool(e["userIdentity"]["accessKeyId"] == v),
    "ResourceType": lambda e, v: v in e["referencedResources"],
    "ResourceName": lambda e, v: any(v in ids for ids in e["referencedResources"].values()),
}


def lookup_events(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    now = time.time()
    since, until = _time(p.get("StartTime"), now - 7 * 86400), _time(p.get("EndTime"), now)
    if until < since:
        raise ApiError(400, "InvalidTimeRange", "The StartTime must be earlier than the EndTime.")
    wanted = [(a.get("Key", ""), a.get("Value", "")) for a in p.structs("LookupAttribute")]
    unknown = [key for key, _ in wanted if key not in _ATTRIBUTES]
    if unknown:
        raise ApiError(400, "InvalidLookupAttribute", f"The LookupAttribute {unknown[0]} is not valid.")
    rows = [
        e
        for e in ctx.estate.events
        if e["acsRegion"] == ctx.region
        and since <= _time(e["eventTime"], 0.0) <= until + 1.0
        and all(_ATTRIBUTES[key](e, value) for key, value in wanted)
    ]
    if p.get("Direction", "BACKWARD") == "BACKWARD":
        rows.reverse()
    size = p.integer("MaxResults", 20, low=1, high=50)
    start = int(p.get("NextToken") or 0) if p.get("NextToken", "0").isdigit() else 0
    more = str(start + size) if start + size < len(rows) else ""
    return {"Events": rows[start : start + size], "NextToken": more, "StartTime": iso(since), "EndTime": iso(until)}


def _time(text: str, default: float) -> float:
    if not text:
        return default
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as exc:
        raise ApiError(400, "InvalidTime", f"The specified time {text} is not valid: use UTC ISO 8601.") from exc
