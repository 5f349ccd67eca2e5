"""Ecs 2014-05-26: tags of instances and security groups.

Callers: sandbox/alibaba/server.py. The other resource types of the real API (disk, image, eni, ...) are refused.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba.groups import find_group
from sandbox.alibaba.machines import find_machine
from sandbox.alibaba.state import Ctx, Group, Machine, has_tags
from sandbox.alibaba.wire import ApiError


def _tagged(ctx: Ctx, kind: str, resource_id: str) -> Machine | Group:
    if kind not in ("instance", "securitygroup"):
        raise ApiError(400, "InvalidResourceType.NotFound", "The sandbox tags instance and securitygroup only.")
    return find_machine(ctx, resource_id) if kind == "instance" else find_group(ctx, resource_id)


def _type_name(kind: str) -> str:
    return "ACS::ECS::Instance" if kind == "instance" else "ACS::ECS::SecurityGroup"


def tag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, tags = ctx.params.require("ResourceType").lower(), ctx.params.tags()
    for key in tags:
        if key.lower().startswith(("acs:", "aliyun")):
            raise ApiError(400, "InvalidTagKey.Malformed", f"The specified Tag.n.Key {key} is not valid.")
    for resource_id in ctx.params.repeated("ResourceId"):
        _tagged(ctx, kind, resource_id).tags.update(tags)
        ctx.touched.append((_type_name(kind), resource_id))
    return {}


def untag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, keys = ctx.params.require("ResourceType").lower(), ctx.params.repeated("TagKey")
    for resource_id in ctx.params.repeated("ResourceId"):
        record = _tagged(ctx, kind, resource_id)
        record.tags = {} if ctx.params.flag("All") else {k: v for k, v in record.tags.items() if k not in keys}
        ctx.touched.append((_type_name(kind), resource_id))
    return {}


def list_tag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, ids = ctx.params.require("ResourceType").lower(), ctx.params.repeated("ResourceId")
    records: list[Any] = list((ctx.estate.machines if kind == "instance" else ctx.estate.groups).values())
    rows = [
        {"ResourceId": r.id, "ResourceType": kind, "TagKey": k, "TagValue": v}
        for r in records
        if r.region == ctx.region and (not ids or r.id in ids) and has_tags(r.tags, ctx.params.structs("Tag"))
        for k, v in r.tags.items()
    ]
    return {"TagResources": {"TagResource": rows}, "NextToken": ""}
