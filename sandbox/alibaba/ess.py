"""Ess 2022-02-22: scaling groups and their configurations, which keep ECS instances at a count.

Callers: sandbox/alibaba/server.py. Instances are machines like others, with the tag that ESS gives them; a group's
keeper runs in the background until the count is right, and again when a member went away and somebody looks. Sources:
CreateScalingGroup, EnableScalingGroup, ModifyScalingGroup, DeleteScalingGroup of the ESS reference. Not here: rules,
hooks, spot, launch templates, vServer groups; a client that changes more than the size makes a new group.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from typing import Any

from sandbox.alibaba import slb, things
from sandbox.alibaba.catalogue import image, instance_type
from sandbox.alibaba.faults import words
from sandbox.alibaba.groups import find_group as find_security_group
from sandbox.alibaba.machines import new_machine, remove, start
from sandbox.alibaba.state import TAG_GROUP, Cloud, Ctx, Estate, Machine, iso, page, region_code
from sandbox.alibaba.things import Thing
from sandbox.alibaba.vpc import usable_vswitch
from sandbox.alibaba.wire import ApiError

KIND, TRAIL = "instance_group", "ACS::ESS::ScalingGroup"
CONFIGURATION = "_scaling_configuration"
_MOST = 1000
_ACTIVITIES_KEPT = 20


def _limits(low: int, high: int, size: int | None) -> None:
    if low > high:
        raise ApiError(400, "InvalidParameter.Conflict", "The value MinSize is greater than the value MaxSize.")
    if size is not None and not low <= size <= high:
        raise ApiError(400, "InvalidDesiredCapacity", "DesiredCapacity must lie between MinSize and MaxSize.")


def create_scaling_group(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    p.require("MinSize")
    p.require("MaxSize")
    low, high = p.integer("MinSize", 0, high=_MOST), p.integer("MaxSize", 0, high=_MOST)
    size = p.integer("DesiredCapacity", low, high=_MOST)
    _limits(low, high, size)
    switches = _switches(ctx)
    name = p.get("ScalingGroupName")
    if name and any(t.name == name for t in things.living(ctx.estate, KIND, ctx.region)):
        raise ApiError(400, "InvalidScalingGroupName.Duplicate", "The specified scaling group name already exists.")
    balancers = _ids(p.get("LoadBalancerIds"))
    for balancer in balancers:
        slb.find_balancer(ctx, balancer)
    tags = {t["Key"]: t.get("Value", "") for t in p.structs("Tags") if t.get("Key")}
    made = things.add(
        ctx, KIND, ctx.cloud.new_id(f"asg-{region_code(ctx.region)}", 17), name, touched=TRAIL, tags=tags,
        low=low, high=high, size=size, vswitches=switches, vpc=usable_vswitch(ctx, switches[0]).vpc,
        balancers=balancers, active="", enabled=False, activities=[],
    )  # fmt: skip
    made.name = made.name or made.id
    return {"ScalingGroupId": made.id}


def _switches(ctx: Ctx) -> list[str]:
    given = ctx.params.repeated("VSwitchIds") or [ctx.params.require("VSwitchId")]
    found = [usable_vswitch(ctx, switch) for switch in given]
    if len({s.vpc for s in found}) > 1:
        raise ApiError(400, "InvalidVSwitchId.VPCMismatch", "The specified vSwitches are not in one VPC.")
    return given


def _ids(text: str) -> list[str]:
    """A JSON list in a parameter."""
    try:
        return [str(item) for item in json.loads(text or "[]")]
    except (json.JSONDecodeError, TypeError) as exc:
        raise ApiError(400, "InvalidParameter", f"{text[:60]} is not a JSON list.") from exc


def _group(ctx: Ctx) -> Thing:
    group_id = ctx.params.require("ScalingGroupId")
    return things.find(
        ctx, KIND, group_id,
        lambda: ApiError(404, "InvalidScalingGroupId.NotFound", "The specified scaling group does not exist."),
    )  # fmt: skip


def create_scaling_configuration(ctx: Ctx) -> dict[str, Any]:
    p, group = ctx.params, _group(ctx)
    kind, picture = instance_type(p.require("InstanceType")), image(p.require("ImageId"))
    if (kind.architecture == "ARM") != (picture.architecture == "arm64"):
        raise ApiError(403, "ImageNotSupportInstanceType", f"Image {picture.id} does not support {kind.id}.")
    security = p.repeated("SecurityGroupIds") or [p.require("SecurityGroupId")]
    for group_id in security:
        if find_security_group(ctx, group_id).vpc != group.values["vpc"]:
            raise ApiError(400, "InvalidSecurityGroupId.VPCMismatch", f"{group_id} is in another VPC.")
    try:
        base64.b64decode(p.get("UserData"), validate=True)
        tags = json.loads(p.get("Tags") or "{}")
    except (binascii.Error, ValueError) as exc:
        raise ApiError(400, "InvalidParameter", f"UserData or Tags are not well formed: {exc}") from exc
    made = things.add(
        ctx, CONFIGURATION, ctx.cloud.new_id(f"asc-{region_code(ctx.region)}", 17), p.get("ScalingConfigurationName"),
        touched=TRAIL,
        group=group.id, type=kind.id, image=picture.id, security=security, user_data=p.get("UserData"),
        instance_tags=tags, instance_name=p.get("InstanceName"),
        disk_gib=p.integer("SystemDisk.Size", 40, low=20, high=2048),
        disk_category=p.get("SystemDisk.Category", "cloud_essd"), disk_encrypted=p.flag("SystemDisk.Encrypted"),
        bandwidth=p.integer("InternetMaxBandwidthOut", 0, high=100),
    )  # fmt: skip
    made.name = made.name or made.id
    ctx.touched.append((TRAIL, group.id))
    return {"ScalingConfigurationId": made.id}


def _configuration(ctx: Ctx, configuration_id: str, group: Thing) -> Thing:
    def missing() -> ApiError:
        return ApiError(404, "InvalidScalingConfigurationId.NotFound", "The scaling configuration does not exist.")

    found = things.find(ctx, CONFIGURATION, configuration_id, missing)
    if found.values["group"] != group.id:
        raise missing()
    return found


def enable_scaling_group(ctx: Ctx) -> dict[str, Any]:
    group = _group(ctx)
    wanted = ctx.params.get("ActiveScalingConfigurationId") or group.values["active"]
    if group.values["enabled"] or group.leaving:
        message = "The current status of the specified scaling group does not support this action."
        raise ApiError(400, "IncorrectScalingGroupStatus", message)
    if not wanted:
        raise ApiError(400, "MissingActiveScalingConfiguration", "An active scaling configuration is needed.")
    group.values.update(active=_configuration(ctx, wanted, group).id, enabled=True)
    ctx.touched.append((TRAIL, group.id))
    keep(ctx.cloud, ctx.estate, group)
    return {}


def disable_scaling_group(ctx: Ctx) -> dict[str, Any]:
    group = _group(ctx)
    group.values["enabled"] = False
    ctx.touched.append((TRAIL, group.id))
    return {}


def modify_scaling_group(ctx: Ctx) -> dict[str, Any]:
    p, group = ctx.params, _group(ctx)
    values = group.values
    low, high = p.integer("MinSize", values["low"], high=_MOST), p.integer("MaxSize", values["high"], high=_MOST)
    size = p.integer("DesiredCapacity", min(max(values["size"], low), high), high=_MOST)
    _limits(low, high, size)
    switches = _switches(ctx) if p.repeated("VSwitchIds") else values["vswitches"]
    active = p.get("ActiveScalingConfigurationId")
    if active:
        values["active"] = _configuration(ctx, active, group).id
    values.update(low=low, high=high, size=size, vswitches=switches)
    group.name = p.get("ScalingGroupName", group.name)
    ctx.touched.append((TRAIL, group.id))
    keep(ctx.cloud, ctx.estate, group)
    return {}


def delete_scaling_group(ctx: Ctx) -> dict[str, Any]:
    group = _group(ctx)
    there = members(ctx.estate, group)
    if there and not ctx.params.flag("ForceDelete"):
        message = "The scaling group has instances: release them, or use ForceDelete."
        raise ApiError(400, "InstanceInUse", message)
    if not group.leaving:
        things.remove(ctx, group, takes="instancegroup.delete")
        group.values.update(enabled=False, size=0)
        group.gone_s += 3600.0  # until its machines are gone: see _sweep
        _sweep(ctx.cloud, ctx.estate, group, group.gone_s - 3600.0)
    ctx.touched.append((TRAIL, group.id))
    return {}


def _sweep(cloud: Cloud, estate: Estate, group: Thing, not_before_s: float) -> None:
    """A group is there until the last of its machines is gone."""
    for machine in members(estate, group):
        _drop(cloud, estate, group, machine)

    async def work() -> None:
        while members(estate, group):
            await asyncio.sleep(0.02)
        group.gone_s = not_before_s
        for found in things.living(estate, CONFIGURATION):
            if found.values["group"] == group.id:
                estate.things.pop(f"{CONFIGURATION}/{found.id}", None)

    cloud.spawn(f"deletion of {group.id}", work)


def resume(cloud: Cloud, estate: Estate) -> None:
    """After a restore: what was under way goes on."""
    for group in things.living(estate, KIND):
        if group.leaving:
            _sweep(cloud, estate, group, min(group.gone_s, group.created_s))
        else:
            keep(cloud, estate, group)


# -- keeping the count ---------------------------------------------------------------------------------------------


def members(estate: Estate, group: Thing) -> list[Machine]:
    return [m for m in estate.machines.values() if m.tags.get(TAG_GROUP) == group.id]


def staying(estate: Estate, group: Thing) -> list[Machine]:
    return [m for m in members(estate, group) if m.status != "Deleting"]


def keep(cloud: Cloud, estate: Estate, group: Thing) -> None:
    """Brings an enabled group to its size: what is missing is made, the oldest of what is too much goes."""
    values = group.values
    if not values["enabled"] or group.leaving:
        return
    there = staying(estate, group)
    if len(there) < values["size"] and not _may_grow(cloud, group):
        return
    for machine in there[: max(0, len(there) - values["size"])]:
        _drop(cloud, estate, group, machine)
    configuration = estate.things[f"{CONFIGURATION}/{values['active']}"].values
    for number in range(len(there), values["size"]):
        switch = estate.vswitches[values["vswitches"][number % len(values["vswitches"])]]
        machine = new_machine(
            cloud, estate, switch, configuration["security"], configuration["type"], configuration["image"]
        )
        machine.name = configuration["instance_name"] or f"ESS-asg-{group.name}"
        machine.tags = {**configuration["instance_tags"], TAG_GROUP: group.id}
        machine.user_data = configuration["user_data"]
        machine.disk_gib, machine.disk_category = configuration["disk_gib"], configuration["disk_category"]
        machine.disk_encrypted = configuration["disk_encrypted"]
        machine.wants_public_ip = configuration["bandwidth"] > 0
        start(cloud, machine, "vm.create")
        _behind(estate, group, {machine.id}, add=True)


def _may_grow(cloud: Cloud, group: Thing) -> bool:
    """Whether there are machines to be had: a row of the fault table for `ess:ScaleOut` says no, and why."""
    fault = cloud.world.faults.check("alibaba", "ess:ScaleOut", detail=group.name, write=True)
    told = {"ScalingActivityId": cloud.new_id(f"asa-{region_code(group.region)}", 17), "StartTime": iso(time.time())}
    if fault is None:
        told |= {"StatusCode": "Successful", "ErrorCode": "", "ErrorMessage": ""}
    else:
        _, code, message = words("ess:ScaleOut")[fault.error or "capacity"]
        failed = {"ErrorCode": fault.code or code, "ErrorMessage": fault.message or message}
        told |= {"StatusCode": "Failed", **failed}
    group.values["activities"] = [told, *group.values["activities"]][:_ACTIVITIES_KEPT]
    return fault is None


def describe_scaling_activities(ctx: Ctx) -> dict[str, Any]:
    group = _group(ctx)
    part, fields = page(ctx, group.values["activities"], limit=50)
    return {"ScalingActivities": [{**row, "ScalingGroupId": group.id} for row in part], **fields}


def _behind(estate: Estate, group: Thing, machine_ids: set[str], *, add: bool) -> None:
    for balancer_id in group.values["balancers"]:
        balancer = estate.things.get(f"{slb.KIND}/{balancer_id}")
        if balancer is not None:
            slb.take_away(balancer, machine_ids)
            if add:
                rows = [{"ServerId": i, "Weight": 50, "Type": "ecs"} for i in sorted(machine_ids)]
                balancer.values["servers"].extend(rows)


def _drop(cloud: Cloud, estate: Estate, group: Thing, machine: Machine) -> None:
    _behind(estate, group, {machine.id}, add=False)
    if machine.status != "Deleting":
        remove(cloud, estate, machine)


def attach_load_balancers(ctx: Ctx) -> dict[str, Any]:
    group = _group(ctx)
    for balancer_id in ctx.params.repeated("LoadBalancers"):
        slb.find_balancer(ctx, balancer_id)
        if balancer_id not in group.values["balancers"]:
            group.values["balancers"].append(balancer_id)
    _behind(ctx.estate, group, {m.id for m in staying(ctx.estate, group)}, add=True)
    ctx.touched.append((TRAIL, group.id))
    return {"ScalingActivityId": ctx.cloud.new_id(f"asa-{region_code(ctx.region)}", 17)}


def detach_load_balancers(ctx: Ctx) -> dict[str, Any]:
    group, leaving = _group(ctx), ctx.params.repeated("LoadBalancers")
    for balancer_id in leaving:
        balancer = ctx.estate.things.get(f"{slb.KIND}/{balancer_id}")
        if balancer is not None:
            slb.take_away(balancer, {m.id for m in members(ctx.estate, group)})
    group.values["balancers"] = [b for b in group.values["balancers"] if b not in leaving]
    ctx.touched.append((TRAIL, group.id))
    return {"ScalingActivityId": ctx.cloud.new_id(f"asa-{region_code(ctx.region)}", 17)}


def tag_resources(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    if p.require("ResourceType").lower() != "scalinggroup":
        raise ApiError(400, "InvalidResourceType", "Only scalinggroup has tags.")
    added = {t["Key"]: t.get("Value", "") for t in p.structs("Tags") if t.get("Key")}
    for group_id in p.repeated("ResourceIds"):
        things.find(
            ctx, KIND, group_id, lambda: ApiError(404, "InvalidScalingGroupId.NotFound", "There is no such group.")
        ).tags.update(added)
        ctx.touched.append((TRAIL, group_id))
    return {}
