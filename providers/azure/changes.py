"""Who changed a resource: Azure's activity log, which no installed SDK reads.

Callers: provider.py. Source: learn.microsoft.com/rest/api/monitor/activity-logs/list (90 days are kept; entries appear
within minutes).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from model.resources import Address, Change
from providers.azure.names import parse_id
from providers.azure.session import Session
from providers.base import Call

_API = "2015-04-01"


def changes(session: Session, address: Address, resource_id: str, since_s: float, call: Call) -> tuple[Change, ...]:
    """Writes, deletes and actions on the resource and its children since then, newest first; failed ones left out."""
    since = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    group = parse_id(resource_id).group
    path = f"/subscriptions/{session.account.account_id}/providers/Microsoft.Insights/eventtypes/management/values"
    params = {
        "api-version": _API,
        "$filter": f"eventTimestamp ge '{since}' and resourceGroupName eq '{group}'",
        "$select": "caller,correlationId,eventTimestamp,operationName,resourceId,status",
    }
    page = session.get_json("insights.activity.list", path, call, **params)
    rows = list(page.get("value") or ())
    while page.get("nextLink"):
        page = session.get_json("insights.activity.list", str(page["nextLink"]), call)
        rows += page.get("value") or ()
    wanted = resource_id.lower()
    by_operation: dict[tuple[str, str], Change] = {}
    failed: set[tuple[str, str]] = set()
    for row in rows:
        found = str(row.get("resourceId") or "").lower()
        if found != wanted and not found.startswith(wanted + "/"):
            continue
        operation = str((row.get("operationName") or {}).get("value") or "")
        # One operation is logged as Started, Accepted and Succeeded under one correlation id.
        key = (str(row.get("correlationId") or ""), operation)
        if str((row.get("status") or {}).get("value") or "").lower() == "failed":
            failed.add(key)
        change = Change(address=address, at_s=_seconds(row), actor=str(row.get("caller") or ""), operation=operation)
        if key not in by_operation or change.at_s > by_operation[key].at_s:
            by_operation[key] = change
    kept = [c for k, c in by_operation.items() if k not in failed]
    return tuple(sorted(kept, key=lambda c: c.at_s, reverse=True))


def _seconds(row: dict[str, Any]) -> float:
    text = str(row.get("eventTimestamp") or "")
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp() if text else 0.0
