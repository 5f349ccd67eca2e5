"""Ecs 2014-05-26: instances, user data and tags.

Callers: sandbox/alibaba/server.py; clusters.py for worker nodes. A machine whose user data starts a container runs it
on a loopback address of its own, which is then its private address. Not here: disks (disks.py).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import fnmatch
import ipaddress
import logging
import time
from dataclasses import replace
from typing import Any

from sandbox.alibaba.catalogue import image, instance_type
from sandbox.alibaba.groups import find_group
from sandbox.alibaba.state import (
    Cloud,
    Ctx,
    Estate,
    Machine,
    VSwitch,
    has_tags,
    iso,
    page,
    region_code,
    tag_rows,
    token_page,
)
from sandbox.alibaba.vpc import usable_vswitch
from sandbox.alibaba.wire import ApiError
from sandbox.cloudinit import parse_user_data
from sandbox.world import ImageError

log = logging.getLogger(__name__)
USER_DATA_LIMIT = 32 * 1024


def run_instances(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    kind, picture = instance_type(p.require("InstanceType")), image(p.require("ImageId"))
    switch = usable_vswitch(ctx, p.require("VSwitchId"))
    if (kind.architecture == "ARM") != (picture.architecture == "arm64"):
        raise ApiError(403, "ImageNotSupportInstanceType", f"Image {picture.id} does not support {kind.id}.")
    if p.get("ZoneId", switch.zone) != switch.zone:
        raise ApiError(400, "InvalidParameter.Conflict", f"VSwitch {switch.id} is not in zone {p.get('ZoneId')}.")
    groups = p.repeated("SecurityGroupIds") or [p.require("SecurityGroupId")]
    for group_id in groups:
        if find_group(ctx, group_id).vpc != switch.vpc:
            raise ApiError(403, "InvalidSecurityGroupId.VPCMismatch", f"{group_id} and {switch.id} differ in VPC.")
    amount, user_data = p.integer("Amount", 1, low=1, high=100), _user_data(p.get("UserData"))
    if p.flag("DryRun"):
        raise ApiError(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
    made = []
    for _ in range(amount):
        machine = new_machine(ctx.cloud, ctx.estate, switch, groups, kind.id, picture.id)
        machine.name = p.get("InstanceName") or machine.id
        machine.host_name = p.get("HostName") or f"iZ{machine.id.removeprefix('i-')}Z"
        machine.description, machine.tags = p.get("Description"), p.tags()
        machine.user_data = user_data
        machine.disk_gib = p.integer("SystemDisk.Size", 40, low=20, high=2048)
        machine.disk_category = p.get("SystemDisk.Category", "cloud_essd")
        machine.disk_encrypted = p.flag("SystemDisk.Encrypted")
        machine.wants_public_ip = p.integer("InternetMaxBandwidthOut", 0, high=100) > 0
        machine.deletion_protection = p.flag("DeletionProtection")
        made.append(machine.id)
        ctx.touched.append(("ACS::ECS::Instance", machine.id))
        start(ctx.cloud, machine, "vm.create")
    return {"InstanceIdSets": {"InstanceIdSet": made}, "TradePrice": 0.0, "OrderId": ""}


def new_machine(
    cloud: Cloud, estate: Estate, switch: VSwitch, groups: list[str], type_id: str, image_id: str
) -> Machine:
    """A machine that exists and does not run yet."""
    machine = Machine(
        id=cloud.new_id(f"i-{region_code(switch.region)}", 17),
        region=switch.region,
        zone=switch.zone,
        name="",
        type=type_id,
        image=image_id,
        vpc=switch.vpc,
        vswitch=switch.id,
        groups=list(groups),
        tags={},
        created_s=time.time(),
        disk_id=cloud.new_id(f"d-{region_code(switch.region)}", 17),
    )
    estate.machines[machine.id] = machine
    return machine


def _user_data(text: str) -> str:
    if not text:
        return ""
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ApiError(400, "InvalidUserData.Base64FormatInvalid", "The specified UserData is not Base64.") from exc
    if len(plain) > USER_DATA_LIMIT:
        raise ApiError(400, "InvalidUserData.SizeExceeded", "The specified UserData is too large: it exceeds 32 KB.")
    return text


def drawn_as(machine: Machine) -> str:
    """What its durations are drawn for. A worker's name holds its cluster's id, which is random: it is left out."""
    return f"{machine.zone}/{machine.type}/{'' if machine.pool else machine.name}"


def start(cloud: Cloud, machine: Machine, operation: str) -> None:
    """Brings a machine to Running in the background, its container with it."""
    if operation != "vm.create":
        machine.status = "Starting"

    async def boot() -> None:
        await asyncio.sleep(cloud.duration_s(operation, drawn_as(machine), machine.id))
        if machine.status in ("Pending", "Starting"):
            await _run_container(cloud, machine)
            machine.status = "Running"

    cloud.spawn(f"start of {machine.id}", boot)


async def _run_container(cloud: Cloud, machine: Machine) -> None:
    address = address_in(cloud, machine)
    try:
        spec = parse_user_data(machine.user_data) if machine.user_data else None
        if spec is not None:
            named = replace(spec, identity={"node": machine.id, **spec.identity})
            container = await cloud.world.containers.run(named)
            cloud.containers[machine.id] = container
            address = container.ip
    except (ImageError, ValueError) as exc:
        # The machine boots all the same; its unit fails, and nothing answers there.
        log.warning("alibaba sandbox: %s runs without its container: %s", machine.id, exc)
    machine.private_ip = address
    machine.public_ip = address if machine.wants_public_ip else ""


def address_in(cloud: Cloud, machine: Machine) -> str:
    """A free address of the machine's vSwitch (the first four belong to the cloud)."""
    estate = next(e for e in cloud.estates.values() if machine.id in e.machines)
    net = ipaddress.IPv4Network(estate.vswitches[machine.vswitch].cidr)
    taken = {m.private_ip for m in estate.machines.values() if m.vswitch == machine.vswitch}
    return next((str(h) for i, h in enumerate(net.hosts()) if i >= 3 and str(h) not in taken), "")


async def stop_container(cloud: Cloud, machine: Machine) -> None:
    container = cloud.containers.pop(machine.id, None)
    if container is not None:
        await container.stop()


def find_machine(ctx: Ctx, instance_id: str) -> Machine:
    machine = ctx.estate.machines.get(instance_id)
    if machine is None or machine.region != ctx.region:
        raise ApiError(404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist.")
    return machine


def _asked(ctx: Ctx) -> list[Machine]:
    ids = ctx.params.repeated("InstanceId") or [ctx.params.require("InstanceId")]
    return [find_machine(ctx, instance_id) for instance_id in ids]


def start_instances(ctx: Ctx) -> dict[str, Any]:
    machines = _asked(ctx)
    for m in machines:
        if m.status != "Stopped":
            raise ApiError(403, "IncorrectInstanceStatus", f"Instance {m.id} is {m.status}: it must be Stopped.")
    for m in machines:
        start(ctx.cloud, m, "vm.start")
        ctx.touched.append(("ACS::ECS::Instance", m.id))
    return {"InstanceResponses": {"InstanceResponse": [_transition(m, "Stopped") for m in machines]}}


def start_instance(ctx: Ctx) -> dict[str, Any]:
    """The action for one: it answers nothing but the request's id."""
    start_instances(ctx)
    return {}


def stop_instance(ctx: Ctx) -> dict[str, Any]:
    stop_instances(ctx)
    return {}


def stop_instances(ctx: Ctx) -> dict[str, Any]:
    machines = _asked(ctx)
    for m in machines:
        if m.status not in ("Running", "Stopped"):
            raise ApiError(403, "IncorrectInstanceStatus", f"Instance {m.id} is {m.status}: it must be Running.")
    for m in machines:
        m.status = "Stopping"
        _spawn_stop(ctx.cloud, m)
        ctx.touched.append(("ACS::ECS::Instance", m.id))
    return {"InstanceResponses": {"InstanceResponse": [_transition(m, "Running") for m in machines]}}


def _spawn_stop(cloud: Cloud, machine: Machine) -> None:
    async def work() -> None:
        await stop_container(cloud, machine)
        await asyncio.sleep(cloud.duration_s("vm.stop", drawn_as(machine), machine.id))
        if machine.status == "Stopping":
            machine.status = "Stopped"

    cloud.spawn(f"stop of {machine.id}", work)


def _transition(m: Machine, before: str) -> dict[str, str]:
    return {"InstanceId": m.id, "PreviousStatus": before, "CurrentStatus": m.status, "Code": "200", "Message": ""}


def delete_instances(ctx: Ctx) -> dict[str, Any]:
    """DeleteInstance and DeleteInstances: a running one only with Force."""
    machines = _asked(ctx)
    for m in machines:
        if m.deletion_protection:
            raise ApiError(403, "InvalidOperation.DeletionProtection", f"Instance {m.id} is protected from deletion.")
        if m.status != "Stopped" and not ctx.params.flag("Force"):
            raise ApiError(403, "IncorrectInstanceStatus", f"Instance {m.id} is {m.status}: stop it, or use Force.")
        if m.status == "Pending":
            raise ApiError(403, "IncorrectInstanceStatus.Initializing", f"Instance {m.id} is initializing.")
    for m in machines:
        remove(ctx.cloud, ctx.estate, m)
        ctx.touched.append(("ACS::ECS::Instance", m.id))
    return {}


def remove(cloud: Cloud, estate: Estate, machine: Machine) -> None:
    """Takes a machine away in the background."""
    machine.status = "Deleting"

    async def work() -> None:
        await stop_container(cloud, machine)
        await asyncio.sleep(cloud.duration_s("vm.delete", drawn_as(machine), machine.id))
        estate.machines.pop(machine.id, None)

    cloud.spawn(f"deletion of {machine.id}", work)


def describe_instances(ctx: Ctx) -> dict[str, Any]:
    p, tags = ctx.params, ctx.params.structs("Tag")
    ids = {str(i) for i in p.json_list("InstanceIds")}
    addresses = {str(i) for i in p.json_list("PrivateIpAddresses")}
    name = p.get("InstanceName", "*")
    rows = [
        m
        for m in ctx.estate.machines.values()
        if m.region == ctx.region
        and (not ids or m.id in ids)
        and (not addresses or m.private_ip in addresses)
        and fnmatch.fnmatchcase(m.name, name)
        and p.get("VpcId", m.vpc) == m.vpc
        and p.get("VSwitchId", m.vswitch) == m.vswitch
        and p.get("ZoneId", m.zone) == m.zone
        and p.get("InstanceType", m.type) == m.type
        and p.get("Status", _status(m)) == _status(m)
        and (not p.get("SecurityGroupId") or p.get("SecurityGroupId") in m.groups)
        and has_tags(m.tags, tags)
    ]
    part, fields = token_page(ctx, rows)
    return {"Instances": {"Instance": [_row(m) for m in part]}, **fields}


def describe_instance_status(ctx: Ctx) -> dict[str, Any]:
    ids = set(ctx.params.repeated("InstanceId"))
    rows = [m for m in ctx.estate.machines.values() if m.region == ctx.region and (not ids or m.id in ids)]
    part, fields = page(ctx, rows, limit=50)
    shown = [{"InstanceId": m.id, "Status": _status(m)} for m in part]
    return {"InstanceStatuses": {"InstanceStatus": shown}, **fields}


def _status(m: Machine) -> str:
    """The API has no word for an instance that is being released: it is Stopping until it is gone."""
    return "Stopping" if m.status == "Deleting" else m.status


def _row(m: Machine) -> dict[str, Any]:
    kind = instance_type(m.type)
    private, public = [a for a in (m.private_ip,) if a], [a for a in (m.public_ip,) if a]
    return {
        "InstanceId": m.id,
        "InstanceName": m.name,
        "HostName": m.host_name,
        "Description": m.description,
        "RegionId": m.region,
        "ZoneId": m.zone,
        "Status": _status(m),
        "InstanceType": m.type,
        "InstanceTypeFamily": kind.family,
        "Cpu": kind.vcpus,
        "Memory": kind.memory_mib,
        "ImageId": m.image,
        "OSType": "linux",
        "OSName": image(m.image).os,
        "InstanceNetworkType": "vpc",
        "InstanceChargeType": "PostPaid",
        "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthOut": 5 if m.wants_public_ip else 0,
        "CreationTime": iso(m.created_s, seconds=False),
        "StartTime": iso(m.created_s, seconds=False),
        "ExpiredTime": "2099-12-31T15:59Z",
        "DeletionProtection": m.deletion_protection,
        "DeviceAvailable": True,
        "IoOptimized": True,
        "StoppedMode": "Not-applicable",
        "SpotStrategy": m.spot_strategy,
        "GPUAmount": 0,
        "GPUSpec": "",
        "SecurityGroupIds": {"SecurityGroupId": list(m.groups)},
        "VpcAttributes": {
            "VpcId": m.vpc,
            "VSwitchId": m.vswitch,
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": private},
        },
        "PublicIpAddress": {"IpAddress": public},
        "InnerIpAddress": {"IpAddress": []},
        "EipAddress": {"AllocationId": "", "IpAddress": "", "InternetChargeType": ""},
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    "NetworkInterfaceId": f"eni-{m.id.removeprefix('i-')}",
                    "Type": "Primary",
                    "PrimaryIpAddress": m.private_ip,
                }
            ]
        },
        "OperationLocks": {"LockReason": []},
        "ResourceGroupId": "",
        "Tags": {"Tag": tag_rows(m.tags)},
    }


def describe_user_data(ctx: Ctx) -> dict[str, Any]:
    machine = find_machine(ctx, ctx.params.require("InstanceId"))
    return {"InstanceId": machine.id, "RegionId": machine.region, "UserData": machine.user_data}


def modify_instance_attribute(ctx: Ctx) -> dict[str, Any]:
    machine = find_machine(ctx, ctx.params.require("InstanceId"))
    groups = ctx.params.repeated("SecurityGroupIds")
    for group_id in groups:
        if find_group(ctx, group_id).vpc != machine.vpc:
            raise ApiError(403, "InvalidSecurityGroupId.VPCMismatch", f"{group_id} is not in {machine.vpc}.")
    machine.groups = groups or machine.groups
    machine.name = ctx.params.get("InstanceName", machine.name)
    machine.description = ctx.params.get("Description", machine.description)
    machine.deletion_protection = ctx.params.flag("DeletionProtection", machine.deletion_protection)
    ctx.touched.append(("ACS::ECS::Instance", machine.id))
    return {}
