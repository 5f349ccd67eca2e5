"""Ram 2015-05-01: users, roles, policies and who has which. Callers: sandbox/alibaba/server.py.

They belong to the account, and nothing is allowed or denied by them here. Sources: CreateUser, CreateRole, CreatePolicy
and AttachPolicyToUser of the RAM reference. Not here: groups' members, versions of policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, iso
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND = "identity"
_FAMILIES = ("user", "role", "policy")
READER = "reader"
SYSTEM = {
    "AdministratorAccess": ("*",),
    "ReadOnlyAccess": (
        "*:Describe*",
        "*:List*",
        "*:Get*",
        "actiontrail:LookupEvents",
        "resourcecenter:SearchResources",
    ),
    "AliyunOSSFullAccess": ("oss:*",),
}
"""Policies of the cloud's own: name -> what it allows."""


def _key(family: str, name: str) -> str:
    return f"{family}/{name}"


def _of(ctx: Ctx, family: str) -> list[Thing]:
    return [t for t in things.living(ctx.estate, KIND) if t.values["family"] == family]


def _find(ctx: Ctx, family: str, name: str) -> Thing:
    word = family.capitalize()
    return things.find(
        ctx, KIND, _key(family, name),
        lambda: ApiError(404, f"EntityNotExist.{word}", f"The {family} not exists: {name}"), everywhere=True,
    )  # fmt: skip


def _document(ctx: Ctx, parameter: str) -> str:
    text = ctx.params.require(parameter)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise ApiError(400, "MalformedPolicyDocument", "The policy document is malformed.") from exc
    if not isinstance(value, dict) or not isinstance(value.get("Statement"), list):
        raise ApiError(400, "MalformedPolicyDocument", "The policy document is malformed.")
    return text


def _make(ctx: Ctx, family: str, name: str, **values: Any) -> Thing:
    if any(t.name == name for t in _of(ctx, family)):
        raise ApiError(409, f"EntityAlreadyExists.{family.capitalize()}", f"The {family} does already exist: {name}")
    return things.add(
        ctx, KIND, _key(family, name), name, touched=f"ACS::RAM::{family.capitalize()}", everywhere=True,
        tags=ctx.params.tags(), family=family, number=ctx.cloud.new_id("3", 17, "0123456789"), policies=[], **values,
    )  # fmt: skip


# -- users ---------------------------------------------------------------------------------------------------------


def create_user(ctx: Ctx) -> dict[str, Any]:
    made = _make(ctx, "user", ctx.params.require("UserName"), display=ctx.params.get("DisplayName"), keys=[])
    return {"User": _user_row(made)}


def _user_row(t: Thing) -> dict[str, Any]:
    return {
        "UserId": t.values["number"],
        "UserName": t.name,
        "DisplayName": t.values["display"],
        "CreateDate": iso(t.created_s),
    }


def _marked(ctx: Ctx, rows: list[Any], outer: str, inner: str) -> dict[str, Any]:
    size, start = ctx.params.integer("MaxItems", 100, low=1, high=1000), ctx.params.integer("Marker", 0)
    more = start + size < len(rows)
    answer = {outer: {inner: rows[start : start + size]}, "IsTruncated": more}
    return {**answer, "Marker": str(start + size)} if more else answer


def list_users(ctx: Ctx) -> dict[str, Any]:
    return _marked(ctx, [_user_row(t) for t in _of(ctx, "user")], "Users", "User")


def create_access_key(ctx: Ctx) -> dict[str, Any]:
    user = _find(ctx, "user", ctx.params.require("UserName"))
    key_id = ctx.cloud.new_id("LTAI5t", 18)
    user.values["keys"].append({"AccessKeyId": key_id, "Status": "Active", "CreateDate": iso(user.created_s)})
    ctx.touched.append(("ACS::RAM::User", user.id))
    return {"AccessKey": {**user.values["keys"][-1], "AccessKeySecret": ctx.cloud.new_id("", 30)}}


def list_access_keys(ctx: Ctx) -> dict[str, Any]:
    return {"AccessKeys": {"AccessKey": list(_find(ctx, "user", ctx.params.require("UserName")).values["keys"])}}


def bind_mfa_device(ctx: Ctx) -> dict[str, Any]:
    user = _find(ctx, "user", ctx.params.require("UserName"))
    for name in ("AuthenticationCode1", "AuthenticationCode2"):
        ctx.params.require(name)
    user.values["mfa"] = ctx.params.require("SerialNumber")
    ctx.touched.append(("ACS::RAM::User", user.id))
    return {}


def unbind_mfa_device(ctx: Ctx) -> dict[str, Any]:
    user = _find(ctx, "user", ctx.params.require("UserName"))
    serial, user.values["mfa"] = str(user.values.get("mfa", "")), ""
    ctx.touched.append(("ACS::RAM::User", user.id))
    return {"MFADevice": {"SerialNumber": serial}}


def get_user_mfa_info(ctx: Ctx) -> dict[str, Any]:
    user = _find(ctx, "user", ctx.params.require("UserName"))
    if user.values.get("mfa"):
        return {"MFADevice": {"SerialNumber": user.values["mfa"], "Type": "VMFA"}}
    raise ApiError(404, "EntityNotExist.User.MFADevice", "The MFA device of the user does not exist.")


def delete_user(ctx: Ctx) -> dict[str, Any]:
    return _delete(ctx, "user", "UserName")


def _delete(ctx: Ctx, family: str, parameter: str) -> dict[str, Any]:
    found = _find(ctx, family, ctx.params.require(parameter))
    if found.values["policies"] or found.values.get("keys"):
        word = family.capitalize()
        raise ApiError(409, f"DeleteConflict.{word}.Policy", f"The {family} cannot be deleted while it has policies.")
    things.remove(ctx, found, touched=f"ACS::RAM::{family.capitalize()}")
    return {}


# -- roles ---------------------------------------------------------------------------------------------------------


def create_role(ctx: Ctx) -> dict[str, Any]:
    document = _document(ctx, "AssumeRolePolicyDocument")
    made = _make(ctx, "role", ctx.params.require("RoleName"), document=document)
    return {"Role": {**_role_row(ctx, made), "AssumeRolePolicyDocument": document}}


def _role_row(ctx: Ctx, t: Thing) -> dict[str, Any]:
    return {
        "RoleId": t.values["number"],
        "RoleName": t.name,
        "Arn": f"acs:ram::{ctx.caller.account.account_id}:role/{t.name.lower()}",
        "CreateDate": iso(t.created_s),
        "MaxSessionDuration": 3600,
    }


def list_roles(ctx: Ctx) -> dict[str, Any]:
    rows = [
        {**_role_row(ctx, t), "Tags": {"Tag": [{"TagKey": k, "TagValue": v} for k, v in t.tags.items()]}}
        for t in _of(ctx, "role")
    ]
    return _marked(ctx, rows, "Roles", "Role")


def get_role(ctx: Ctx) -> dict[str, Any]:
    found = _find(ctx, "role", ctx.params.require("RoleName"))
    return {"Role": {**_role_row(ctx, found), "AssumeRolePolicyDocument": found.values["document"]}}


def delete_role(ctx: Ctx) -> dict[str, Any]:
    return _delete(ctx, "role", "RoleName")


# -- policies ------------------------------------------------------------------------------------------------------


def create_policy(ctx: Ctx) -> dict[str, Any]:
    document = _document(ctx, "PolicyDocument")
    return {"Policy": _policy_row(_make(ctx, "policy", ctx.params.require("PolicyName"), document=document))}


def _policy_row(t: Thing) -> dict[str, Any]:
    shown = {"PolicyName": t.name, "PolicyType": "Custom", "DefaultVersion": "v1"}
    return {**shown, "CreateDate": iso(t.created_s)}


def list_policies(ctx: Ctx) -> dict[str, Any]:
    wanted = ctx.params.get("PolicyType")
    system = [{"PolicyName": n, "PolicyType": "System", "DefaultVersion": "v1"} for n in SYSTEM]
    custom = [_policy_row(t) for t in _of(ctx, "policy")]
    rows = [row for row in (*system, *custom) if wanted in ("", row["PolicyType"])]
    return _marked(ctx, rows, "Policies", "Policy")


def get_policy(ctx: Ctx) -> dict[str, Any]:
    name, kind = ctx.params.require("PolicyName"), ctx.params.require("PolicyType")
    if kind == "System":
        if name not in SYSTEM:
            raise ApiError(404, "EntityNotExist.Policy", f"The policy not exists: {name}")
        statement = {"Effect": "Allow", "Action": list(SYSTEM[name]), "Resource": "*"}
        row: dict[str, Any] = {"PolicyName": name, "PolicyType": kind, "DefaultVersion": "v1"}
        document = json.dumps({"Version": "1", "Statement": [statement]})
    else:
        found = _find(ctx, "policy", name)
        row, document = _policy_row(found), found.values["document"]
    version = {"VersionId": "v1", "IsDefaultVersion": True, "PolicyDocument": document}
    return {"Policy": row, "DefaultPolicyVersion": version}


def list_entities_for_policy(ctx: Ctx) -> dict[str, Any]:
    has = [ctx.params.require("PolicyName"), ctx.params.require("PolicyType")]

    def those(family: str, word: str) -> list[dict[str, str]]:
        found = [t for t in _of(ctx, family) if has in t.values["policies"]]
        return [{f"{word}Name": t.name, f"{word}Id": t.values["number"]} for t in found]

    users, roles = those("user", "User"), those("role", "Role")
    return {"Users": {"User": users}, "Roles": {"Role": roles}, "Groups": {"Group": []}}


def delete_policy(ctx: Ctx) -> dict[str, Any]:
    found = _find(ctx, "policy", ctx.params.require("PolicyName"))
    if any([found.name, "Custom"] in t.values["policies"] for t in things.living(ctx.estate, KIND)):
        raise ApiError(409, "DeleteConflict.Policy.Attachment", "The policy is attached: detach it first.")
    things.remove(ctx, found, touched="ACS::RAM::Policy")
    return {}


def _link(family: str, parameter: str, *, attach: bool) -> Callable[[Ctx], dict[str, Any]]:
    def change(ctx: Ctx) -> dict[str, Any]:
        has = [ctx.params.require("PolicyName"), ctx.params.require("PolicyType")]
        if has[1] == "Custom":
            _find(ctx, "policy", has[0])
        found = _find(ctx, family, ctx.params.require(parameter))
        if (has in found.values["policies"]) is attach:
            code = "EntityAlreadyExists" if attach else "EntityNotExist"
            raise ApiError(409 if attach else 404, f"{code}.{family.capitalize()}.Policy", "It is so already.")
        found.values["policies"] = [p for p in found.values["policies"] if p != has] + ([has] if attach else [])
        ctx.touched.append((f"ACS::RAM::{family.capitalize()}", found.id))
        return {}

    return change


attach_to_user = _link("user", "UserName", attach=True)
detach_from_user = _link("user", "UserName", attach=False)
attach_to_role = _link("role", "RoleName", attach=True)
detach_from_role = _link("role", "RoleName", attach=False)


def _policies_of(family: str, parameter: str) -> Callable[[Ctx], dict[str, Any]]:
    def listed(ctx: Ctx) -> dict[str, Any]:
        name = ctx.params.require(parameter)
        # The sandbox's own reader is a user that cannot be changed; its one policy says what its key may.
        own = (family, name) == ("user", READER)
        rows = [["ReadOnlyAccess", "System"]] if own else _find(ctx, family, name).values["policies"]
        shown = [{"PolicyName": name, "PolicyType": kind, "DefaultVersion": "v1"} for name, kind in rows]
        return {"Policies": {"Policy": shown}}

    return listed


def groups_of_user(ctx: Ctx) -> dict[str, Any]:
    """Nobody is in a group here."""
    name = ctx.params.require("UserName")
    if name != READER:
        _find(ctx, "user", name)
    return {"Groups": {"Group": []}}


policies_of_user = _policies_of("user", "UserName")
policies_of_role = _policies_of("role", "RoleName")
