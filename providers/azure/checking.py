"""What an account's credentials may do, as the subscription's permissions list says.

Callers: provider.py, for `duoyun providers check`. Source: Azure RBAC REST reference, "Permissions - List", asked at
the scope of the subscription: what is granted on a resource group alone is not seen there, and counts as missing.
Deny assignments are not in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.errors import Forbidden
from providers.azure.permissions import ACTIONS
from providers.azure.session import Session
from providers.base import Call, Rights
from providers.wildcards import covers

HOW = "Microsoft.Authorization/permissions"
_API = "2022-04-01"


def rights(session: Session, call: Call) -> Rights:
    """Raises Unauthenticated, Unreachable and what else the question meets."""
    url = f"/subscriptions/{session.account.account_id}/providers/Microsoft.Authorization/permissions"
    params = {"api-version": _API}
    rows: list[Mapping[str, Any]] = []
    try:
        while url:
            page = session.get_json("authorization.permissions.list", url, call, **params)
            rows += page.get("value") or ()
            url, params = str(page.get("nextLink") or ""), {}
    except Forbidden as exc:
        return Rights(how="", unknown=ACTIONS, note=f"the permissions may not be listed ({exc.summary})")
    return judged(rows)


def judged(rows: Iterable[Mapping[str, Any]]) -> Rights:
    """Granted is what one row's actions name and its notActions do not; rows add up. Pure.

    Source: learn.microsoft.com/azure/role-based-access-control/role-definitions, "NotActions".
    """
    rows = list(rows)
    allowed = tuple(action for action in ACTIONS if any(_grants(row, action) for row in rows))
    return Rights(how=HOW, allowed=allowed, missing=tuple(a for a in ACTIONS if a not in allowed))


def _grants(row: Mapping[str, Any], action: str) -> bool:
    return covers(row.get("actions") or (), action) and not covers(row.get("notActions") or (), action)
