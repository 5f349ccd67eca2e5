"""Kms 2016-01-20: keys, their aliases and tags, and secrets.

Callers: sandbox/alibaba/server.py. Nothing is encrypted with them. A key that ECS has of its own is there from the
start, as in life, and is listed. Sources: CreateKey, DescribeKey, ListKeys, ScheduleKeyDeletion of the KMS reference.
"""

from __future__ import annotations

import json
import time
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.disks import SERVICE_KEY
from sandbox.alibaba.state import Ctx, iso, page
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND, SECRET, TRAIL = "key", "_secret", "ACS::KMS::Key"
_SPECS = ("Aliyun_AES_256", "Aliyun_SM4", "RSA_2048", "RSA_3072", "EC_P256", "EC_P256K", "EC_SM2")
_HEX = "0123456789abcdef"


def _tags(ctx: Ctx) -> dict[str, str]:
    try:
        rows = json.loads(ctx.params.get("Tags") or "[]")
        return {str(row["TagKey"]): str(row.get("TagValue", "")) for row in rows}
    except (json.JSONDecodeError, KeyError, TypeError) as exc:
        raise ApiError(400, "InvalidParameter", "The specified Tags are not valid.") from exc


def create_key(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    spec = p.get("KeySpec", "Aliyun_AES_256")
    if spec not in _SPECS:
        raise ApiError(400, "InvalidParameter", f"The specified KeySpec {spec} is not valid.")
    number = ctx.cloud.new_id("", 32, _HEX)
    key_id = "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))
    made = things.add(
        ctx, KIND, key_id, p.get("Description"), touched=TRAIL, tags=_tags(ctx),
        spec=spec, usage=p.get("KeyUsage", "ENCRYPT/DECRYPT"), level=p.get("ProtectionLevel", "SOFTWARE"),
        origin=p.get("Origin", "Aliyun_KMS"), rotates=p.flag("EnableAutomaticRotation"),
        interval=p.get("RotationInterval"), state="Enabled", alias="", until_s=0.0,
    )  # fmt: skip
    return {"KeyMetadata": _metadata(ctx, made)}


def _find(ctx: Ctx, key_id: str) -> Thing:
    return things.find(
        ctx, KIND, key_id, lambda: ApiError(404, "Forbidden.KeyNotFound", "The specified Key is not found.")
    )


def _metadata(ctx: Ctx, key: Thing) -> dict[str, Any]:
    values, account = key.values, ctx.caller.account.account_id
    shown = {
        "KeyId": key.id,
        "Arn": f"acs:kms:{key.region}:{account}:key/{key.id}",
        "Creator": account,
        "CreationDate": iso(key.created_s),
        "Description": key.name,
        "KeySpec": values["spec"],
        "KeyUsage": values["usage"],
        "KeyState": values["state"],
        "Origin": values["origin"],
        "ProtectionLevel": values["level"],
        "AutomaticRotation": "Enabled" if values["rotates"] else "Disabled",
        "PrimaryKeyVersion": f"{key.id[:8]}-v1",
    }
    if values["rotates"]:
        shown["RotationInterval"] = values["interval"]
    if values["until_s"]:
        shown["DeleteDate"] = iso(values["until_s"])
    return shown


def _service_key(ctx: Ctx) -> dict[str, Any]:
    return {
        "KeyId": SERVICE_KEY,
        "Arn": f"acs:kms:{ctx.region}:{ctx.caller.account.account_id}:key/{SERVICE_KEY}",
        "Creator": "Ecs",
        "CreationDate": "2020-01-01T00:00:00Z",
        "Description": "",
        "KeySpec": "Aliyun_AES_256",
        "KeyUsage": "ENCRYPT/DECRYPT",
        "KeyState": "Enabled",
        "Origin": "Aliyun_KMS",
        "ProtectionLevel": "SOFTWARE",
        "AutomaticRotation": "Disabled",
        "PrimaryKeyVersion": "v1",
    }


def describe_key(ctx: Ctx) -> dict[str, Any]:
    key_id = ctx.params.require("KeyId")
    return {"KeyMetadata": _service_key(ctx) if key_id == SERVICE_KEY else _metadata(ctx, _find(ctx, key_id))}


def list_keys(ctx: Ctx) -> dict[str, Any]:
    ids = [SERVICE_KEY, *(t.id for t in things.living(ctx.estate, KIND, ctx.region))]
    part, fields = page(ctx, ids)
    arn = f"acs:kms:{ctx.region}:{ctx.caller.account.account_id}:key/"
    return {"Keys": {"Key": [{"KeyId": i, "KeyArn": f"{arn}{i}"} for i in part]}, **fields}


def create_alias(ctx: Ctx) -> dict[str, Any]:
    name, key = ctx.params.require("AliasName"), _find(ctx, ctx.params.require("KeyId"))
    if not name.startswith("alias/"):
        raise ApiError(400, "InvalidParameter", "The specified AliasName is not valid.")
    if any(t.values["alias"] == name for t in things.living(ctx.estate, KIND, ctx.region)):
        raise ApiError(409, "Rejected.AliasAlreadyExists", "The specified alias already exists.")
    key.values["alias"] = name
    ctx.touched.append((TRAIL, key.id))
    return {}


def list_aliases(ctx: Ctx) -> dict[str, Any]:
    arn = f"acs:kms:{ctx.region}:{ctx.caller.account.account_id}:"
    rows = [
        {"KeyId": t.id, "AliasName": t.values["alias"], "AliasArn": arn + t.values["alias"]}
        for t in things.living(ctx.estate, KIND, ctx.region)
        if t.values["alias"]
    ]
    part, fields = page(ctx, rows)
    return {"Aliases": {"Alias": part}, **fields}


def list_resource_tags(ctx: Ctx) -> dict[str, Any]:
    key_id = ctx.params.require("KeyId")
    tags = {} if key_id == SERVICE_KEY else _find(ctx, key_id).tags
    return {"Tags": {"Tag": [{"KeyId": key_id, "TagKey": k, "TagValue": v} for k, v in tags.items()]}}


def schedule_key_deletion(ctx: Ctx) -> dict[str, Any]:
    key, days = _find(ctx, ctx.params.require("KeyId")), ctx.params.integer("PendingWindowInDays", 7, low=7, high=366)
    key.values.update(state="PendingDeletion", until_s=time.time() + days * 86400)
    key.gone_s = key.values["until_s"]
    ctx.touched.append((TRAIL, key.id))
    return {}


# -- secrets -------------------------------------------------------------------------------------------------------


def create_secret(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    name = p.require("SecretName")
    p.require("SecretData")
    p.require("VersionId")
    if any(t.name == name for t in things.living(ctx.estate, SECRET, ctx.region)):
        raise ApiError(409, "Rejected.ResourceExist", "The specified secret already exists.")
    made = things.add(
        ctx, SECRET, f"{ctx.region}/{name}", name, touched="ACS::KMS::Secret", tags=_tags(ctx),
        key=p.get("EncryptionKeyId"), type=p.get("SecretType", "Generic"),
    )  # fmt: skip
    return {
        "Arn": _secret_arn(ctx, made),
        "SecretName": name,
        "SecretType": made.values["type"],
        "VersionId": p.get("VersionId"),
    }


def _secret_arn(ctx: Ctx, secret: Thing) -> str:
    return f"acs:kms:{secret.region}:{ctx.caller.account.account_id}:secret/{secret.name}"


def list_secrets(ctx: Ctx) -> dict[str, Any]:
    found = things.living(ctx.estate, SECRET, ctx.region)
    part, fields = page(ctx, found)
    rows = [
        {
            "SecretName": t.name,
            "SecretType": t.values["type"],
            "CreateTime": iso(t.created_s),
            "UpdateTime": iso(t.created_s),
            "Tags": {"Tag": [{"TagKey": k, "TagValue": v} for k, v in t.tags.items()]},
        }
        for t in part
    ]
    return {"SecretList": {"Secret": rows}, **fields}


def describe_secret(ctx: Ctx) -> dict[str, Any]:
    name = ctx.params.require("SecretName")
    secret = things.find(
        ctx, SECRET, f"{ctx.region}/{name}",
        lambda: ApiError(404, "Forbidden.ResourceNotFound", "The specified secret is not found."),
    )  # fmt: skip
    return {
        "Arn": _secret_arn(ctx, secret),
        "SecretName": secret.name,
        "SecretType": secret.values["type"],
        "EncryptionKeyId": secret.values["key"],
        "AutomaticRotation": "Disabled",
        "CreateTime": iso(secret.created_s),
        "UpdateTime": iso(secret.created_s),
        "Tags": {"Tag": [{"TagKey": k, "TagValue": v} for k, v in secret.tags.items()]},
    }
