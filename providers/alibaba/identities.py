"""IDENTITY (RAM users, roles and policies), read only: Ram 2015-05-01.

Callers: provider.py. They belong to the account: every region shows the same. Their names are `user/alice`, `role/ack`
and `policy/deploy`, for one name may be all three. Policies of the cloud's own are read where somebody has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.errors import NotFound
from model.resources import Grant, Identity, Kind, Observed
from providers.alibaba.common import Identified, Row, tags_of, users_tags
from providers.alibaba.reader import Reader
from providers.alibaba.session import TokenNames, inside
from providers.base import Call

_MARKED = TokenNames(size="MaxItems", token="Marker")  # noqa: S106  (a page's, no secret)


class Identities(Reader):
    KIND = Kind.IDENTITY

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """name `user/alice` asks for that alone."""
        family, _, wanted = name.partition("/")
        for kind, action, path in (
            ("user", "ListUsers", ("Users", "User")),
            ("role", "ListRoles", ("Roles", "Role")),
            ("policy", "ListPolicies", ("Policies", "Policy")),
        ):
            if wanted and family != kind:
                continue
            asked = {"PolicyType": "Custom"} if kind == "policy" else {}
            for row in self.session.token_pages("Ram", action, region, call, path, asked, _MARKED):
                found = {**row, "family": kind, "name": row[f"{kind.capitalize()}Name"]}
                known = self.identify(found).tags
                if (not wanted or found["name"] == wanted) and all(known.get(k) == v for k, v in (tags or {}).items()):
                    yield found

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        found = self.rows(region, call, name=provider_id)
        return next((row for row in found if self.identify(row).id == provider_id), None)

    def identify(self, row: Row) -> Identified:
        name = f"{row['family']}/{row['name']}"
        return Identified(name, name, tags_of((row.get("Tags") or {}).get("Tag")))

    def trail_names(self, observed: Observed) -> tuple[str, ...]:
        return (observed.provider_id, observed.provider_id.partition("/")[2])

    def observe(self, region: str, row: Row, call: Call) -> Observed:
        who, family, name = self.identify(row), str(row["family"]), str(row["name"])
        told: dict[str, Any] = {}
        if family == "user":
            keys = self._ask("ListAccessKeys", region, {"UserName": name}, call)
            active = [k for k in inside(keys, ("AccessKeys", "AccessKey")) if k.get("Status") == "Active"]
            told = {
                "long_lived_keys": bool(active),
                "mfa": self._has_mfa(region, name, call),
                "grants": self._grants("ListPoliciesForUser", region, {"UserName": name}, call),
            }
        elif family == "role":
            role = self._ask("GetRole", region, {"RoleName": name}, call)
            told = {
                "trust": read_policy(str(inside(role, ("Role", "AssumeRolePolicyDocument")) or "")),
                "grants": self._grants("ListPoliciesForRole", region, {"RoleName": name}, call),
            }
        else:
            which = {"PolicyName": name, "PolicyType": "Custom"}
            having = self._ask("ListEntitiesForPolicy", region, which, call)
            told = {
                "attached_to_users": bool(inside(having, ("Users", "User"))),
                "grants": self._document(region, which, call),
            }
        identity = Identity(name=who.logical_name, tags=users_tags(who.tags), family=family, **told)
        return self.seen(region, row, identity)

    def _ask(self, action: str, region: str, params: Mapping[str, Any], call: Call) -> dict[str, Any]:
        return self.session.rpc("Ram", action, region, call, params)

    def _has_mfa(self, region: str, user: str, call: Call) -> bool:
        """RAM answers a user without a device with an error."""
        try:
            answer = self._ask("GetUserMFAInfo", region, {"UserName": user}, call)
        except NotFound:
            return False
        return bool(inside(answer, ("MFADevice", "SerialNumber")))

    def _grants(self, action: str, region: str, who: Mapping[str, Any], call: Call) -> tuple[Grant, ...]:
        """Of all policies that somebody has."""
        found: list[Grant] = []
        for policy in inside(self._ask(action, region, who, call), ("Policies", "Policy")):
            which = {"PolicyName": policy["PolicyName"], "PolicyType": policy["PolicyType"]}
            found += self._document(region, which, call)
        return tuple(found)

    def _document(self, region: str, which: Mapping[str, Any], call: Call) -> tuple[Grant, ...]:
        answer = self._ask("GetPolicy", region, which, call)
        return read_policy(str(inside(answer, ("DefaultPolicyVersion", "PolicyDocument")) or ""))


def read_policy(text: str) -> tuple[Grant, ...]:
    """The statements of a policy document; none where it is no JSON."""
    try:
        document = json.loads(text or "{}")
    except json.JSONDecodeError:
        return ()
    statements = document.get("Statement") or ()
    rows = [statements] if isinstance(statements, Mapping) else list(statements)
    return tuple(_grant(row) for row in rows if isinstance(row, Mapping))


def _grant(row: Mapping[str, Any]) -> Grant:
    principals: list[str] = []
    given = row.get("Principal") or {}
    if isinstance(given, str):
        principals = [given]
    else:
        for values in given.values():
            principals += _texts(values)
    return Grant(
        effect=str(row.get("Effect", "Allow")).lower(),
        actions=tuple(_texts(row.get("Action"))),
        not_actions=tuple(_texts(row.get("NotAction"))),
        resources=tuple(_texts(row.get("Resource"))),
        principals=tuple(principals),
        conditions=tuple(sorted(str(k) for test in (row.get("Condition") or {}).values() for k in test)),
    )


def _texts(value: Any) -> Sequence[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]
