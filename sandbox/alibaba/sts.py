"""Sts 2015-04-01: who asks, and temporary keys of RAM roles.

Callers: sandbox/alibaba/server.py. Any role of the caller's own account can be assumed, for there is no RAM behind it,
and its policies are not evaluated. In life an account's own key may not assume roles; here it may, for it is the only
key that writes. Temporary keys end with the sandbox. Source: "AssumeRole" and "GetCallerIdentity" in the STS reference.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.alibaba.state import Caller, Ctx, iso
from sandbox.alibaba.wire import ApiError

_ROLE = re.compile(r"acs:ram::(\d{1,16}):role/([\w.-]{1,64})", re.ASCII)
_SESSION = re.compile(r"[\w.@-]{2,64}", re.ASCII)
_SHORTEST_S, _LONGEST_S = 900, 3600


def identity(caller: Caller) -> dict[str, str]:
    """As ActionTrail's userIdentity shows it."""
    account = caller.account.account_id
    if caller.role:
        name = caller.role.replace("/", ":")
        return {"type": "assumed-role", "principalId": f"3{account[1:]}00:{name.partition(':')[2]}", "userName": name}
    if caller.reader:
        return {"type": "ram-user", "principalId": f"{account[:3]}0000000000", "userName": "reader"}
    return {"type": "root-account", "principalId": account, "userName": "root"}


def get_caller_identity(ctx: Ctx) -> dict[str, Any]:
    who, account = identity(ctx.caller), ctx.caller.account.account_id
    types = {"root-account": "Account", "ram-user": "RAMUser", "assumed-role": "AssumedRoleUser"}
    arns = {"root-account": "root", "ram-user": f"user/{who['userName']}", "assumed-role": f"role/{ctx.caller.role}"}
    answer = {
        "AccountId": account,
        "PrincipalId": who["principalId"],
        "IdentityType": types[who["type"]],
        "Arn": f"acs:ram::{account}:{arns[who['type']]}",
    }
    if ctx.caller.role:
        return {**answer, "RoleId": who["principalId"].partition(":")[0]}
    return {**answer, "UserId": who["principalId"]}


def assume_role(ctx: Ctx) -> dict[str, Any]:
    arn, session = ctx.params.require("RoleArn"), ctx.params.require("RoleSessionName")
    role, account = _ROLE.fullmatch(arn), ctx.caller.account
    if role is None:
        raise ApiError(400, "InvalidParameter.RoleArn", f"The parameter RoleArn is wrongly formed: {arn}")
    if not _SESSION.fullmatch(session):
        raise ApiError(400, "InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
    if role[1] != account.account_id:
        raise ApiError(404, "EntityNotExist.Role", f"The role not exists: {arn}")
    if ctx.caller.reader:
        message = "You are not authorized to do this action. You should be authorized by RAM."
        raise ApiError(403, "NoPermission", message)
    text = ctx.params.get("DurationSeconds") or str(_LONGEST_S)
    if not text.isdigit() or not _SHORTEST_S <= int(text) <= _LONGEST_S:
        message = f"The Min/Max value of DurationSeconds is {_SHORTEST_S}/{_LONGEST_S}."
        raise ApiError(400, "InvalidParameter.DurationSeconds", message)
    name = f"{role[2]}/{session}"
    key_id, made = ctx.cloud.assumed.new(account, name, float(text))
    principal = identity(Caller(account, key_id, False, name))["principalId"]
    return {
        "AssumedRoleUser": {"Arn": f"acs:ram::{account.account_id}:role/{name}", "AssumedRoleId": principal},
        "Credentials": {
            "AccessKeyId": key_id,
            "AccessKeySecret": made.secret,
            "SecurityToken": made.token,
            "Expiration": iso(made.until_s),
        },
    }
