"""What Ess 2022-02-22 tells of scaling groups, their configurations and their instances.

Callers: sandbox/alibaba/further_actions.py. Whoever reads a group lets it replace what went away, as ESS does.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.ess import CONFIGURATION, KIND, keep, members, staying
from sandbox.alibaba.state import Ctx, Machine, iso, page
from sandbox.alibaba.things import Thing


def describe_scaling_groups(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    ids, names, name = p.repeated("ScalingGroupIds"), p.repeated("ScalingGroupNames"), p.get("ScalingGroupName")
    rows = [
        t
        for t in things.with_tags(things.living(ctx.estate, KIND, ctx.region), p.structs("Tags"))
        if (not ids or t.id in ids) and (not names or t.name in names) and name in ("", t.name)
    ]
    part, fields = page(ctx, rows, limit=100)
    for group in part:
        keep(ctx.cloud, ctx.estate, group)  # ESS replaces what went away
    return {"ScalingGroups": [_group_row(ctx, t) for t in part], **fields}


def _group_row(ctx: Ctx, t: Thing) -> dict[str, Any]:
    values, there = t.values, staying(ctx.estate, t)
    active = sum(m.status == "Running" for m in there)
    leaving = len(members(ctx.estate, t)) - len(there)
    state = "Deleting" if t.leaving else "Active" if values["enabled"] else "Inactive"
    return {
        "ScalingGroupId": t.id,
        "ScalingGroupName": t.name,
        "LifecycleState": state,
        "RegionId": t.region,
        "MinSize": values["low"],
        "MaxSize": values["high"],
        "DesiredCapacity": values["size"],
        "EnableDesiredCapacity": True,
        "TotalCapacity": len(there) + leaving,
        "TotalInstanceCount": len(there) + leaving,
        "ActiveCapacity": active,
        "PendingCapacity": len(there) - active,
        "RemovingCapacity": leaving,
        "VpcId": values["vpc"],
        "VSwitchId": values["vswitches"][0],
        "VSwitchIds": list(values["vswitches"]),
        "LoadBalancerIds": list(values["balancers"]),
        "ActiveScalingConfigurationId": values["active"],
        "GroupType": "ECS",
        "HealthCheckType": "ECS",
        "CreationTime": iso(t.created_s),
        "Tags": [{"TagKey": k, "TagValue": v, "Propagate": False} for k, v in t.tags.items()],
    }


def describe_scaling_configurations(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    ids, group = p.repeated("ScalingConfigurationIds"), p.get("ScalingGroupId")
    rows = [
        t
        for t in things.living(ctx.estate, CONFIGURATION, ctx.region)
        if (not ids or t.id in ids) and group in ("", t.values["group"])
    ]
    part, fields = page(ctx, rows, limit=100)
    return {"ScalingConfigurations": [_configuration_row(ctx, t) for t in part], **fields}


def _configuration_row(ctx: Ctx, t: Thing) -> dict[str, Any]:
    values = t.values
    active = any(g.values["active"] == t.id for g in things.living(ctx.estate, KIND, ctx.region))
    return {
        "ScalingConfigurationId": t.id,
        "ScalingConfigurationName": t.name,
        "ScalingGroupId": values["group"],
        "LifecycleState": "Active" if active else "Inactive",
        "InstanceType": values["type"],
        "InstanceTypes": [values["type"]],
        "InstanceName": values["instance_name"],
        "ImageId": values["image"],
        "SecurityGroupId": values["security"][0],
        "SecurityGroupIds": list(values["security"]),
        "UserData": values["user_data"],
        "SystemDiskCategory": values["disk_category"],
        "SystemDiskSize": values["disk_gib"],
        "SystemDiskEncrypted": values["disk_encrypted"],
        "InternetMaxBandwidthOut": values["bandwidth"],
        "Tags": [{"Key": k, "Value": v} for k, v in values["instance_tags"].items()],
        "CreationTime": iso(t.created_s),
    }


def describe_scaling_instances(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    rows = [
        _member_row(m, t)
        for t in things.living(ctx.estate, KIND, ctx.region)
        if p.get("ScalingGroupId", t.id) == t.id
        for m in members(ctx.estate, t)
    ]
    part, fields = page(ctx, rows, limit=100)
    return {"ScalingInstances": part, **fields}


def _member_row(m: Machine, group: Thing) -> dict[str, Any]:
    states = {"Running": "InService", "Deleting": "Removing", "Pending": "Pending", "Starting": "Pending"}
    return {
        "InstanceId": m.id,
        "ScalingGroupId": group.id,
        "ScalingConfigurationId": group.values["active"],
        "LifecycleState": states.get(m.status, "Stopped"),
        "HealthStatus": "Healthy" if m.status in ("Running", "Pending", "Starting") else "Unhealthy",
        "CreationType": "AutoCreated",
        "CreationTime": iso(m.created_s, seconds=False),
        "ZoneId": m.zone,
        "PrivateIpAddress": m.private_ip,
    }
