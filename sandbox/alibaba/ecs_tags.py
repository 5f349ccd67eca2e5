"""Ecs 2014-05-26: tags of instances, security groups and disks.

Callers: sandbox/alibaba/server.py. The other resource types of the real API (image, eni, ...) are refused.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba.disks import find_disk
from sandbox.alibaba.groups import find_group
from sandbox.alibaba.machines import find_machine
from sandbox.alibaba.state import Ctx, Group, Machine, has_tags
from sandbox.alibaba.things import Thing, living
from sandbox.alibaba.wire import ApiError

_TYPES = {"instance": "ACS::ECS::Instance", "securitygroup": "ACS::ECS::SecurityGroup", "disk": "ACS::ECS::Disk"}


def _tagged(ctx: Ctx, kind: str, resource_id: str) -> Machine | Group | Thing:
    if kind not in _TYPES:
        raise ApiError(400, "InvalidResourceType.NotFound", f"The sandbox tags {', '.join(_TYPES)} only.")
    if kind == "disk":
        return find_disk(ctx, resource_id)
    return find_machine(ctx, resource_id) if kind == "instance" else find_group(ctx, resource_id)


def tag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, tags = ctx.params.require("ResourceType").lower(), ctx.params.tags()
    for key in tags:
        if key.lower().startswith(("acs:", "aliyun")):
            raise ApiError(400, "InvalidTagKey.Malformed", f"The specified Tag.n.Key {key} is not valid.")
    for resource_id in ctx.params.repeated("ResourceId"):
        _tagged(ctx, kind, resource_id).tags.update(tags)
        ctx.touched.append((_TYPES[kind], resource_id))
    return {}


def untag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, keys = ctx.params.require("ResourceType").lower(), ctx.params.repeated("TagKey")
    for resource_id in ctx.params.repeated("ResourceId"):
        record = _tagged(ctx, kind, resource_id)
        record.tags = {} if ctx.params.flag("All") else {k: v for k, v in record.tags.items() if k not in keys}
        ctx.touched.append((_TYPES[kind], resource_id))
    return {}


def list_tag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, ids = ctx.params.require("ResourceType").lower(), ctx.params.repeated("ResourceId")
    by_kind: dict[str, list[Any]] = {
        "instance": list(ctx.estate.machines.values()),
        "disk": list(living(ctx.estate, "disk")),
    }
    records = by_kind.get(kind, list(ctx.estate.groups.values()))
    rows = [
        {"ResourceId": r.id, "ResourceType": kind, "TagKey": k, "TagValue": v}
        for r in records
        if r.region == ctx.region and (not ids or r.id in ids) and has_tags(r.tags, ctx.params.structs("Tag"))
        for k, v in r.tags.items()
    ]
    return {"TagResources": {"TagResource": rows}, "NextToken": ""}
