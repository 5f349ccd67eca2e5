"""Ecs 2014-05-26: data disks, and the system disks of machines beside them.

Callers: sandbox/alibaba/server.py; ecs_tags.py. Sources: CreateDisk, ResizeDisk, AttachDisk, DeleteDisk in the ECS
reference. Not here: snapshots, subscription disks, sharing one disk among instances.
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.catalogue import zones
from sandbox.alibaba.machines import find_machine
from sandbox.alibaba.state import Ctx, Machine, has_tags, iso, region_code, tag_rows, token_page
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND, TRAIL = "disk", "ACS::ECS::Disk"
_SMALLEST_GIB = {"cloud": 5, "cloud_efficiency": 20, "cloud_ssd": 20, "cloud_essd": 20, "cloud_auto": 1}
SERVICE_KEY = "e522b26d-abf6-4e0d-b5da-04b7ffffffff"
"""The key that ECS has of its own: an encrypted disk names it where the user chose none."""


def create_disk(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    zone, category = p.require("ZoneId"), p.get("DiskCategory", "cloud_essd")
    if zone not in zones(ctx.region):
        raise ApiError(404, "InvalidZoneId.NotFound", f"The specified zone {zone} does not exist in {ctx.region}.")
    if category not in _SMALLEST_GIB:
        raise ApiError(400, "InvalidDiskCategory.NotSupported", f"The disk category {category} is not supported.")
    size = p.integer("Size", 0, low=1, high=65536)
    if size < _SMALLEST_GIB[category]:
        raise ApiError(400, "InvalidSize.ValueNotSupported", f"The specified Size {size} is not valid for {category}.")
    encrypted = p.flag("Encrypted")
    key = p.get("KMSKeyId") if encrypted else ""
    made = things.add(
        ctx, KIND, ctx.cloud.new_id(f"d-{region_code(ctx.region)}", 17), p.get("DiskName"),
        takes="disk.create", touched=TRAIL, tags=p.tags(),
        zone=zone, size=size, category=category, encrypted=encrypted, key=key or (SERVICE_KEY if encrypted else ""),
        description=p.get("Description"), instance="", until="",
    )  # fmt: skip
    return {"DiskId": made.id, "OrderId": ""}


def find_disk(ctx: Ctx, disk_id: str) -> Thing:
    return things.find(
        ctx, KIND, disk_id, lambda: ApiError(404, "InvalidDiskId.NotFound", "The specified disk does not exist.")
    )


def _status(ctx: Ctx, disk: Thing) -> str:
    instance = disk.values["instance"]
    if instance and instance not in ctx.estate.machines:
        disk.values["instance"] = instance = ""  # it was released with its instance away
    if disk.leaving:
        return "Deleting"
    if not disk.ready:
        return {"in": "Attaching", "out": "Detaching"}.get(disk.values["until"], "Creating")
    if disk.values["until"] == "out":
        disk.values.update(instance="", until="")
        return "Available"
    return "In_use" if instance else "Available"


def _need(ctx: Ctx, disk: Thing, *statuses: str) -> None:
    status = _status(ctx, disk)
    if status not in statuses:
        message = f"The current disk status does not support this operation: {disk.id} is {status}."
        raise ApiError(403, "IncorrectDiskStatus", message)


def resize_disk(ctx: Ctx) -> dict[str, Any]:
    disk, size = find_disk(ctx, ctx.params.require("DiskId")), ctx.params.integer("NewSize", 0, low=1, high=65536)
    _need(ctx, disk, "Available", "In_use")
    if size < disk.values["size"]:
        raise ApiError(403, "InvalidDiskSize.TooSmall", "Specified new disk size is less than the original disk size.")
    disk.values["size"] = size
    ctx.touched.append((TRAIL, disk.id))
    return {"OrderId": ""}


def attach_disk(ctx: Ctx) -> dict[str, Any]:
    disk = find_disk(ctx, ctx.params.require("DiskId"))
    machine = find_machine(ctx, ctx.params.require("InstanceId"))
    if disk.values["zone"] != machine.zone:
        raise ApiError(403, "ResourcesNotInSameZone", "The specified instance and disk are not in the same zone.")
    if machine.status not in ("Running", "Stopped"):
        raise ApiError(403, "IncorrectInstanceStatus", f"Instance {machine.id} is {machine.status}.")
    _need(ctx, disk, "Available")
    disk.values.update(instance=machine.id, until="in")
    return _moving(ctx, disk)


def detach_disk(ctx: Ctx) -> dict[str, Any]:
    disk = find_disk(ctx, ctx.params.require("DiskId"))
    _need(ctx, disk, "In_use")
    if disk.values["instance"] != ctx.params.require("InstanceId"):
        raise ApiError(403, "DependencyViolation", "The specified disk is not attached to that instance.")
    disk.values["until"] = "out"
    return _moving(ctx, disk)


def _moving(ctx: Ctx, disk: Thing) -> dict[str, Any]:
    disk.ready_s = time.time() + ctx.cloud.duration_s("disk.update", f"{ctx.region}/{disk.name}", disk.id)
    ctx.touched.append((TRAIL, disk.id))
    return {}


def modify_disk_attribute(ctx: Ctx) -> dict[str, Any]:
    disk = find_disk(ctx, ctx.params.require("DiskId"))
    disk.name = ctx.params.get("DiskName", disk.name)
    disk.values["description"] = ctx.params.get("Description", disk.values["description"])
    ctx.touched.append((TRAIL, disk.id))
    return {}


def delete_disk(ctx: Ctx) -> dict[str, Any]:
    disk = find_disk(ctx, ctx.params.require("DiskId"))
    _need(ctx, disk, "Available")
    things.remove(ctx, disk, takes="disk.delete", touched=TRAIL)
    return {}


def describe_disks(ctx: Ctx) -> dict[str, Any]:
    p, tags = ctx.params, ctx.params.structs("Tag")
    kind, ids = p.get("DiskType", "all"), [str(i) for i in p.json_list("DiskIds")]
    system = [_system_row(m) for m in ctx.estate.machines.values() if m.region == ctx.region]
    data = [_row(ctx, d) for d in things.living(ctx.estate, KIND, ctx.region)]
    rows = [
        row
        for row in [*system, *data]
        if kind in ("all", row["Type"])
        and (not ids or row["DiskId"] in ids)
        and p.get("InstanceId", row["InstanceId"]) == row["InstanceId"]
        and p.get("DiskName", row["DiskName"]) == row["DiskName"]
        and p.get("ZoneId", row["ZoneId"]) == row["ZoneId"]
        and p.get("Status", row["Status"]) in (row["Status"], "All")
        and has_tags({t["TagKey"]: t["TagValue"] for t in row["Tags"]["Tag"]}, tags)
    ]
    part, fields = token_page(ctx, rows, limit=500)
    return {"Disks": {"Disk": part}, **fields}


def _row(ctx: Ctx, disk: Thing) -> dict[str, Any]:
    status, values = _status(ctx, disk), disk.values
    return {
        "DiskId": disk.id,
        "DiskName": disk.name,
        "Description": values["description"],
        "InstanceId": values["instance"],
        "RegionId": disk.region,
        "ZoneId": values["zone"],
        "Type": "data",
        "Status": status,
        "Category": values["category"],
        "Size": values["size"],
        "Encrypted": values["encrypted"],
        "KMSKeyId": values["key"],
        "Device": "/dev/xvdb" if values["instance"] else "",
        "DeleteWithInstance": False,
        "Portable": True,
        "DiskChargeType": "PostPaid",
        "CreationTime": iso(disk.created_s),
        "Tags": {"Tag": tag_rows(disk.tags)},
    }


def _system_row(m: Machine) -> dict[str, Any]:
    return {
        "DiskId": m.disk_id,
        "DiskName": "",
        "InstanceId": m.id,
        "RegionId": m.region,
        "ZoneId": m.zone,
        "Type": "system",
        "Status": "In_use",
        "Category": m.disk_category,
        "Size": m.disk_gib,
        "Encrypted": m.disk_encrypted,
        "Device": "/dev/xvda",
        "DeleteWithInstance": True,
        "DiskChargeType": "PostPaid",
        "CreationTime": iso(m.created_s),
        "Tags": {"Tag": []},
    }
