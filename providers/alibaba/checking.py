"""What an account's credentials may do, read from the RAM policies of who they belong to.

Callers: provider.py, for `duoyun providers check`. RAM has no simulation: the policies of the user, of its groups, or
of the role are read and judged here, as far as they say it for every resource and without conditions; the rest is
unknown. An account's own key may everything. Sources: RAM reference, ListPoliciesForUser and its like, "Policy
evaluation process" (a Deny outranks every Allow). Not seen: control policies of a resource directory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.errors import Forbidden, NotFound
from providers.alibaba.permissions import ACTIONS
from providers.alibaba.session import Session, inside
from providers.base import Call, Rights
from providers.wildcards import covers

HOW = "ram:ListPolicies"
OWNER = "sts:GetCallerIdentity"
Statement = Mapping[str, Any]


def rights(session: Session, region: str, call: Call) -> Rights:
    """Raises Unauthenticated, Unreachable and what else the first question meets."""
    who = session.rpc("Sts", "GetCallerIdentity", region, call)
    family, arn = str(who.get("IdentityType", "")), str(who.get("Arn", ""))
    if family == "Account":
        return Rights(how=OWNER, allowed=ACTIONS, note="the account's own key: it may everything; give RAM users less")
    name = arn.partition("/")[2].partition("/")[0]
    try:
        return judged(_statements(session, region, family, name, call))
    except (Forbidden, NotFound) as exc:
        return Rights(how="", unknown=ACTIONS, note=f"the policies of {arn} cannot be read ({exc.summary})")


def _statements(session: Session, region: str, family: str, name: str, call: Call) -> list[Statement]:
    def ask(action: str, **params: str) -> dict[str, Any]:
        return session.rpc("Ram", action, region, call, params)

    def policies(action: str, **params: str) -> Iterator[Mapping[str, Any]]:
        yield from inside(ask(action, **params), ("Policies", "Policy"))

    if family == "AssumedRoleUser":
        rows = [*policies("ListPoliciesForRole", RoleName=name)]
    else:
        rows = [*policies("ListPoliciesForUser", UserName=name)]
        for group in inside(ask("ListGroupsForUser", UserName=name), ("Groups", "Group")):
            rows += policies("ListPoliciesForGroup", GroupName=str(group["GroupName"]))
    found: list[Statement] = []
    for which in dict.fromkeys((str(row["PolicyName"]), str(row["PolicyType"])) for row in rows):
        answer = ask("GetPolicy", PolicyName=which[0], PolicyType=which[1])
        document = json.loads(str(inside(answer, ("DefaultPolicyVersion", "PolicyDocument")) or "{}"))
        said = document.get("Statement") or ()
        found += [said] if isinstance(said, Mapping) else list(said)
    return found


def judged(statements: Iterable[Statement]) -> Rights:
    """Allowed or denied for every resource and always; what hangs on a resource or a condition is unknown. Pure."""
    rows = [*statements]
    told = {action: _verdict(rows, action) for action in ACTIONS}
    unknown = tuple(a for a in ACTIONS if told[a] == "unknown")
    return Rights(
        how=HOW,
        allowed=tuple(a for a in ACTIONS if told[a] == "allowed"),
        missing=tuple(a for a in ACTIONS if told[a] == "missing"),
        unknown=unknown,
        note="policies with resources or conditions decide it case by case" if unknown else "",
    )


def _verdict(rows: Iterable[Statement], action: str) -> str:
    allowed = perhaps = False
    for row in rows:
        if not _means(row, action):
            continue
        always = "*" in _texts(row.get("Resource")) and not row.get("Condition")
        denies = str(row.get("Effect", "")).lower() == "deny"
        if denies and always:
            return "missing"
        if denies:
            perhaps = True
        else:
            allowed, perhaps = allowed or always, perhaps or not always
    if allowed and not any(_limits(row, action) for row in rows):
        return "allowed"
    return "unknown" if perhaps or allowed else "missing"


def _limits(row: Statement, action: str) -> bool:
    return str(row.get("Effect", "")).lower() == "deny" and _means(row, action)


def _means(row: Statement, action: str) -> bool:
    if "NotAction" in row:
        return not covers(_texts(row["NotAction"]), action)
    return covers(_texts(row.get("Action")), action)


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))
