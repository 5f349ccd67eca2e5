"""Vpc 2016-04-28: VPCs, vSwitches and their tags.

Callers: sandbox/alibaba/server.py. Answers have the field names of DescribeVpcs and DescribeVSwitches.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from sandbox.alibaba.catalogue import zones
from sandbox.alibaba.state import Ctx, Vpc, VSwitch, has_tags, iso, page, region_code, tag_rows
from sandbox.alibaba.wire import ApiError

_PRIVATE = tuple(ipaddress.IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def create_vpc(ctx: Ctx) -> dict[str, Any]:
    cidr = ctx.params.get("CidrBlock", "172.16.0.0/12")
    net = _network(cidr, "CidrBlock")
    if not any(net.subnet_of(private) for private in _PRIVATE) or not 8 <= net.prefixlen <= 28:
        raise ApiError(400, "InvalidCidrBlock.Malformed", f"The specified CidrBlock {cidr} is not valid.")
    vpc = Vpc(
        id=ctx.cloud.new_id(f"vpc-{region_code(ctx.region)}", 18),
        region=ctx.region,
        name=ctx.params.get("VpcName"),
        cidr=cidr,
        description=ctx.params.get("Description"),
        tags=ctx.params.tags(),
        created_s=time.time(),
        ready_s=time.time() + ctx.cloud.duration_s("network.create", f"{ctx.region}/{ctx.params.get('VpcName')}"),
    )
    ctx.estate.vpcs[vpc.id] = vpc
    ctx.touched.append(("ACS::VPC::VPC", vpc.id))
    suffix = vpc.id.removeprefix("vpc-")
    return {
        "VpcId": vpc.id,
        "VRouterId": f"vrt-{suffix}",
        "RouteTableId": f"vtb-{suffix}",
        "ResourceGroupId": "rg-default",
    }


def _network(cidr: str, name: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(cidr)
    except ValueError as exc:
        raise ApiError(400, f"Invalid{name}.Malformed", f"The specified {name} {cidr} is not valid.") from exc


def describe_vpcs(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    ids, name, tags = [i for i in p.get("VpcId").split(",") if i], p.get("VpcName"), p.structs("Tag")
    rows = [
        v
        for v in ctx.estate.vpcs.values()
        if v.region == ctx.region
        and (not ids or v.id in ids)
        and (not name or v.name == name)
        and has_tags(v.tags, tags)
    ]
    part, fields = page(ctx, rows, limit=50)
    return {"Vpcs": {"Vpc": [_vpc_row(ctx, v) for v in part]}, **fields}


def _vpc_row(ctx: Ctx, v: Vpc) -> dict[str, Any]:
    switches = [s.id for s in ctx.estate.vswitches.values() if s.vpc == v.id]
    return {
        "VpcId": v.id,
        "VpcName": v.name,
        "RegionId": v.region,
        "Status": v.status,
        "CidrBlock": v.cidr,
        "Description": v.description,
        "IsDefault": False,
        "CreationTime": iso(v.created_s),
        "VSwitchIds": {"VSwitchId": switches},
        "VRouterId": f"vrt-{v.id.removeprefix('vpc-')}",
        "ResourceGroupId": "rg-default",
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
        "UserCidrs": {"UserCidr": []},
        "OwnerId": int(ctx.caller.account.account_id),
        "Tags": {"Tag": tag_rows(v.tags, "Key", "Value")},
    }


def modify_vpc_attribute(ctx: Ctx) -> dict[str, Any]:
    vpc = find_vpc(ctx, ctx.params.require("VpcId"))
    vpc.name = ctx.params.get("VpcName", vpc.name)
    vpc.description = ctx.params.get("Description", vpc.description)
    ctx.touched.append(("ACS::VPC::VPC", vpc.id))
    return {}


def find_vpc(ctx: Ctx, vpc_id: str) -> Vpc:
    vpc = ctx.estate.vpcs.get(vpc_id)
    if vpc is None or vpc.region != ctx.region:
        raise ApiError(404, "InvalidVpcId.NotFound", f"Specified VPC {vpc_id} does not exist.")
    return vpc


def usable_vpc(ctx: Ctx, vpc_id: str) -> Vpc:
    vpc = find_vpc(ctx, vpc_id)
    if vpc.status != "Available":
        raise ApiError(400, "IncorrectVpcStatus", f"The status of VPC {vpc_id} is {vpc.status}: try again later.")
    return vpc


def delete_vpc(ctx: Ctx) -> dict[str, Any]:
    vpc = usable_vpc(ctx, ctx.params.require("VpcId"))
    if any(s.vpc == vpc.id for s in ctx.estate.vswitches.values()):
        raise ApiError(400, "DependencyViolation.VSwitch", "Specified object has dependent resources: VSwitch.")
    if any(g.vpc == vpc.id for g in ctx.estate.groups.values()):
        raise ApiError(
            400, "DependencyViolation.SecurityGroup", "Specified object has dependent resources: SecurityGroup."
        )
    del ctx.estate.vpcs[vpc.id]
    ctx.touched.append(("ACS::VPC::VPC", vpc.id))
    return {}


def create_vswitch(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    vpc, zone, cidr = usable_vpc(ctx, p.require("VpcId")), p.require("ZoneId"), p.require("CidrBlock")
    if zone not in zones(ctx.region):
        raise ApiError(404, "InvalidZoneId.NotFound", f"Specified zone {zone} does not exist in {ctx.region}.")
    net = _network(cidr, "CidrBlock")
    if not net.subnet_of(_network(vpc.cidr, "CidrBlock")) or not 16 <= net.prefixlen <= 29:
        raise ApiError(400, "InvalidCidrBlock", f"Specified CIDR block {cidr} is not within VPC {vpc.cidr}.")
    for other in ctx.estate.vswitches.values():
        if other.vpc == vpc.id and _network(other.cidr, "CidrBlock").overlaps(net):
            raise ApiError(400, "InvalidCidrBlock.Overlapped", f"CIDR block {cidr} overlaps with {other.id}.")
    switch = VSwitch(
        id=ctx.cloud.new_id(f"vsw-{region_code(ctx.region)}", 18),
        region=ctx.region,
        zone=zone,
        vpc=vpc.id,
        name=p.get("VSwitchName"),
        cidr=cidr,
        description=p.get("Description"),
        tags=p.tags(),
        created_s=time.time(),
        ready_s=time.time() + ctx.cloud.duration_s("subnet.create", f"{zone}/{p.get('VSwitchName')}"),
    )
    ctx.estate.vswitches[switch.id] = switch
    ctx.touched.append(("ACS::VPC::VSwitch", switch.id))
    return {"VSwitchId": switch.id}


def describe_vswitches(ctx: Ctx) -> dict[str, Any]:
    p, tags = ctx.params, ctx.params.structs("Tag")
    ids = [i for i in p.get("VSwitchId").split(",") if i]
    rows = [
        s
        for s in ctx.estate.vswitches.values()
        if s.region == ctx.region
        and (not ids or s.id in ids)
        and p.get("VpcId", s.vpc) == s.vpc
        and p.get("ZoneId", s.zone) == s.zone
        and p.get("VSwitchName", s.name) == s.name
        and has_tags(s.tags, tags)
    ]
    part, fields = page(ctx, rows, limit=50)
    return {"VSwitches": {"VSwitch": [_vswitch_row(ctx, s) for s in part]}, **fields}


def _vswitch_row(ctx: Ctx, s: VSwitch) -> dict[str, Any]:
    used = sum(m.vswitch == s.id for m in ctx.estate.machines.values())
    return {
        "VSwitchId": s.id,
        "VSwitchName": s.name,
        "VpcId": s.vpc,
        "ZoneId": s.zone,
        "CidrBlock": s.cidr,
        "Status": s.status,
        "Description": s.description,
        "IsDefault": False,
        "CreationTime": iso(s.created_s),
        "AvailableIpAddressCount": ipaddress.IPv4Network(s.cidr).num_addresses - 4 - used,
        "ResourceGroupId": "rg-default",
        "Tags": {"Tag": tag_rows(s.tags, "Key", "Value")},
    }


def find_vswitch(ctx: Ctx, vswitch_id: str) -> VSwitch:
    switch = ctx.estate.vswitches.get(vswitch_id)
    if switch is None or switch.region != ctx.region:
        raise ApiError(404, "InvalidVSwitchId.NotFound", f"The specified VSwitchId {vswitch_id} does not exist.")
    return switch


def usable_vswitch(ctx: Ctx, vswitch_id: str) -> VSwitch:
    switch = find_vswitch(ctx, vswitch_id)
    if switch.status != "Available":
        raise ApiError(400, "IncorrectVSwitchStatus", f"The status of VSwitch {vswitch_id} is {switch.status}.")
    return switch


def delete_vswitch(ctx: Ctx) -> dict[str, Any]:
    switch = usable_vswitch(ctx, ctx.params.require("VSwitchId"))
    used = any(m.vswitch == switch.id for m in ctx.estate.machines.values())
    behind = any(switch.id in (t.values.get("vswitch"), *t.values.get("vswitches", ())) for t in ctx.estate.there())
    if used or behind or any(switch.id in c.vswitches for c in ctx.estate.clusters.values()):
        raise ApiError(400, "DependencyViolation", "Specified object has dependent resources.")
    del ctx.estate.vswitches[switch.id]
    ctx.touched.append(("ACS::VPC::VSwitch", switch.id))
    return {}


def _tagged(ctx: Ctx, kind: str, resource_id: str) -> Vpc | VSwitch:
    if kind not in ("VPC", "VSWITCH"):
        raise ApiError(400, "InvalidParameter.ResourceType", "The sandbox tags VPC and VSWITCH only.")
    return find_vpc(ctx, resource_id) if kind == "VPC" else find_vswitch(ctx, resource_id)


def tag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, tags = ctx.params.require("ResourceType").upper(), ctx.params.tags()
    for resource_id in ctx.params.repeated("ResourceId"):
        _tagged(ctx, kind, resource_id).tags.update(tags)
        ctx.touched.append((f"ACS::VPC::{'VPC' if kind == 'VPC' else 'VSwitch'}", resource_id))
    return {}


def untag_resources(ctx: Ctx) -> dict[str, Any]:
    kind, keys = ctx.params.require("ResourceType").upper(), ctx.params.repeated("TagKey")
    everything = ctx.params.flag("All")
    for resource_id in ctx.params.repeated("ResourceId"):
        record = _tagged(ctx, kind, resource_id)
        record.tags = {} if everything else {k: v for k, v in record.tags.items() if k not in keys}
        ctx.touched.append((f"ACS::VPC::{'VPC' if kind == 'VPC' else 'VSwitch'}", resource_id))
    return {}
